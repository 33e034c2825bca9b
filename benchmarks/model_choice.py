"""Which model is measured: an installed one, a folder, or the built-in model widened to a stock size."""

from __future__ import annotations

import argparse
from pathlib import Path

from amanuensis.benchmarks.widened import SIZES
from amanuensis.benchmarks.widened_folder import widened_folder
from amanuensis.daemon.commands.common import UsageError
from amanuensis.npu.store import resolve

WIDENED = "widened-"


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--model` and `--threads`."""
    parser.add_argument(
        "--model",
        metavar="NAME|PATH",
        help=f"model, or {'|'.join(WIDENED + size for size in SIZES)}: the built-in model at the cost of that size "
        "(default: the best installed, else the built-in one)",
    )
    parser.add_argument(
        "--threads", type=int, default=0, metavar="N", help="threads of the engine (default: its own choice)"
    )


def chosen_model(name: str | None) -> Path:
    """Return the folder of the model that `--model` names; a widened one is made at first.

    Raises:
        UsageError: there is no such size.
        amanuensis.npu.store.StoreError: there is no such model.

    """
    if name is None or not name.startswith(WIDENED):
        return resolve(name)
    size = name.removeprefix(WIDENED)
    if size not in SIZES:
        allowed = ", ".join(WIDENED + each for each in SIZES)
        raise UsageError(f"--model {name!r} is not allowed: the built-in model can be widened to {allowed}")
    return widened_folder(size)
