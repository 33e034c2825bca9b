"""What one operator costs inside a sequence, and which resource decides it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from amanuensis.kernels.cost.arrays import ARRAYS, Array
from amanuensis.kernels.cost.band import Band
from amanuensis.kernels.cost.demand import Demand, demand
from amanuensis.kernels.cost.parameters import Model, Parameters
from amanuensis.kernels.cost.product import Parts, memory_us, stream_us
from amanuensis.kernels.loads import Counts, Load, load_of
from amanuensis.kernels.operators import Operator

Bound: TypeAlias = Literal["compute", "stream", "DDR", "launch"]

_ORDER: Final = ("fast", "middle", "slow")


@dataclass(frozen=True, slots=True)
class Price:
    """What one operator costs.

    Attributes:
        load: what it asks for.
        traffic_bytes: that cross the memory, what is read again included.
        time: microseconds inside a sequence.
        bound: what the middle of the band is spent on most.
        parts: how long each resource is busy, at the middle of the band.

    """

    load: Load
    traffic_bytes: int
    time: Band
    bound: Bound
    parts: Parts


def price(operator: Operator, counts: Counts, model: Model, array: Array | None = None) -> Price:
    """Return the price of an operator.

    Args:
        operator: any.
        counts: values of the run-time parameters.
        model: of the device.
        array: the part of the device that works on it (default: all of it).

    Raises:
        OpError: a parameter has no value, or one out of its limits.

    """
    load = load_of(operator, counts)
    asked = demand(operator, counts, load, array or ARRAYS[model.architecture])
    fast, middle, slow = (_parts(asked, load, model.cases[case]) for case in _ORDER)
    fixed = Band(*(model.cases[case].operator_us for case in _ORDER))
    return Price(
        load=load,
        traffic_bytes=sum(n_bytes for n_bytes, _ in asked.transfers),
        time=Band(fast.us, middle.us, slow.us) + fixed,
        bound=_bound(middle, fixed.middle),
        parts=middle,
    )


def _bound(parts: Parts, operator_us: float) -> Bound:
    busy: dict[Bound, float] = {
        "launch": operator_us,
        "compute": parts.compute_us,
        "stream": parts.stream_us,
        "DDR": parts.memory_us,
    }
    return max(busy, key=lambda bound: busy[bound])


def _parts(asked: Demand, load: Load, parameters: Parameters) -> Parts:
    rate = parameters.bf16_macs if load.bf16_macs else parameters.int8_macs
    core_cycles = asked.macs / rate + asked.lanes * load.lane_cycles * parameters.lane_factor
    return Parts(
        compute_us=core_cycles / (asked.cores * parameters.clock_ghz) / 1e3,
        stream_us=stream_us(asked.streamed, 1, parameters.clock_ghz),
        memory_us=sum(
            memory_us(n_bytes, burst, parameters.memory_gb_s, parameters.burst_ns) for n_bytes, burst in asked.transfers
        ),
    )
