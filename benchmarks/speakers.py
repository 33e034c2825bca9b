"""`amanuensis bench speakers`: who speaks, on a folder of recordings laid out as docs/speaker-model.md says."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from amanuensis.benchmarks.common import header, report
from amanuensis.benchmarks.speaker_pairs import (
    PairError,
    load_recordings,
    measure,
    through_random_channels,
    through_telephone,
)
from amanuensis.benchmarks.speaker_scores import Scores, check_metrics
from amanuensis.benchmarks.speaker_talks import Audience, load_talks
from amanuensis.npu.engine.api import EngineConfig
from amanuensis.npu.loading import load_model
from amanuensis.npu.speakers import load_embedder
from amanuensis.npu.store import resolve
from amanuensis.npu.tokenizer import Tokenizer

WINDOWS_S: Final = (2.0, 3.0)
CHANNEL_SEED: Final = 1
FAR_FIELD: Final = "meeting"  # kind of recordings that are stated, without a target
TOGETHER: Final = "all"  # the other ones


def pair_errors(data: Path, model: Path | None) -> dict[str, dict[str, PairError]]:
    """Return the equal-error rates as recorded, with a random channel for each, and at 8 kHz, by window length."""
    embedder = load_embedder(model)
    recordings = load_recordings(data)
    sets = {
        "recorded": recordings,
        "random_channel": through_random_channels(recordings, CHANNEL_SEED),
        "telephone": through_telephone(recordings),
    }
    return {
        name: {f"{window_s:g}s": measure(embedder, chosen, window_s) for window_s in WINDOWS_S}
        for name, chosen in sets.items()
    }


def turn_scores(data: Path, model: Path | None) -> dict[str, Scores]:
    """Return how right speakers were told, by the kind of recording; `all` is all but meetings."""
    folder = model or resolve("builtin")
    loaded = load_model(EngineConfig(folder, threads=1))
    audience = Audience(loaded, Tokenizer(folder), load_embedder(model))
    scores: dict[str, Scores] = {}
    for talk in load_talks(data):
        heard = audience.hear(talk)
        for kind in {talk.kind or "talk", FAR_FIELD if talk.kind == FAR_FIELD else TOGETHER}:
            scores.setdefault(kind, Scores()).add(talk, heard)
    return scores


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of this measurement."""
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="recordings with a manifest.jsonl")
    parser.add_argument("--model", type=Path, metavar="DIR", help="model folder with speakers.onnx (default: built-in)")
    parser.add_argument("--only", choices=("pairs", "turns"), help="measure one half only")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    if args.only != "pairs":
        check_metrics()
    lines: list[str] = []
    content: dict[str, Any] = {}
    if args.only != "turns":
        errors = pair_errors(args.data, args.model)
        lines += [line(name, error) for name, by_window in errors.items() for error in by_window.values()]
        content["eer"] = {name: {key: asdict(error) for key, error in found.items()} for name, found in errors.items()}
    if args.only != "pairs":
        found = {kind: score.figures() for kind, score in turn_scores(args.data, args.model).items()}
        lines += [turn_line(kind, figures) for kind, figures in found.items()]
        whole = found.get(TOGETHER) or next(iter(found.values()))
        content |= {
            "der": whole["der"]["final_overlap"],
            "turn_f1": whole["turn_f1"]["final"],
            "label_delay_ms": whole["label_delay_ms"],
            "turns": found,
        }
    report(header(f"speakers: {args.model or 'builtin'}", threads=1), content, lines, as_json=args.json)
    return 0


def line(name: str, error: PairError) -> str:
    """Return one row of the table."""
    return (
        f"{name:<15} {error.window_s:g} s  equal-error rate {100 * error.eer:5.2f} %  at cosine {error.threshold:.3f}"
        f"  ({error.windows} windows, {error.same_pairs} same and {error.different_pairs} different pairs)"
    )


def turn_line(kind: str, figures: dict[str, Any]) -> str:
    """Return the figures of one kind of recordings, live and after the second look."""
    der, right, delay = figures["der"], figures["words_right"], figures["label_delay_ms"]
    errors = " ".join(f"{name} {100 * error:.1f} %" for name, error in der.items())
    return (
        f"{kind:<13} {figures['talks']} talks, {figures['seconds']:g} s  DER (0.25 s) {errors}  "
        f"turn F1 live {figures['turn_f1']['live']:.2f} final {figures['turn_f1']['final']:.2f}  words right at commit "
        f"{100 * right['at_commit']:.1f} % after 10 s "
        f"{100 * right['after_10_s']:.1f} % live {100 * right['live']:.1f} % final {100 * right['final']:.1f} %  "
        f"label delay {delay['p50']} / {delay['p95']} ms  speakers off {figures['speakers_off']:g}  "
        f"CPU {100 * figures['cpu_share']:.2f} %"
    )
