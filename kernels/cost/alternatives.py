"""What the two other plans for the array would cost: a pipeline with cores for each layer, and weights of 4 bits.

Both are priced favourably, as bounds from below, to be held against the whole array that works on one operator after
the other (`amanuensis.kernels.cost.price`). Modelled, like all prices.

Pipeline: the cores are shared out evenly over the layers, one of which does what is outside them, and activations pass
from core to core for nothing. Attention sees every row of its layer, so a window is in one layer at a time: the others
work only if other windows follow. A layer's weights do not stay in its cores (3 MB in Whisper base, of 64 KB a core),
so they come again for every block of rows that its cores hold, over its share of the channels.

4 bits: weights in groups with a scale each; the cores multiply at the rate of 8 bits and unpack for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Final

from amanuensis.kernels import operators as kinds
from amanuensis.kernels.cost.arrays import ARRAYS
from amanuensis.kernels.cost.band import Band
from amanuensis.kernels.cost.demand import SMALL_ROWS, TILE, WEIGHT_BURST
from amanuensis.kernels.cost.parameters import Case, Model, Parameters
from amanuensis.kernels.cost.price import Price, price
from amanuensis.kernels.cost.product import memory_us, stream_us
from amanuensis.kernels.loads import Counts, count_of
from amanuensis.kernels.operators import Operator

GROUP: Final = 32  # weights that share a scale of 16 bits
INT4_SHARE: Final = 0.5 + 2 / GROUP  # bytes of a weight of 4 bits, with its share of the scale
_ELEMENT_BYTES: Final[dict[type[Operator], int]] = {kinds.GemmInt8: 1, kinds.GemmRequantise: 1, kinds.GemmBf16: 2}


@dataclass(frozen=True, slots=True)
class Alternatives:
    """Microseconds of one sequence under each plan, its dispatch included.

    Attributes:
        whole_array: as chosen.
        int4: the same with int8 weights in 4 bits.
        pipeline: from a window's beginning to its end, at least.
        pipeline_period: from one window to the next when every layer has one to work on, at least.

    """

    whole_array: Band
    int4: Band
    pipeline: Band
    pipeline_period: Band


@dataclass(frozen=True, slots=True)
class _Step:
    """An operator, its price on one device, its rows and the bytes of its weights."""

    operator: Operator
    price: Price
    rows: int
    weight_bytes: int


def alternatives(operators: Sequence[Operator], counts: Counts, model: Model, layers: int) -> Alternatives:
    """Return what a sequence costs under each plan.

    Args:
        operators: of the sequence.
        counts: values of the run-time parameters.
        model: of the device.
        layers: that the pipeline shares the cores out over, 1 or more.

    Raises:
        OpError: a parameter has no value, or one out of its limits.

    """
    found: list[tuple[float, float, float, float]] = []
    cases: tuple[Case, ...] = ("fast", "middle", "slow")
    for case in cases:
        parameters = model.cases[case]
        only = replace(model, cases=dict.fromkeys(cases, parameters))
        steps = [_step(operator, counts, only) for operator in operators]
        whole = sum(step.price.time.middle for step in steps)
        parts = (whole, _int4_us(steps, parameters, model), *_pipeline_us(steps, parameters, model, layers))
        found.append((parts[0], parts[1], parts[2], parts[3]))
    bands = [Band(*ends) + model.dispatch_us for ends in zip(*found, strict=True)]
    return Alternatives(*bands)


def _step(operator: Operator, counts: Counts, model: Model) -> _Step:
    rows = 0 if isinstance(operator, kinds.Nop) else count_of(operator, "rows", operator.rows, counts)
    weight_bytes = 0
    if isinstance(operator, kinds.GemmInt8 | kinds.GemmRequantise | kinds.GemmBf16):
        weight_bytes = operator.k * operator.n * _ELEMENT_BYTES[type(operator)]
    return _Step(operator, price(operator, counts, model), rows, weight_bytes)


def _int4_us(steps: Iterable[_Step], parameters: Parameters, model: Model) -> float:
    """Return the sum of all operators when int8 weights take 4 bits."""
    array, total = ARRAYS[model.architecture], 0.0
    for step in steps:
        parts = step.price.parts
        if not step.rows or not step.weight_bytes or isinstance(step.operator, kinds.GemmBf16):
            total += step.price.time.middle
            continue
        few = step.rows <= SMALL_ROWS
        saved = step.weight_bytes * (1 - INT4_SHARE) * (1 if few else ceil(step.rows / (TILE * array.rows)))
        memory = parts.memory_us - memory_us(saved, WEIGHT_BURST, parameters.memory_gb_s, parameters.burst_ns)
        stream = parts.stream_us * (INT4_SHARE if few else 1)
        total += max(parts.compute_us, stream, memory) + parameters.operator_us
    return total


def _pipeline_us(steps: Sequence[_Step], parameters: Parameters, model: Model, layers: int) -> tuple[float, float]:
    """Return the least time of a window, and the least time from window to window."""
    array = ARRAYS[model.architecture]
    compute = sum(step.price.parts.compute_us for step in steps)
    held_rows = max(TILE, TILE * array.cores // layers)
    weights = sum(step.weight_bytes * ceil(step.rows / held_rows) for step in steps)
    memory = memory_us(weights, WEIGHT_BURST, parameters.memory_gb_s, parameters.burst_ns)
    channels = array.columns * array.shim_channels
    stream = stream_us(weights, channels, parameters.clock_ghz) * layers  # of a layer's channels, one layer at a time
    return max(compute * layers, stream, memory), max(compute, stream / layers, memory)
