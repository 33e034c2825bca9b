"""Memory of daemon and engine process: after start, and how it grows with hours of speech; and the time to `ready`.

Speech comes as fast as it is taken, so that an hour of it passes in minutes: what leaks, leaks by windows and words.
The slope is taken over the second half: until then caches fill.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from amanuensis.benchmarks.common import Spread, header, report
from amanuensis.benchmarks.daemon_run import DaemonRun, running_daemon
from amanuensis.benchmarks.live import FORMAT
from amanuensis.benchmarks.measures import slope_per_hour
from amanuensis.benchmarks.model_choice import add_model_arguments, chosen_model
from amanuensis.benchmarks.processes import Memory
from amanuensis.benchmarks.sound import SAMPLE_RATE, conversation
from amanuensis.daemon.client import Client, Hello, connect

PIECE_S = 5  # of speech between two looks at the memory
FILLING = 0.5  # of the speech, before the slope is taken: caches fill, voices are found


@dataclass(frozen=True, slots=True)
class Held:
    """One start of the daemon, in seconds and MB."""

    listening_s: float  # process start to the line that says where it listens
    ready_s: float  # to the first `ready` event
    start: Memory  # after `ready`
    speaking: tuple[tuple[float, Memory], ...]  # seconds of speech that came before, and the memory then

    def figures(self) -> dict[str, float]:
        """Return the figures by name; slopes are MB per hour of speech."""
        settled = [(at_s, held) for at_s, held in self.speaking if at_s >= FILLING * self.speaking[-1][0]]
        return {
            "listening_s": self.listening_s,
            "ready_s": self.ready_s,
            "rss_mb": self.start.rss_mb,
            "pss_mb": self.start.pss_mb,
            "rss_after_mb": self.speaking[-1][1].rss_mb,
            "pss_after_mb": self.speaking[-1][1].pss_mb,
            "pss_peak_mb": max(held.pss_mb for _, held in self.speaking),
            "pss_slope_mb_per_h": slope_per_hour([(at_s, held.pss_mb) for at_s, held in settled]),
        }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `amanuensis bench memory`."""
    add_model_arguments(parser)
    parser.add_argument(
        "--minutes", type=float, default=20.0, metavar="M", help="of speech at each start (default: 20)"
    )
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="starts to measure (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object, with every look at the memory")


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    folder = chosen_model(args.model)
    head = header(folder.name, args.threads)
    held = [asyncio.run(one_start(str(folder), args.threads, args.minutes * 60)) for _ in range(args.runs)]
    spreads = {name: Spread.of([one.figures()[name] for one in held]) for name in held[0].figures()}
    figures: dict[str, Any] = {name: asdict(spread) for name, spread in spreads.items()}
    raw = [[(at_s, asdict(memory)) for at_s, memory in one.speaking] for one in held] if args.json else []
    report(head, {"memory": figures, "speaking": raw}, readable(spreads, args.minutes), as_json=args.json)
    return 0


async def one_start(model: str, threads: int, seconds: float) -> Held:
    """Start a daemon and speak into it."""
    async with running_daemon(model, threads) as daemon, connect(daemon.url, Hello(audio=FORMAT)) as client:
        ready_s = time.perf_counter() - daemon.started_s
        start = daemon.memory()
        async with asyncio.TaskGroup() as tasks:
            speaking = tasks.create_task(_speak(client, daemon, seconds))
            async for _event in client:
                pass
        return Held(daemon.listening_s, ready_s, start, tuple(speaking.result()))


async def _speak(client: Client, daemon: DaemonRun, seconds: float) -> list[tuple[float, Memory]]:
    piece = PIECE_S * SAMPLE_RATE
    pcm = (np.clip(np.resize(conversation(), round(seconds * SAMPLE_RATE)), -1, 1) * 32767).astype("<i2")
    looks: list[tuple[float, Memory]] = []
    for at in range(0, len(pcm), piece):
        await client.send_audio(pcm[at : at + piece].tobytes())
        looks.append(((at + piece) / SAMPLE_RATE, daemon.memory()))
    await client.end()
    return looks


def readable(spreads: dict[str, Spread], minutes: float) -> list[str]:
    """Return the figures as lines."""
    words = {
        "listening_s": "start to `listening`, s",
        "ready_s": "start to the first `ready`, s",
        "rss_mb": "RSS of daemon and engine after start, MB",
        "pss_mb": "PSS (shared pages once) after start, MB",
        "rss_after_mb": f"RSS after {minutes:g} minutes of speech, MB",
        "pss_after_mb": f"PSS after {minutes:g} minutes of speech, MB",
        "pss_peak_mb": "largest PSS, MB",
        "pss_slope_mb_per_h": "growth of PSS, MB per hour of speech",
    }
    return [f"{words[name]:44} {spread}" for name, spread in spreads.items()]
