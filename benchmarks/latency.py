"""How long a reader waits for words: the real daemon, real sockets, speech at live speed, one stream and many.

Definitions in docs/benchmarks.md. Word times are known where the bundled conversation is spoken (its synthesiser tells
them); of recordings they are those of the same model's offline run. The same speech is also run on a simulated clock on
which computing takes no time.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from amanuensis.benchmarks.clips import load_clips
from amanuensis.benchmarks.common import Spread, header, report
from amanuensis.benchmarks.daemon_run import UNLIMITED, DaemonRun, running_daemon
from amanuensis.benchmarks.live import LiveRun, Speaker, speak_together
from amanuensis.benchmarks.measures import Latencies, Spoken, streaming_errors, three
from amanuensis.benchmarks.model_choice import add_model_arguments, chosen_model
from amanuensis.benchmarks.simulated_clock import unaware_take
from amanuensis.benchmarks.streaming_wer import Listener
from amanuensis.benchmarks.targets import KNOWN
from amanuensis.benchmarks.timed_speech import TimedSpeech, timed_speech
from amanuensis.npu.engine.api import EngineConfig
from amanuensis.npu.loading import LoadedModel, load_model
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.stream.config import StreamConfig

SPREAD_S = 4.0  # the starts of streams side by side are spread over so much
WARM_S = 6.0  # of speech before anything is measured
Load: TypeAlias = tuple[list[LiveRun], float]  # what each stream got, and the CPU seconds of the daemon
ALIGNED = "those of the offline run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `amanuensis bench latency`."""
    add_model_arguments(parser)
    parser.add_argument(
        "--streams", type=int, nargs="+", default=[1, 16], metavar="N", help="streams at once (default: 1 16)"
    )
    parser.add_argument("--seconds", type=float, default=52.0, metavar="S", help="speech of each (default: 52)")
    parser.add_argument("--rounds", type=int, default=1, metavar="N", help="runs of each (default: %(default)s)")
    parser.add_argument(
        "--speech",
        type=Path,
        default=os.environ.get("AMANUENSIS_SPEECH_DIR"),
        metavar="DIR",
        help="recordings with a manifest.jsonl, for one stream more (default: $AMANUENSIS_SPEECH_DIR)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, with all that was shown and when")


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    folder = chosen_model(args.model)
    head = header(folder.name, args.threads)
    speech = {f"{n} streams" if n > 1 else "1 stream": _conversation(n, args.seconds) for n in args.streams}
    model = load_model(EngineConfig(folder, threads=1))
    listener = Listener(model, Tokenizer(folder), StreamConfig(language="en"))
    if args.speech is not None:
        speech["1 stream, recorded"] = [recorded_speech(args.speech, args.seconds, listener)]
    runs = asyncio.run(_measure(folder, args, speech))
    pooled = {name: all_latencies(speech[name], some) for name, some in runs.items()}
    figures = {name: pooled[name].figures() | costs(speech[name], some) for name, some in runs.items()}
    for name, figure in figures.items():
        figure["unaware"] = _unaware(model, Tokenizer(folder), speech[name][0])
        figure["wer_offline"] = _offline_wer(listener, speech[name][0])
        figure["word_times"] = ALIGNED if "recorded" in name else KNOWN
    raw = {"values": {name: each.values() for name, each in pooled.items()}, "shown": _shown(runs)} if args.json else {}
    report(head, {"latency": figures} | raw, readable(figures), as_json=args.json)
    return 0


def _shown(runs: Mapping[str, Sequence[Load]]) -> dict[str, list[Any]]:
    return {name: [one.take.as_json()["shown"] for done, _ in some for one in done] for name, some in runs.items()}


def _conversation(streams: int, seconds: float) -> list[TimedSpeech]:
    return [timed_speech(seconds, shift) for shift in range(streams)]


def recorded_speech(folder: Path, seconds: float, listener: Listener) -> TimedSpeech:
    """Return recorded conversations of at most so many seconds, with the words of the model's offline run."""
    clips = load_clips(folder)
    clips.sort(key=lambda clip: (clip.set != "conversations", clip.set, clip.name))
    parts: list[np.ndarray] = []
    for clip in clips:
        if not parts or sum(map(len, parts)) + len(clip.samples) <= seconds * 16_000:
            parts.append(clip.samples)
    samples = np.concatenate(parts)
    words = listener.offline(samples).words
    return TimedSpeech(samples, tuple(Spoken(word.text, word.start_ms / 1000, word.end_ms / 1000) for word in words))


async def _measure(
    folder: Path, args: argparse.Namespace, speech: Mapping[str, Sequence[TimedSpeech]]
) -> dict[str, list[Load]]:
    """Return the runs of each load with the CPU seconds of each, the loads in turn on one warm daemon."""
    runs: dict[str, list[Load]] = {name: [] for name in speech}
    async with running_daemon(str(folder), args.threads, UNLIMITED) as daemon:
        await warm(daemon)
        for name in [*speech] * args.rounds:
            before_s = daemon.cpu_s()
            speakers = [Speaker(each.samples) for each in speech[name]]
            done = await speak_together(daemon.url, speakers, SPREAD_S if len(speakers) > 1 else 0.0)
            runs[name].append((done, daemon.cpu_s() - before_s))
    return runs


async def warm(daemon: DaemonRun) -> None:
    """Let the daemon do everything once before it is measured."""
    await Speaker(timed_speech(WARM_S).samples, is_live=False).speak(daemon.url)


def all_latencies(speech: Sequence[TimedSpeech], runs: Sequence[Load]) -> Latencies:
    """Return the latencies of all streams of all runs of one load."""
    latencies = Latencies.none()
    for done, _ in runs:
        for each, one in zip(speech, done, strict=True):
            latencies.add(one.take, each.words)
    return latencies


def costs(speech: Sequence[TimedSpeech], runs: Sequence[Load]) -> dict[str, Any]:
    """Return what one load cost and whether anything was late or dropped."""
    seconds = sum(each.seconds for each in speech)
    every = [one for done, _ in runs for one in done]
    return {
        "cpu_s_per_s": asdict(Spread.of([cpu_s / seconds for _, cpu_s in runs])),
        "lag_ms_max": max((lag for one in every for _, lag in one.lags_ms), default=0.0),
        "gaps_ms": sum(one.gaps_ms for one in every),
        "sent_late_s": max(one.late_s for one in every),
    }


def _unaware(model: LoadedModel, tokenizer: Tokenizer, speech: TimedSpeech) -> dict[str, Any]:
    latencies = Latencies.none()
    take = unaware_take(model, tokenizer, StreamConfig(language="en"), speech.samples)
    latencies.add(take, speech.words)
    return latencies.figures()


def _offline_wer(listener: Listener, speech: TimedSpeech) -> float:
    return streaming_errors(speech.text, listener.offline(speech.samples).text).rate


def readable(figures: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the figures as lines."""
    lines: list[str] = []
    for name, figure in figures.items():
        for way, each in (("", figure), (", clock stopped while computing", figure["unaware"])):
            shown = "  ".join(f"{key} {three(each[key + '_s'])}" for key in ("final", "commit", "partial"))
            lines.append(f"{name + way:42} {shown}")
        lines.append(
            f"{name:42} erasure {figure['normalised_erasure']:.2f}  WER {100 * figure['wer']:.1f} % "
            f"(offline {100 * figure['wer_offline']:.1f} %)  {figure['cpu_s_per_s']['median']:.3f} CPU s per s  "
            f"lag at most {figure['lag_ms_max']:.0f} ms  gaps {figure['gaps_ms']:.0f} ms  "
            f"word times: {figure['word_times']}"
        )
    return ["P50 / P95 / P99 in seconds, at the client's socket", *lines]
