"""Command line of the training: `python -m amanuensis.training run --work DIR --text DIR --minutes N`."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from collections.abc import Callable
from pathlib import Path

from amanuensis.npu.engine.api import EngineError
from amanuensis.training import stages
from amanuensis.training.stages import Asked, Job

TEXT_ENV = "AMANUENSIS_TEXT_DIR"
_STAGES: dict[str, Callable[[Job], None]] = {
    "run": stages.run,
    "text": stages.text,
    "tokenizer": stages.tokenizer,
    "synth": stages.synth,
    "demo": stages.demo,
    "word-times": stages.word_times,
    "train": stages.train,
    "export": stages.export,
    "keep": stages.keep,
    "speakers": stages.speakers,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m amanuensis.training",
        description="Train the built-in model from synthetic speech. Every stage goes on where it stopped.",
        epilog="example: python -m amanuensis.training run --work work --text TEXT_DIR --minutes 95",
    )
    parser.add_argument("stage", choices=[*_STAGES, "evaluate"])
    parser.add_argument("--work", type=Path, default=Path("work"), help="folder of all data (default: work)")
    parser.add_argument("--text", type=Path, help=f"folder with general.txt, one sentence a line (or {TEXT_ENV})")
    parser.add_argument("--minutes", type=float, default=95, help="training time, after which the rate is 0")
    parser.add_argument("--steps", type=int, help="training steps in place of minutes: the same weights on every run")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1, help="of the trainer (default: 1)")
    parser.add_argument("--jobs", type=int, default=1, help="processes of the synthesis (default: 1)")
    parser.add_argument(
        "--shards", type=int, help="shards of 500 sentences, for speakers of 40 voices (default: 1.5 a minute; 48)"
    )
    parser.add_argument(
        "--natural", type=int, help="shards of 60 sentences in natural voices (default: a quarter of the others)"
    )
    parser.add_argument("--encoder-layers", type=int, help="of a model that is trained from nothing (default: 6)")
    parser.add_argument("--text-tokens", type=int, help="of the tokeniser (default: 1024)")
    parser.add_argument("--start", type=Path, help="a model folder or archive to start from (default: random weights)")
    parser.add_argument(
        "--soup",
        type=Path,
        action="append",
        default=[],
        metavar="MODEL",
        help="export, keep: average the trained weights with those of this model folder or archive (may be repeated)",
    )
    parser.add_argument(
        "--model", help="evaluate: a model folder or name (default: what was exported, and its int8 twin)"
    )
    parser.add_argument("--speech", type=Path, help="evaluate: recorded speech (or AMANUENSIS_SPEECH_DIR)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="evaluate: write the figures there as well")
    parser.add_argument("--limit", type=int, metavar="N", help="evaluate: utterances of each set (default: all)")
    parser.add_argument(
        "--loaders", action="store_true", help="evaluate: only compare with transformers and faster-whisper"
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one stage; return 0, 1 on failure, 2 on wrong usage."""
    a = _parser().parse_args(arguments)
    folder = a.text or (Path(os.environ[TEXT_ENV]) if os.environ.get(TEXT_ENV) else None)
    known = {field.name for field in dataclasses.fields(Job)}
    job = Job(**{name: value for name, value in vars(a).items() if name in known} | {"text": folder})
    try:
        if a.stage == "evaluate":
            stages.evaluate(job, Asked(a.model, a.speech, a.json, a.limit, a.loaders))
        else:
            _STAGES[a.stage](job)
    except (OSError, ImportError, RuntimeError, EngineError) as error:
        print(f"training {a.stage}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
