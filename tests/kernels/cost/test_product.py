"""The picture of a matrix product."""

from __future__ import annotations

from dataclasses import replace

import pytest

from amanuensis.kernels.cost.arrays import ARRAYS
from amanuensis.kernels.cost.product import Parts, Product, Rates, Tiling, memory_us, product_parts, stream_us

TILING = Tiling(64, 64, 64, 4, 4, (128, 128, 128))
PRODUCT = Product(1024, 512, 768, (2, 2, 4), TILING)
RATES = Rates(macs=64, clock_ghz=1.0, memory_gb_s=20, burst_ns=1.0)


def test_operands_are_read_again_for_each_group_of_tiles() -> None:
    """For every 4 tiles of columns or of rows; what IRON's plain product moves in C5 is 126 MB by its README."""
    assert PRODUCT.traffic == (1024 * 512 * 2 * 3, 512 * 768 * 2 * 4, 1024 * 768 * 4)
    published = Product(1024, 1536, 6144, (2, 2, 2), replace(TILING, columns=8))
    assert round(sum(published.traffic) / 1e6) == 126


def test_broken_tiles_cost_whole_ones() -> None:
    """Multiply-adds are those of the tiles, not of the matrix."""
    assert PRODUCT.macs == 1024 * 512 * 768
    assert replace(PRODUCT, m=1000, n=700).macs == PRODUCT.macs


def test_each_burst_costs_its_bytes_and_a_fixed_time() -> None:
    """Long bursts come near the bandwidth, short ones do not."""
    assert memory_us(20_000, 20_000, 20, 1.0) == pytest.approx(1.001)
    assert memory_us(20_000, 20, 20, 1.0) == pytest.approx(2.0)
    assert stream_us(4_000, 1, 1.0) == 1.0
    assert stream_us(4_000, 4, 2.0) == 0.125


def test_the_slowest_resource_counts() -> None:
    """Starving one resource moves the bound to it, and leaves the others as they were."""
    base = product_parts(PRODUCT, ARRAYS["npu1"], RATES)
    assert base.us == max(base.compute_us, base.stream_us, base.memory_us) + base.ramp_us
    assert base.compute_us == pytest.approx(PRODUCT.macs / 16 / 64 / 1e3)
    slow = product_parts(PRODUCT, ARRAYS["npu1"], replace(RATES, memory_gb_s=1))
    assert slow.us == slow.memory_us + slow.ramp_us
    assert slow.compute_us == base.compute_us
    assert Parts(1, 2, 3, 4).us == 7
