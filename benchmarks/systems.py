"""Whole systems on the same speech and weights: one form of a run for ours and for others, and the comparison.

Each hears the speech as a microphone gives it and a pause after it; what it showed, when, and what it cost is measured
alike for all (docs/benchmarks.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amanuensis.benchmarks.common import Spread
from amanuensis.benchmarks.daemon_run import running_daemon
from amanuensis.benchmarks.live import Speaker
from amanuensis.benchmarks.measures import Latencies, Take, three
from amanuensis.benchmarks.sound import SAMPLE_RATE
from amanuensis.benchmarks.timed_speech import TimedSpeech

PACKET_S = 0.1  # of sound at a time: between the 0.02 s of a microphone and the 0.25 s that other clients send
TICK_S = 0.5  # of new sound between two decodes, as the daemon is set by default
PAUSE_S = 3.0  # silence after the speech, so that every system may see that the speaker has stopped
OURS = "amanuensis"


@dataclass(frozen=True, slots=True)
class SystemRun:
    """One run of one system.

    Attributes:
        take: what it showed when.
        cpu_s: of all its processes, from the first packet until nothing more came.
        rss_mb, pss_mb: the largest that was seen.
        ready_s: from the start of its process until sound could come.
        wall_s: from the first packet until nothing more came.

    """

    take: Take
    cpu_s: float
    rss_mb: float
    pss_mb: float
    ready_s: float
    wall_s: float


async def ours_live(model: str, threads: int, speech: TimedSpeech, *, is_live: bool = True) -> SystemRun:
    """Run our daemon on the speech and the pause."""
    pause = np.zeros(round(PAUSE_S * SAMPLE_RATE), np.float32)
    sound: NDArray[np.float32] = np.concatenate([speech.samples, pause])
    async with running_daemon(model, threads) as daemon:
        cpu_s = daemon.cpu_s()
        done = await Speaker(sound, PACKET_S, is_live=is_live).speak(daemon.url)
        cpu_s = daemon.cpu_s() - cpu_s
        held = daemon.memory()
        return SystemRun(done.take, cpu_s, held.rss_mb, held.pss_mb, daemon.listening_s, done.wall_s)


def compare(runs: Mapping[str, Sequence[SystemRun]], speech: TimedSpeech) -> dict[str, Any]:
    """Return the figures of each system; `ratio` is how many times as much CPU as ours it needs."""
    figures = {name: system_figures(some, speech) for name, some in runs.items()}
    ours = figures[OURS]["cpu_s_per_s"]["median"]
    for each in figures.values():
        each["ratio"] = each["cpu_s_per_s"]["median"] / ours
    return figures


def system_figures(runs: Sequence[SystemRun], speech: TimedSpeech) -> dict[str, Any]:
    """Return the figures of one system: latencies over all words of all runs, the rest as medians with spread."""
    latencies = Latencies.none()
    for one in runs:
        latencies.add(one.take, speech.words)
    seconds = speech.seconds + PAUSE_S
    return latencies.figures() | {
        "cpu_s_per_s": asdict(Spread.of([one.cpu_s / seconds for one in runs])),
        "rss_mb": asdict(Spread.of([one.rss_mb for one in runs])),
        "pss_mb": asdict(Spread.of([one.pss_mb for one in runs])),
        "ready_s": asdict(Spread.of([one.ready_s for one in runs])),
    }


def readable(figures: Mapping[str, Mapping[str, Any]], failed: Mapping[str, str]) -> list[str]:
    """Return the figures as lines."""
    lines = ["seconds are P50 / P95 / P99 at the client's socket"]
    for name, each in figures.items():
        shown = "  ".join(f"{key} {three(each[key + '_s'])}" for key in ("final", "commit", "partial"))
        lines.append(
            f"{name:26} {each['cpu_s_per_s']['median']:.4f} CPU s per s ({each['ratio']:.1f} times ours)  {shown}  "
            f"erasure {each['normalised_erasure']:.2f}  WER {100 * each['wer']:.1f} %  "
            f"RSS {each['rss_mb']['median']:.0f} MB  ready {each['ready_s']['median']:.1f} s"
        )
    return lines + [f"{name:26} not run: {why}" for name, why in failed.items()]
