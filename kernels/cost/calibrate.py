"""Fitting the parameters to the published figures, and how far the model is off each of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Final

from amanuensis.kernels.cost.arrays import ARRAYS
from amanuensis.kernels.cost.fitted import Fitted
from amanuensis.kernels.cost.target import Target
from amanuensis.kernels.cost.targets import targets

# Of the best published products (C4) follow the best rates: fitting them would put other sizes above what was reached.
BEST: Final = {
    "npu1_best_int8": 6.76e3 / 2 / (ARRAYS["npu1"].cores * ARRAYS["npu1"].clock_ghz),
    "npu1_best_bf16": 3.14e3 / 2 / (ARRAYS["npu1"].cores * ARRAYS["npu1"].clock_ghz),
    "npu2_best_int8": 38.05e3 / 2 / (ARRAYS["npu2"].cores * ARRAYS["npu2"].clock_ghz),
    "npu2_best_bf16": 14.71e3 / 2 / (ARRAYS["npu2"].cores * ARRAYS["npu2"].clock_ghz),
}
# Where a fit begins: the figures themselves, or what one of them suggests.
START: Final = Fitted(
    npu1_dispatch_us=150,
    npu1_plain=50,
    npu1_tuned=70,
    npu1_int16=40,
    npu1_memory_gb_s=20,
    npu2_dispatch_us=150,
    npu2_int16=40,
    npu2_memory_gb_s=60,
    npu2_switch_us=100,
    burst_ns=1,
    operator_us=8,
    fresh_call_us=300,
    fresh_gb_s=10,
    scalar_cycles=46,
    **BEST,
)
FIRST_STEP: Final = 0.2  # shares of a parameter
LAST_STEP: Final = 1e-5


@dataclass(frozen=True, slots=True)
class Residual:
    """How far the model is off a published figure.

    Attributes:
        target: the figure.
        modelled: what the model says.

    """

    target: Target
    modelled: float

    @property
    def error(self) -> float:
        """The difference as a share of the figure."""
        return self.modelled / self.target.published - 1

    @property
    def within(self) -> bool:
        """Whether the model is as near as it is to be."""
        slack = 1e-9
        return self.target.low - slack <= self.modelled / self.target.published <= self.target.high + slack


def residuals(fitted: Fitted) -> list[Residual]:
    """Return how far the model is off each figure, those included that no fit looks at."""
    return [Residual(target, target.modelled(fitted)) for target in targets()]


def loss(fitted: Fitted, chosen: Sequence[Target]) -> float:
    """Return the sum of squares of all residuals, each measured by what its figure allows."""
    return sum(_misfit(target, fitted) ** 2 for target in chosen)


def _misfit(target: Target, fitted: Fitted) -> float:
    ratio = target.modelled(fitted) / target.published
    return math.log(ratio) / math.log(target.high if ratio > 1 and target.high > 1 else 1 / target.low)


def fit(start: Fitted = START) -> Fitted:
    """Return the parameters that lose least on the figures that are not held out: one after another, in finer steps."""
    chosen = [target for target in targets() if not target.held_out]
    names = [field.name for field in fields(Fitted) if field.name not in BEST]
    best, lost, step = start, loss(start, chosen), FIRST_STEP
    while step > LAST_STEP:
        moved = False
        for name in names:
            for factor in (1 + step, 1 / (1 + step)):
                tried = replace(best, **{name: getattr(best, name) * factor})
                if (loses := loss(tried, chosen)) < lost:
                    best, lost, moved = tried, loses, True
        if not moved:
            step /= 2
    return best
