"""`amanuensis bench stream --live` and `--fast`: the real daemon, at live speed or as fast as it takes the sound.

With `--vs` other systems hear the same in turn: `amanuensis bench peers`.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from amanuensis.benchmarks import peers_live
from amanuensis.benchmarks.common import Header, Spread, header, report
from amanuensis.benchmarks.measures import streaming_errors, transcript
from amanuensis.benchmarks.systems import OURS, PAUSE_S, SystemRun, compare, ours_live, readable
from amanuensis.benchmarks.timed_speech import TimedSpeech, timed_speech
from amanuensis.benchmarks.widened import SIZES
from amanuensis.benchmarks.widened_folder import widened_folder

LIVE_S, FAST_S = 30.0, 300.0  # of speech, where nothing else is asked for


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of whole systems to those of `amanuensis bench stream`."""
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--live", action="store_true", help="the real daemon, at live speed")
    how.add_argument("--fast", action="store_true", help="the real daemon, as fast as it takes the sound")
    parser.add_argument(
        "--vs", nargs="+", metavar="NAME", help="with --live: other systems, as `bench peers` names them"
    )
    parser.add_argument(
        "--size",
        choices=SIZES,
        default="base",
        help="of --live and --fast: what the built-in model is widened to (default: %(default)s)",
    )


def run_live(args: argparse.Namespace) -> int:
    """Run our daemon, and others where they are named, at live speed."""
    args.seconds = args.seconds or LIVE_S
    if args.vs:
        return peers_live.run(args)
    speech, runs = _ours(args, is_live=True)
    figures = compare({OURS: runs}, speech)
    result = {
        "systems": figures,
        "failed": {},
        "seconds": speech.seconds,
        "takes": {OURS: [one.take.as_json() for one in runs]},
    }
    report(_header(args), result, readable(figures, {}), as_json=args.json)
    return 0


def run_fast(args: argparse.Namespace) -> int:
    """Run our daemon as fast as it takes the sound."""
    args.seconds = args.seconds or FAST_S
    speech, runs = _ours(args, is_live=False)
    figures = fast_figures(runs, speech)
    lines = [f"{name:14} {Spread(**each)}" for name, each in figures.items()]
    report(_header(args), {"fast": figures, "seconds": speech.seconds}, lines, as_json=args.json)
    return 0


def fast_figures(runs: Sequence[SystemRun], speech: TimedSpeech) -> dict[str, Any]:
    """Return how many seconds of sound pass in a second, what they cost, and the errors against what was said."""
    seconds = speech.seconds + PAUSE_S
    return {
        "audio_s_per_s": asdict(Spread.of([seconds / one.wall_s for one in runs])),
        "cpu_s_per_s": asdict(Spread.of([one.cpu_s / seconds for one in runs])),
        "wer": asdict(Spread.of([streaming_errors(speech.text, transcript(one.take)).rate for one in runs])),
    }


def _ours(args: argparse.Namespace, *, is_live: bool) -> tuple[TimedSpeech, list[SystemRun]]:
    speech, model = timed_speech(args.seconds), str(widened_folder(args.size))
    once = [asyncio.run(ours_live(model, args.threads, speech, is_live=is_live)) for _ in range(args.rounds)]
    return speech, once


def _header(args: argparse.Namespace) -> Header:
    return header(f"built-in, widened to Whisper {args.size}", args.threads)
