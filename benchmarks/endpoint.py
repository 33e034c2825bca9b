"""What a shorter endpoint costs: time to final against sentences cut at pauses inside them.

The bundled conversation on a simulated clock, once as it is and with a pause before the middle word of each sentence:
the pause is what a speaker makes to think, and an endpoint that is shorter cuts the sentence there. The default rules
tell a text as final before the endpoint and keep its sound; the others have one endpoint whatever the text looks like.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Final

import numpy as np

from amanuensis.benchmarks.common import header, report
from amanuensis.benchmarks.measures import Latencies, Spoken
from amanuensis.benchmarks.model_choice import add_model_arguments, chosen_model
from amanuensis.benchmarks.simulated_clock import unaware_take
from amanuensis.benchmarks.sound import SAMPLE_RATE
from amanuensis.benchmarks.timed_speech import TimedSpeech, timed_speech
from amanuensis.npu.engine.api import EngineConfig
from amanuensis.npu.loading import LoadedModel, load_model
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.stream.config import StreamConfig
from amanuensis.stream.segmenter import SILENCES, SegmenterConfig

SILENCES_MS: Final = (None, 600.0, 400.0, 300.0, 200.0)  # None: the default rules
PAUSES_S: Final = (0.0, 0.2, 0.3, 0.4)  # from 0.5 s on, `measures` takes one for the speaker's stop
BETWEEN_SENTENCES_S: Final = 0.4  # without a word
SHORTEST_SENTENCE: Final = 4  # words; shorter ones get no pause
NOISE: Final = 1e-4  # amplitude of the pauses: no microphone is wholly silent


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `amanuensis bench endpoint`."""
    add_model_arguments(parser)
    parser.add_argument("--seconds", type=float, default=52.0, metavar="S", help="speech (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    folder = chosen_model(args.model)
    head = header(folder.name, args.threads)
    model, tokenizer = load_model(EngineConfig(folder, threads=args.threads or 1)), Tokenizer(folder)
    plain = timed_speech(args.seconds)
    rows = [
        {"pause_s": pause_s, **trade(model, tokenizer, with_pauses(plain, pause_s), silence_ms)}
        for pause_s in PAUSES_S
        for silence_ms in SILENCES_MS
    ]
    report(head, {"endpoint": rows}, readable(rows), as_json=args.json)
    return 0


def trade(model: LoadedModel, tokenizer: Tokenizer, speech: TimedSpeech, silence_ms: float | None) -> dict[str, Any]:
    """Return errors, utterances and time to final at one endpoint, the same for all texts, or by the default rules."""
    endpoint = SegmenterConfig() if silence_ms is None else SegmenterConfig(**dict.fromkeys(SILENCES, silence_ms))
    take = unaware_take(model, tokenizer, StreamConfig(language="en", endpoint=endpoint), speech.samples)
    latencies = Latencies.none()
    latencies.add(take, speech.words)
    figures = latencies.figures()
    finals = sum(one.kind == "final" for one in take.shown)
    return {
        "silence_ms": silence_ms,
        "wer": figures["wer"],
        "utterances": finals,
        "utterances_per_minute": 60 * finals / speech.seconds,
        "final_s": figures["final_s"],
    }


def with_pauses(speech: TimedSpeech, pause_s: float) -> TimedSpeech:
    """Return the speech with a pause before the middle word of every sentence that is not too short."""
    times_s = [_times_s(word) for word in speech.words]
    begins = [k for k in range(1, len(times_s)) if times_s[k][0] - times_s[k - 1][1] >= BETWEEN_SENTENCES_S]
    sentences = pairwise([0, *begins, len(times_s)])
    cuts_s = [times_s[(low + high) // 2][0] for low, high in sentences if high - low >= SHORTEST_SENTENCE]
    parts = np.split(speech.samples, [round(cut_s * SAMPLE_RATE) for cut_s in cuts_s])
    noise = np.random.default_rng(0).standard_normal(round(pause_s * SAMPLE_RATE)).astype(np.float32) * NOISE
    samples = np.concatenate([parts[0], *(np.concatenate([noise, part]) for part in parts[1:])], dtype=np.float32)
    words = []
    for word, (start_s, end_s) in zip(speech.words, times_s, strict=True):
        later_s = pause_s * sum(cut_s <= start_s for cut_s in cuts_s)
        words.append(replace(word, start_s=start_s + later_s, end_s=end_s + later_s))
    return TimedSpeech(samples, tuple(words))


def _times_s(word: Spoken) -> tuple[float, float]:
    assert word.start_s is not None, f"the time of {word.text!r} is not known"
    assert word.end_s is not None, f"the end of {word.text!r} is not known"
    return word.start_s, word.end_s


def readable(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the figures as lines."""
    lines = ["pause in sentences   endpoint   WER      utterances (a minute)   time to final P50 / P95 / P99"]
    for row in rows:
        final = " / ".join(f"{row['final_s'][share]:.2f}" for share in ("p50", "p95", "p99"))
        endpoint = "default" if row["silence_ms"] is None else f"{row['silence_ms']:.0f} ms"
        lines.append(
            f"{row['pause_s']:.1f} s                {endpoint:8} {100 * row['wer']:5.1f} %"
            f"  {row['utterances']:5} ({row['utterances_per_minute']:4.1f})            {final} s"
        )
    return lines
