"""`amanuensis bench peers`: our daemon and other streaming systems, in turn, on the same speech and weights, live."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from amanuensis.benchmarks.common import header, report
from amanuensis.benchmarks.peers.live_run import run_peer
from amanuensis.benchmarks.peers.peer import Peer, PeerFailedError, installed_versions, interpreter
from amanuensis.benchmarks.peers.registry import NOT_COMPARABLE, PEERS, peer_setup
from amanuensis.benchmarks.systems import OURS, PAUSE_S, SystemRun, compare, ours_live, readable
from amanuensis.benchmarks.timed_speech import timed_speech
from amanuensis.benchmarks.unpaced import readable as unpaced_lines
from amanuensis.benchmarks.unpaced import unpaced
from amanuensis.benchmarks.widened import SIZES
from amanuensis.benchmarks.widened_folder import widened_folder
from amanuensis.daemon.commands.common import UsageError

UNTRIMMED_S = (
    14.0  # whisper_streaming cuts its window from 15 s on where a model gives segments, which this one does not
)
AGREEMENT = "whisper_streaming"
Case = Callable[[], Awaitable[SystemRun]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `amanuensis bench peers`."""
    parser.add_argument(
        "--vs",
        nargs="+",
        metavar="NAME",
        help=f"systems to compare with: {', '.join(PEERS)} (default: all; script/peers installs them)",
    )
    parser.add_argument("--seconds", type=float, default=30.0, metavar="S", help="most speech for each (default: 30)")
    parser.add_argument("--rounds", type=int, default=1, metavar="N", help="runs of each system (default: 1)")
    parser.add_argument(
        "--threads", type=int, default=0, metavar="N", help="threads of each engine (default: ours its own, theirs all)"
    )
    parser.add_argument(
        "--tick", type=float, default=0.5, metavar="S", help="time between decodes where it can be set (default: 0.5)"
    )
    parser.add_argument(
        "--size", choices=SIZES, default="base", help="what the built-in model is widened to (default: base)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    chosen = choose(args.vs)
    head = header(f"built-in, widened to Whisper {args.size}", args.threads)
    figures = measure(args, chosen)
    lines = readable(figures["systems"], figures["failed"]) + unpaced_lines(figures["unpaced"])
    report(head, figures, lines, as_json=args.json)
    return 0


def choose(names: Sequence[str] | None) -> list[str]:
    """Return the names that are asked for, all of them by default."""
    for name in names or ():
        if name not in PEERS:
            raise UsageError(f"--vs {name!r} is not known: one or more of {', '.join(PEERS)}")
    return list(names or PEERS)


def measure(args: argparse.Namespace, names: Sequence[str]) -> dict[str, Any]:
    """Run ours and the named peers in turn; return what `systems.compare` gives, the reasons of others, the takes."""
    speech = timed_speech(args.seconds)
    setup = peer_setup(args.size, args.threads or len(os.sched_getaffinity(0)), args.tick)
    model = widened_folder(args.size)
    cases: dict[str, Case] = {OURS: partial(ours_live, str(model), args.threads, speech)}
    cases |= {PEERS[name].name: partial(run_peer, PEERS[name], setup, speech.samples) for name in names}
    runs, failed = run_all(cases, args.rounds)
    short = timed_speech(min(args.seconds, UNTRIMMED_S))
    return {
        "systems": compare(runs, speech),
        "unpaced": unpaced(setup, short, PAUSE_S, args.rounds) if PEERS[AGREEMENT].name in runs else {},
        "failed": dict(NOT_COMPARABLE) | failed,
        "seconds": speech.seconds,
        "tick_s": args.tick,
        "versions": {PEERS[name].name: versions(PEERS[name]) for name in names if PEERS[name].name in runs},
        "takes": {name: [one.take.as_json() for one in some] for name, some in runs.items()},
    }


def versions(peer: Peer) -> Mapping[str, str]:
    """Return the versions that belong to a peer's figures."""
    return installed_versions(interpreter(peer.environment), peer.libraries)


def run_all(cases: Mapping[str, Case], rounds: int) -> tuple[dict[str, list[SystemRun]], dict[str, str]]:
    """Run the systems in turn; return the runs, and why a system could not be run: it is not tried again."""
    runs: dict[str, list[SystemRun]] = {name: [] for name in cases}
    failed: dict[str, str] = {}
    for _ in range(rounds):
        for name, work in cases.items():
            if name in failed:
                continue
            try:
                runs[name].append(asyncio.run(_awaited(work)))
            except PeerFailedError as error:
                failed[name] = str(error)
    return {name: some for name, some in runs.items() if some}, failed


async def _awaited(work: Case) -> SystemRun:
    return await work()
