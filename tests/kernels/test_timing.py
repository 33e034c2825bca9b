"""The modelled times: bands in order, bounds that bind, figures within reach of the published ones."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from amanuensis.kernels.loads import Load
from amanuensis.kernels.program import ARCHITECTURES, Architecture
from amanuensis.kernels.timing import DISPATCH_US, OPERATOR_US, Band, operator_us


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("load", [Load(), Load(int8_macs=1 << 30), Load(bf16_macs=1 << 30), Load(lane_cycles=1e7)])
def test_bands_are_in_order(architecture: Architecture, load: Load) -> None:
    """Low is below the middle, the middle below high, and more of anything never takes less."""
    band = operator_us(architecture, replace(load, bytes_read=1 << 20))
    assert OPERATOR_US.low < band.low < band.middle < band.high
    times = [
        operator_us(architecture, replace(load, bytes_written=n_bytes)).middle
        for n_bytes in (0, 1 << 20, 1 << 26, 1 << 30)
    ]
    assert all(one <= other for one, other in pairwise(times))


def test_the_slower_of_arithmetic_and_memory_counts() -> None:
    """Bytes hide behind arithmetic and the other way round."""
    macs, n_bytes = Load(int8_macs=1 << 30), Load(bytes_read=1 << 28)
    assert operator_us("npu1", macs) == operator_us("npu1", replace(macs, bytes_read=1000))
    assert operator_us("npu1", n_bytes) == operator_us("npu1", replace(n_bytes, int8_macs=1000))


def test_times_are_near_the_published_products() -> None:
    """A bf16 product of 1024 cubed took 1071 us on npu1 with IRON (flm/gemm), dispatch and ramp included."""
    band = operator_us("npu1", Load(bf16_macs=1024**3, bytes_read=3 * 2 * 1024**2)) + DISPATCH_US
    assert band.low < 1071 < band.high


def test_bands_add() -> None:
    """Ends add to ends."""
    assert Band(1, 2, 3) + Band(10, 20, 30) == Band(11, 22, 33)
