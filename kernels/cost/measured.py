"""What `amanuensis bench device` measured on an NPU, in the place of published figures.

The file holds `timing`, `architecture`, `hardware` and `figures`; a figure has a name and `us` with `median`, `low` and
`high`. Each operator was timed in a dispatch of its own, so that differences between figures are what counts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from amanuensis.kernels.cost.arrays import ARRAYS
from amanuensis.kernels.cost.parameters import MODELS, Case, Model, Parameters
from amanuensis.kernels.program import Architecture

WARM_DISPATCH: Final = "dispatch, warm"
WIDTH, FFN = 512, 2048  # of the products that are timed: Whisper base
FEW_ROWS, MANY_ROWS = 1, 1536  # that show the memory, and the cores
_SPREAD: Final[dict[Case, str]] = {"fast": "low", "middle": "median", "slow": "high"}
_BYTES: Final = WIDTH * FFN  # of int8 weights, next to which nothing else of a token counts
_MACS: Final = MANY_ROWS * WIDTH * FFN


class CalibrationError(ValueError):
    """A calibration file that cannot be used; the message names it and says what to do."""


def calibration_path(architecture: str) -> Path:
    """Return where the calibration of an NPU lies, whether it is there or not."""
    home = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(home) / "amanuensis" / f"calibration-{architecture}.json"


def operator_figure(operator: str, rows: int) -> str:
    """Return the name of the figure of an operator on so many rows."""
    return f"{operator} {rows} rows"


def current_model(architecture: Architecture) -> Model:
    """Return the cost model with what was measured on this machine, where that is; CalibrationError when damaged."""
    path = calibration_path(architecture)
    return calibrated(path, architecture) if path.exists() else MODELS[architecture]


def calibrated(path: Path, architecture: Architecture) -> Model:
    """Return the cost model with the dispatch, the launches, the memory and the products of a calibration file.

    The cycles of what is no product and the cost of a burst stay as they are without it; the clock is the nominal one.

    Raises:
        CalibrationError: the file cannot be read, was made on another architecture, or holds impossible figures.

    """
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        if (facts["timing"], facts["architecture"]) != ("measured", architecture):
            raise ValueError(
                f"its times are {facts['timing']}, of {facts['architecture']}, not measured on {architecture}"
            )
        figures = {figure["name"]: figure["us"] for figure in facts["figures"]}
        cases = {case: _parameters(architecture, case, figures) for case in _SPREAD}
        hardware = str(facts["hardware"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        what = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise CalibrationError(
            f"{path}: this calibration cannot be used: {what}; run `amanuensis bench device` again, or remove it"
        ) from None
    basis = f"calibrated: modelled from what was measured on {hardware}"
    return replace(MODELS[architecture], cases=cases, basis=basis)


def _parameters(architecture: Architecture, case: Case, figures: Mapping[str, Mapping[str, Any]]) -> Parameters:
    def longer_us(name: str, than_us: float) -> float:
        us = float(figures[name][_SPREAD[case]])
        if not than_us < us < float("inf"):
            raise ValueError(f"{name} took {us:g} us ({_SPREAD[case]}), not more than {than_us:g}")
        return us - than_us

    array, published = ARRAYS[architecture], MODELS[architecture].cases[case]
    dispatch_us = longer_us(WARM_DISPATCH, 0.0)
    operator_us = longer_us(operator_figure("LayerNorm", FEW_ROWS), dispatch_us)  # next to no work
    empty_us = dispatch_us + operator_us
    cycles = array.cores * array.clock_ghz * 1e3  # of all cores in a microsecond
    return replace(
        published,
        clock_ghz=array.clock_ghz,
        dispatch_us=dispatch_us,
        operator_us=operator_us,
        memory_gb_s=_BYTES / 1e3 / longer_us(operator_figure("GemmInt8", FEW_ROWS), empty_us),
        int8_macs=_MACS / cycles / longer_us(operator_figure("GemmInt8", MANY_ROWS), empty_us),
        bf16_macs=_MACS / cycles / longer_us(operator_figure("GemmBf16", MANY_ROWS), empty_us),
    )
