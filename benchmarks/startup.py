"""How long the command line and the daemon take to start, and how much memory they hold.

Four figures of one machine: `amanuensis --version` from start to end, the daemon from start to its `listening` line and
to the first `ready` event, and the resident size of daemon and engine after start and after a minute of speech.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import time
from dataclasses import asdict, dataclass

import numpy as np

from amanuensis.benchmarks.common import Spread, header, report, timed
from amanuensis.benchmarks.daemon_run import COMMAND, DaemonRun, running_daemon
from amanuensis.benchmarks.sound import SAMPLE_RATE, conversation
from amanuensis.daemon.client import Client, Hello, connect
from amanuensis.stream.formats import AudioFormat


@dataclass(frozen=True, slots=True)
class Start:
    """One start of the daemon."""

    listening_s: float
    ready_s: float  # first `ready` event: the engine has its model
    rss_mb: float  # daemon and its children after `ready`
    rss_after_mb: float  # the same after a minute of speech
    stop_s: float  # from SIGTERM to the end of the process


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `amanuensis bench startup`."""
    parser.add_argument("--model", metavar="NAME|PATH", help="model of the daemon (default: the best installed)")
    parser.add_argument(
        "--threads", type=int, default=0, metavar="N", help="threads of the engine (default: its own choice)"
    )
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="starts to measure (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    head = header(args.model or "default", args.threads)
    quick = [timed_command("--version") for _ in range(args.runs)]
    usage = [timed_command("serve", "--help") for _ in range(args.runs)]
    starts = [asyncio.run(one_start(args.model, args.threads)) for _ in range(args.runs)]
    figures = {"version_s": Spread.of(quick), "serve_help_s": Spread.of(usage)}
    figures |= {name: Spread.of([asdict(start)[name] for start in starts]) for name in asdict(starts[0])}
    lines = [f"{name:>14}  {spread}" for name, spread in figures.items()]
    report(head, {name: asdict(spread) for name, spread in figures.items()}, lines, as_json=args.json)
    return 0


def timed_command(*words: str) -> float:
    """Return the wall seconds of one command from start to end."""
    return timed(lambda: subprocess.run([*COMMAND, *words], check=True, stdout=subprocess.DEVNULL)).wall_s


async def one_start(model: str | None, threads: int) -> Start:
    """Start a daemon, speak into it for a minute of media time, and stop it."""
    async with running_daemon(model, threads) as daemon:
        ready_s, rss_mb = await speak(daemon)
        rss_after_mb = daemon.memory().rss_mb
        stopping = time.perf_counter()
    return Start(daemon.listening_s, ready_s, rss_mb, rss_after_mb, time.perf_counter() - stopping)


async def speak(daemon: DaemonRun) -> tuple[float, float]:
    """Send a minute of speech as fast as it is taken; return the time to `ready` and the resident size by then."""
    hello = Hello(audio=AudioFormat("f32le", SAMPLE_RATE, 1))
    async with connect(daemon.url, hello) as client, asyncio.TaskGroup() as tasks:
        ready_s, rss_mb = time.perf_counter() - daemon.started_s, daemon.memory().rss_mb
        tasks.create_task(send_minute(client))
        async for _event in client:
            pass
    return ready_s, rss_mb


async def send_minute(client: Client) -> None:
    """Send a minute of the bundled conversation and end."""
    await client.send_audio(np.resize(conversation(), 60 * SAMPLE_RATE).tobytes())
    await client.end()
