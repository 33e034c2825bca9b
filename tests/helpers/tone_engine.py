"""A language of tones and an engine that really reads it, from the same log-mel features that a model gets.

A word is a voiced sound, which the voice detector takes for speech, with a marker tone that says which word it is. The
engine finds runs of frames with one marker. So the text depends on the sound alone, and needs no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from amanuensis.npu.engine.api import EngineBusyError, EngineInfo, EngineLostError, EngineStats
from amanuensis.npu.log_mel import mel_filters
from amanuensis.npu.tokenizer import TokenWord
from amanuensis.npu.window import WindowJob, WindowResult
from tests.helpers.words import result

VOCABULARY = ("alfa", "bravo", "charlie", "delta", "echo", "foxtrot", "golf")
MARKERS_HZ = tuple(1900 + 250 * k for k in range(len(VOCABULARY)))  # below the 4 kHz of telephone sound
PITCH_HZ = 120.0
WORD_S, GAP_S = 0.30, 0.10
MIN_RUN = 8  # frames of 10 ms: less than half a word is not heard
INFO = EngineInfo("tones", "cpu", "cpu", "a test", "float32", 80, False, ("en",), "free", 12.0)


def say(
    words: Sequence[int],
    rate: int = 16_000,
    lead_s: float = 0.6,
    pauses_s: Sequence[float] = (),
    pitch_hz: float = PITCH_HZ,
) -> NDArray[np.float32]:
    """Return the sound of words given by index, float32 at `rate`; `pauses_s` lengthens the gaps after the words."""
    pieces = [_noise(lead_s, rate)]
    for k, word in enumerate(words):
        pause = pauses_s[k % len(pauses_s)] if pauses_s else 0.0
        pieces += [_word(word, rate, pitch_hz), _noise(GAP_S + pause, rate)]
    return np.concatenate(pieces).astype(np.float32)


def spell(words: Sequence[int]) -> str:
    """Return the text of words given by index."""
    return " ".join(VOCABULARY[word] for word in words)


def _noise(seconds: float, rate: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(round(seconds * 1000))
    return rng.normal(0, 1e-4, round(seconds * rate)).astype(np.float32)


def _word(word: int, rate: int, pitch_hz: float) -> NDArray[np.float32]:
    n = round(WORD_S * rate)
    t = np.arange(n) / rate
    tones = (h * pitch_hz for h in range(1, 12))
    voice = sum(np.exp(-(((hz - 600) / 300) ** 2)) * np.sin(2 * np.pi * hz * t) for hz in tones)
    marker = np.sin(2 * np.pi * MARKERS_HZ[word] * t)
    envelope = np.minimum(1, np.minimum(np.arange(n), np.arange(n)[::-1]) / (0.01 * rate))
    sound: NDArray[np.float32] = ((0.06 * voice + 0.05 * marker) * envelope).astype(np.float32)
    return sound


class ToneTokenizer:
    """One token a word: its index in VOCABULARY."""

    def encode(self, text: str) -> tuple[int, ...]:
        return tuple(VOCABULARY.index(word) for word in text.split() if word in VOCABULARY)

    def split_words(self, ids: Sequence[int], language: str | None = None) -> list[TokenWord]:
        return [TokenWord(" " + VOCABULARY[token], k, k + 1) for k, token in enumerate(ids)]


@dataclass(slots=True)
class ToneEngine:
    """An `Engine` that reads tones.

    Attributes:
        max_streams: after so many, EngineBusyError.
        fail_with: raised by `decode` when set.
        jobs: windows decoded so far.
        restarts: what `stats` tells of it.
        wakes: how often somebody was said to speak.

    """

    info: EngineInfo = INFO
    max_streams: int = 64
    fail_with: Exception | None = None
    jobs: int = 0
    restarts: int = 0
    wakes: int = 0
    open: set[int] = field(default_factory=set)
    _next: int = 0

    def stats(self) -> EngineStats:
        lost = str(self.fail_with) if isinstance(self.fail_with, EngineLostError) else ""
        return EngineStats({"cpu": self.jobs}, {"cpu": self.jobs}, self.restarts, 0, 0, 0.0, lost)

    def open_stream(self) -> int:
        if len(self.open) >= self.max_streams:
            raise EngineBusyError(f"all {self.max_streams} streams are taken")
        self._next += 1
        self.open.add(self._next)
        return self._next

    def close_stream(self, stream: int) -> None:
        self.open.discard(stream)

    def wake(self) -> None:
        self.wakes += 1

    async def decode(self, stream: int, job: WindowJob, deadline_s: float) -> WindowResult:
        assert stream in self.open
        if self.fail_with is not None:
            raise self.fail_with
        self.jobs += 1
        heard = read_tones(job.features)[len(job.forced) :]
        tokens, frames = tuple(word for word, _ in heard), tuple(frame // 2 for _, frame in heard)
        return result(tokens, frames, logprob=-0.05, avg_logprob=-0.05)

    async def aclose(self) -> None:
        self.open.clear()


def read_tones(features: NDArray[np.float32]) -> list[tuple[int, int]]:
    """Return the words in log-mel features [n_mels, n_frames] and the middle frame of each."""
    bands = _bands(features.shape[0])
    level = features[bands]
    loud = level.max(axis=0) > features.max() - 0.5  # within 20 dB of the loudest: scaled log-mel is log10 / 4
    marker = np.where(loud, level.argmax(axis=0), -1)
    edges = np.flatnonzero(np.diff(marker)) + 1
    runs = zip([0, *edges], [*edges, len(marker)], strict=True)
    return [(int(marker[a]), int(a + b) // 2) for a, b in runs if marker[a] >= 0 and b - a >= MIN_RUN]


def _bands(n_mels: int) -> list[int]:
    filters = mel_filters(n_mels)
    bins = np.fft.rfftfreq(400, 1 / 16_000)
    return [int(filters[:, np.abs(bins - hz).argmin()].argmax()) for hz in MARKERS_HZ]
