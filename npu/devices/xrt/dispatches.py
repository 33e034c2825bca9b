"""Cutting a sequence into dispatches that end long before the driver would take them for hung.

The driver's watchdog resets a context after 2 s (`tdr_timeout_ms`, amd/xdna-driver). A whole window of a large model
may take longer on a small NPU, so by the cost model no dispatch is to take more than a quarter of that, where it can be
cut: between operators.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeVar

from amanuensis.kernels.cost.parameters import MODELS
from amanuensis.kernels.cost.price import price
from amanuensis.kernels.operands import Parameter
from amanuensis.kernels.operators import Operator
from amanuensis.kernels.program import Architecture

_Run = TypeVar("_Run")
WATCHDOG_US: Final = 2e6
LONGEST_US: Final = WATCHDOG_US / 4  # by the slow end of the band


def cut(operators: Sequence[Operator], architecture: Architecture) -> Iterator[list[Operator]]:
    """Yield a sequence in parts, each for one dispatch; only an operator that takes longer by itself exceeds it."""
    return cut_runs(operators, lambda operator: (operator,), architecture)


def cut_runs(
    runs: Sequence[_Run], operators_of: Callable[[_Run], Iterable[Operator]], architecture: Architecture
) -> Iterator[list[_Run]]:
    """Yield what is dispatched together in the same way, cut only between runs of operators."""
    part: list[_Run] = []
    spent_us = 0.0
    for run in runs:
        us = sum(price(each, _largest(each), MODELS[architecture]).time.high for each in operators_of(run))
        if part and spent_us + us > LONGEST_US:
            yield part
            part, spent_us = [], 0.0
        part.append(run)
        spent_us += us
    if part:
        yield part


def _largest(operator: Operator) -> dict[int, int]:
    """Return the largest value of every run-time size of an operator."""
    values = (getattr(operator, field.name) for field in dataclasses.fields(operator))
    return {value.index: value.limit for value in values if isinstance(value, Parameter)}
