"""CPU seconds that streaming captions cost per second of speech, ours and other systems', in one run.

The load: one utterance of continuous speech, decoded again at each tick on what has been heard so far, with random
weights of Whisper base's shape and the same number of tokens per second of audio for everyone. How the lengths are
forced on each side is told in docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import ExitStack
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from amanuensis.benchmarks.common import Spread, header, interleaved, report
from amanuensis.benchmarks.random_model import RandomModel, make_random_model
from amanuensis.benchmarks.sound import continuous_speech
from amanuensis.benchmarks.stream_live import FAST_S, LIVE_S, run_fast, run_live
from amanuensis.benchmarks.stream_live import add_arguments as add_system_arguments
from amanuensis.benchmarks.systems import TICK_S
from amanuensis.benchmarks.worker import Run, Worker
from amanuensis.daemon.commands.common import UsageError

UTTERANCE_S = 10.0
TOKENS_PER_S = 3.0
BASE = RandomModel(width=512, layers=6, heads=8, multilingual=True, fillers=50_063)  # vocabulary of 51 865
PEERS = {"faster-whisper int8 beam 5": "beam5", "faster-whisper int8 greedy": "greedy"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `amanuensis bench stream`."""
    parser.add_argument(
        "--seconds",
        type=float,
        metavar="S",
        help=f"of speech (default: {UTTERANCE_S:g}, with --live {LIVE_S:g}, with --fast {FAST_S:g})",
    )
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="runs of each system (default: 3)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads of each engine (default: 1)")
    parser.add_argument(
        "--tick", type=float, default=TICK_S, metavar="S", help="between decodes (default: %(default)s)"
    )
    parser.add_argument("--no-peers", action="store_true", help="measure only ours")
    parser.add_argument(
        "--peers-python",
        type=Path,
        metavar="FILE",
        help="interpreter that has faster-whisper (default: .venv-peers of the checkout, made by script/peers)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_system_arguments(parser)
    parser.set_defaults(tick=TICK_S)


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    if args.live or args.fast:
        return run_live(args) if args.live else run_fast(args)
    if args.vs:
        raise UsageError(f"--vs {' '.join(args.vs)} needs --live: whole systems are run at live speed")
    seconds = args.seconds or UTTERANCE_S
    head = header("random weights, Whisper base, int8", args.threads)
    work = cache_folder()
    model = random_base(work / "random-base")
    np.save(work / "speech.npy", continuous_speech(seconds))
    common = [str(model), str(work / "speech.npy"), str(TICK_S), str(TOKENS_PER_S), str(args.threads)]
    peers_python = None if args.no_peers else find_peers(args.peers_python)
    with ExitStack() as stack:
        command = ["-m", "amanuensis.benchmarks.stream_ours", *common]
        ours = stack.enter_context(Worker(Path(sys.executable), command, args.threads))
        cases = {"ours": partial(ours.run, "ours")}
        if peers_python is not None:
            module = "amanuensis.benchmarks.peers.faster_whisper_stream"
            peer = stack.enter_context(Worker(peers_python, ["-m", module, *common], args.threads))
            head = replace(head, versions=head.versions | peer.versions)
            cases |= {name: partial(peer.run, case) for name, case in PEERS.items()}
        interleaved(cases, 1)  # warm caches and shapes
        runs = interleaved(cases, args.rounds)
    figures = compare(runs, seconds)
    report(head, figures, readable(figures, peers_python is None), as_json=args.json)
    return 0


def compare(runs: dict[str, list[Run]], seconds: float) -> dict[str, Any]:
    """Return medians per second of speech; `ratio` is how many times as much as ours a peer needs."""
    cost = {name: Spread.of([one.cpu_s / seconds for one in some]) for name, some in runs.items()}
    ours = cost["ours"].median
    details = {
        name: {"cpu_s_per_s": asdict(cost[name]), "tokens": some[-1].steps, "rss_mb": max(one.rss_mb for one in some)}
        for name, some in runs.items()
    }
    peers = {
        name: {"cpu_s_per_s": spread.median, "ratio": spread.median / ours}
        for name, spread in cost.items()
        if name != "ours"
    }
    return {"ours_cpu_s_per_s": ours, "peers": peers, "details": details, "seconds": seconds, "tick_s": TICK_S}


def readable(figures: dict[str, Any], alone: bool) -> list[str]:
    """Return the figures as lines."""
    lines = [
        f"{name:28} {row['cpu_s_per_s']['median']:.4f} CPU s per s of speech "
        f"({row['cpu_s_per_s']['low']:.4f} to {row['cpu_s_per_s']['high']:.4f}), "
        f"{row['tokens']} tokens, {row['rss_mb']:.0f} MB"
        for name, row in figures["details"].items()
    ]
    lines += [f"{name}: {row['ratio']:.1f} times ours" for name, row in figures["peers"].items()]
    return [*lines, "no other system to compare with: script/peers installs faster-whisper"] if alone else lines


def cache_folder() -> Path:
    """Return the folder that keeps the random model between runs."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "amanuensis" / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def random_base(folder: Path) -> Path:
    """Return the folder of the random model, made at first (0.4 GB with the prepared forms)."""
    if not (folder / "model.safetensors").is_file():
        make_random_model(folder, BASE)
    return folder


def find_peers(given: Path | None) -> Path | None:
    """Return the interpreter of the peers' environment, or None where there is none."""
    if given is not None:
        return given
    usual = Path(__file__).resolve().parents[1] / ".venv-peers/bin/python"
    return usual if usual.is_file() else None
