"""`amanuensis bench speakers`: who speaks, on a folder of recordings laid out as docs/speakers.md says."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from amanuensis.benchmarks.common import header, report
from amanuensis.benchmarks.speaker_pairs import PairError, load_recordings, measure, through_random_channels
from amanuensis.npu.speakers import load_embedder

WINDOWS_S: Final = (2.0, 3.0)
CHANNEL_SEED: Final = 1


def pair_errors(data: Path, model: Path | None) -> dict[str, dict[str, PairError]]:
    """Return the equal-error rates as recorded and with a random channel for each recording, by window length."""
    embedder = load_embedder(model)
    recordings = load_recordings(data)
    sets = {"recorded": recordings, "random_channel": through_random_channels(recordings, CHANNEL_SEED)}
    return {
        name: {f"{window_s:g}s": measure(embedder, chosen, window_s) for window_s in WINDOWS_S}
        for name, chosen in sets.items()
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of this measurement."""
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="recordings with a manifest.jsonl")
    parser.add_argument("--model", type=Path, metavar="DIR", help="model folder with speakers.onnx (default: built-in)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    errors = pair_errors(args.data, args.model)
    lines = [line(name, error) for name, by_window in errors.items() for error in by_window.values()]
    content: dict[str, Any] = {
        "eer": {name: {key: asdict(error) for key, error in found.items()} for name, found in errors.items()}
    }
    report(header(f"speakers: {args.model or 'builtin'}", threads=1), content, lines, as_json=args.json)
    return 0


def line(name: str, error: PairError) -> str:
    """Return one row of the table."""
    return (
        f"{name:<15} {error.window_s:g} s  equal-error rate {100 * error.eer:5.2f} %  at cosine {error.threshold:.3f}"
        f"  ({error.windows} windows, {error.same_pairs} same and {error.different_pairs} different pairs)"
    )
