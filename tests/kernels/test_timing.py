"""The times of the emulation are the prices of the cost model."""

from __future__ import annotations

import pytest

from amanuensis.kernels.cost.parameters import MODELS
from amanuensis.kernels.cost.price import price
from amanuensis.kernels.operands import Buffer, Parameter, Region
from amanuensis.kernels.operators import Attention, LayerNorm, Nop
from amanuensis.kernels.program import ARCHITECTURES, Architecture
from amanuensis.kernels.timing import operator_price
from amanuensis.kernels.words import OpError
from tests.kernels.device import PROGRAM, Device

PLACE = Region(Buffer.SCRATCH, 0)
NORM = LayerNorm(PLACE, PLACE, PLACE, PLACE, Parameter(3, limit=64), 64)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_prices_are_those_of_the_model(architecture: Architecture) -> None:
    """At each size, asked for once or again, by a map or a function."""
    for rows in (1, 2, 1, 0):
        expected = price(NORM, {3: rows}, MODELS[architecture])
        assert operator_price(architecture, NORM, {3: rows, 7: 1}) == expected
        assert operator_price(architecture, NORM, lambda _, rows=rows: rows) == expected
    assert operator_price(architecture, Nop(), {}) == price(Nop(), {}, MODELS[architecture])


def test_sizes_are_told_apart() -> None:
    """Rows and keys that come from different parameters are not mixed up."""
    attention = Attention(PLACE, PLACE, PLACE, PLACE, Parameter(0), Parameter(1), 2, 8, False, 0, 1.0)
    one, other = (operator_price("npu1", attention, counts) for counts in ({0: 2, 1: 30}, {0: 30, 1: 2}))
    assert one.load.macs == other.load.macs
    assert one.load.bytes_written < other.load.bytes_written
    with pytest.raises(OpError, match=r"LayerNorm\.rows is parameter 3 = 65"):
        operator_price("npu1", NORM, {3: 65})


def test_the_machine_reports_them() -> None:
    """What was executed has the price of what was planned."""
    device = Device()
    device.set_parameters({3: 5})
    for buffer in device.buffers[:3]:
        buffer[:] = 0
    (work,) = device.run(NORM).operators
    assert work.time == price(NORM, {3: 5}, MODELS[PROGRAM.architecture]).time
