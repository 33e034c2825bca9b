"""What `amanuensis kernels bench` measured on an NPU, in the place of published figures.

The file holds `timing`, `architecture`, `hardware` and `figures`; a figure has a name and `us` with `median`, `low` and
`high`. Each operator was timed in a dispatch of its own, so that differences between figures are what counts: low from
low, and middle and high from the middle, lest one late start of the smaller figure turns the difference round.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from amanuensis.kernels.cost.arrays import ARRAYS
from amanuensis.kernels.cost.band import Band
from amanuensis.kernels.cost.parameters import MODELS, Case, Model, Parameters
from amanuensis.kernels.loads import GELU_CYCLES, LANES, SOFTMAX_CYCLES
from amanuensis.kernels.program import Architecture

WARM_DISPATCH: Final = "dispatch, warm"  # of the least that a device can do: a line is copied
CHAIN_LAUNCHES: Final = 16
CHAINED: Final = f"dispatch of {CHAIN_LAUNCHES} launches"  # that copy a line each
MEMORY_COPY: Final = "memory copy"
COPY_BYTES: Final = 8 << 20  # that are read, and as many that are written
GELU: Final = "GemmInt8 with GELU"
CONFIGURATIONS: Final = ("products", "attention", "decoder", "choice")  # between which a device changes
WIDTH, FFN = 512, 2048  # of the products that are timed: Whisper base
FEW_ROWS, MANY_ROWS = 1, 1536  # that show the memory, and the cores
_BESIDE: Final[dict[Case, str]] = {"fast": "low", "middle": "median", "slow": "median"}  # of what is taken off
_SPREAD: Final[dict[Case, str]] = {"fast": "low", "middle": "median", "slow": "high"}
_BYTES: Final = WIDTH * FFN  # of int8 weights, next to which nothing else of a token counts
_MACS: Final = MANY_ROWS * WIDTH * FFN
HEADS: Final = 8
_SCORES: Final = HEADS * MANY_ROWS * MANY_ROWS  # of an attention of as many keys as rows


class CalibrationError(ValueError):
    """A calibration file that cannot be used; the message names it and says what to do."""


def calibration_path(architecture: str) -> Path:
    """Return where the calibration of an NPU lies, whether it is there or not."""
    home = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(home) / "amanuensis" / f"calibration-{architecture}.json"


def warm_figure(configuration: str) -> str:
    """Return the name of the figure of the least dispatch on a configuration that had the one before as well."""
    return f"dispatch on {configuration}, warm"


def changed_figure(configuration: str) -> str:
    """Return the name of the figure of the same after a dispatch on another configuration."""
    return f"dispatch on {configuration}, after another"


def operator_figure(operator: str, rows: int) -> str:
    """Return the name of the figure of an operator on so many rows."""
    return f"{operator} {rows} rows"


def current_model(architecture: Architecture) -> Model:
    """Return the cost model with what was measured on this machine, where that is; CalibrationError when damaged."""
    path = calibration_path(architecture)
    return calibrated(path, architecture) if path.exists() else MODELS[architecture]


def calibrated(path: Path, architecture: Architecture) -> Model:
    """Return the cost model with dispatch, launches, memory, products and cycles beside them of a calibration file.

    The cost of a burst stays as it is without it, and the clock is the nominal one: only together with cycles is it
    known. The memory is as fast as the faster of a copy and of a product that does little but read weights.

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
        switch_us = _switch_us(figures) or MODELS[architecture].switch_us
        hardware = str(facts["hardware"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        what = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise CalibrationError(
            f"{path}: this calibration cannot be used: {what}; run `amanuensis kernels bench` again, or remove it"
        ) from None
    basis = f"calibrated: modelled from what was measured on {hardware}"
    return replace(MODELS[architecture], cases=cases, switch_us=switch_us, basis=basis)


def _switch_us(figures: Mapping[str, Mapping[str, Any]]) -> Band | None:
    """Return what a dispatch takes longer after one of another configuration; None where none was timed."""
    names = [name for name in CONFIGURATIONS if changed_figure(name) in figures]
    if not names:
        return None
    low, middle, high = (
        sum(_longer(figures, changed_figure(name), warm_figure(name), case) for name in names) / len(names)
        for case in _SPREAD
    )
    return Band(low, max(low, middle), max(low, middle, high))


def _longer(figures: Mapping[str, Mapping[str, Any]], name: str, beside: str, case: Case) -> float:
    us = float(figures[name][_SPREAD[case]]) - float(figures[beside][_BESIDE[case]])
    if not us < float("inf"):
        raise ValueError(f"{name} took {us:g} us longer than {beside}")
    return max(0.0, us)


def _parameters(architecture: Architecture, case: Case, figures: Mapping[str, Mapping[str, Any]]) -> Parameters:
    array, published = ARRAYS[architecture], MODELS[architecture].cases[case]
    spent = _Spent(case, figures)
    cycles = array.cores * array.clock_ghz * 1e3  # of all cores in a microsecond
    beside = cycles_per_element(architecture, figures, case)
    expected = {"GELU": GELU_CYCLES / LANES, "softmax": SOFTMAX_CYCLES / LANES}
    weights_gb_s = _BYTES / 1e3 / spent.operator_us("GemmInt8", FEW_ROWS)
    copy_gb_s = 2 * COPY_BYTES / 1e3 / spent.us(MEMORY_COPY, WARM_DISPATCH)
    return replace(
        published,
        clock_ghz=array.clock_ghz,
        dispatch_us=spent.dispatch_us,
        operator_us=spent.launch_us,
        memory_gb_s=max(weights_gb_s, copy_gb_s),
        int8_macs=_MACS / cycles / spent.operator_us("GemmInt8", MANY_ROWS),
        bf16_macs=_MACS / cycles / spent.operator_us("GemmBf16", MANY_ROWS),
        lane_factor=sum(beside[name] for name in expected) / sum(expected.values()),
    )


def cycles_per_element(
    architecture: Architecture, figures: Mapping[str, Mapping[str, Any]], case: Case = "middle"
) -> dict[str, float]:
    """Return the cycles that a core takes for an element of a layer norm, of GELU and of a softmax.

    GELU is what a product takes longer with it; a softmax what an attention takes longer than its multiply-adds at the
    rate of the bf16 product; a norm is the whole of it, with its memory, so that it is at most this. Nothing is below
    0: work that hides behind the memory costs nothing.

    Args:
        architecture: of the device.
        figures: `us` of each figure by name.
        case: which end of the spread.

    Raises:
        KeyError: a figure is missing.
        ValueError: a figure is impossible.

    """
    array, spent = ARRAYS[architecture], _Spent(case, figures)
    cycles = array.cores * array.clock_ghz * 1e3
    plain_us = spent.operator_us("GemmInt8", MANY_ROWS)
    gelu_us = spent.operator_us(GELU, MANY_ROWS) - plain_us
    products_us = 2 * _SCORES * (WIDTH // HEADS) / _MACS * spent.operator_us("GemmBf16", MANY_ROWS)
    softmax_us = spent.operator_us("Attention", MANY_ROWS) - products_us
    return {
        "norm": spent.operator_us("LayerNorm", MANY_ROWS) * cycles / (MANY_ROWS * WIDTH),
        "GELU": max(0.0, gelu_us) * cycles / (MANY_ROWS * FFN),
        "softmax": max(0.0, softmax_us) * cycles / _SCORES,
    }


class _Spent:
    """Microseconds of figures at one end of their spread, less what a dispatch of next to nothing takes."""

    def __init__(self, case: Case, figures: Mapping[str, Mapping[str, Any]]) -> None:
        self._case, self._figures = case, figures
        warm_us = self.us(WARM_DISPATCH)  # which holds a launch itself
        self.launch_us = self.us(CHAINED, WARM_DISPATCH) / (CHAIN_LAUNCHES - 1)
        self.dispatch_us = max(0.0, warm_us - self.launch_us)

    def us(self, name: str, beside: str = "") -> float:
        """Return how much longer something took than something smaller."""
        us, end = float(self._figures[name][_SPREAD[self._case]]), _SPREAD[self._case]
        than_us = float(self._figures[beside][_BESIDE[self._case]]) if beside else 0.0
        if not than_us < us < float("inf"):
            raise ValueError(f"{name} took {us:g} us ({end}), not more than {than_us:g}")
        return us - than_us

    def operator_us(self, operator: str, rows: int) -> float:
        """Return what an operator on so many rows took beside its dispatch."""
        return self.us(operator_figure(operator, rows), WARM_DISPATCH)
