"""Words of hypotheses, made by hand."""

from __future__ import annotations

from itertools import pairwise

from amanuensis.npu.window import WindowResult
from amanuensis.stream.words import TimedWord


def word(text: str, at_s: float, length_s: float = 0.3, conf: float = 0.9) -> TimedWord:
    """Return a word whose attention peaks lie at a third and two thirds of it."""
    start, length = round(at_s * 16_000), round(length_s * 16_000)
    return TimedWord(text, (1, 2), start + length // 3, start + 2 * length // 3, start, start + length, conf)


def words(text: str, at_s: float = 0.0, step_s: float = 0.4) -> list[TimedWord]:
    """Return the words of a text, one each `step_s`."""
    return [word(" " + part, at_s + k * step_s) for k, part in enumerate(text.split())]


def result(
    tokens: tuple[int, ...] = (),
    frames: tuple[int, ...] = (),
    *,
    logprob: float = -0.1,
    avg_logprob: float = -0.2,
    no_speech_prob: float = 0.0,
    compression_ratio: float = 1.0,
) -> WindowResult:
    """Return what an engine might answer."""
    return WindowResult(
        tokens=tokens,
        logprobs=(logprob,) * len(tokens),
        frames=frames,
        starts_ms=tuple(20 * frame for frame in frames),
        ends_ms=tuple(20 * frame + min(300, 20 * (after - frame)) for frame, after in pairwise((*frames, 10_000))),
        accepted=0,
        complete=True,
        no_speech_prob=no_speech_prob,
        avg_logprob=avg_logprob,
        compression_ratio=compression_ratio,
        temperature=0.0,
        language="en",
        encode_ms=1.0,
        decode_ms=1.0,
        encoder="cpu",
        decoder="cpu",
    )
