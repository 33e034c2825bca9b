"""The closed form of a product against stepping through it tile by tile, event by event."""

from __future__ import annotations

from dataclasses import replace

import pytest

from amanuensis.kernels.cost.arrays import ARRAYS, STREAM_BYTES
from amanuensis.kernels.cost.fitted import FITTED
from amanuensis.kernels.cost.product import Product, Rates, Tiling, memory_us, product_parts
from amanuensis.kernels.cost.targets import BF16, NPU1_SHAPES

DEPTH = 2  # buffers of each fifo: ping and pong
FLM = Tiling(64, 512, 64, 4, 4, (1024, 128 << 10, 128))
PLAIN = Tiling(64, 64, 64, 4, 4, (128, 128, 128))
TUNED = Rates(FITTED.npu1_tuned, 1.0, FITTED.npu1_memory_gb_s, FITTED.burst_ns)


def stepped_us(product: Product, rates: Rates) -> float:
    """Return when the last tile of c has left: one core of each row and column, all alike, and one memory for all.

    Each operand waits for a free buffer, then for the memory, which serves in order of asking, then for its channel; a
    core waits for both operands and, at the first step of a tile of c, for a free buffer of c.
    """
    tiling, cycles = product.tiling, rates.clock_ghz * 1e3
    a_bytes, b_bytes, c_bytes = product.element_bytes
    per_us = STREAM_BYTES * cycles
    sizes = (tiling.m * tiling.k * a_bytes, tiling.k * tiling.n * b_bytes)
    from_memory = [
        memory_us(lanes * size, burst, rates.memory_gb_s, rates.burst_ns)
        for lanes, size, burst in zip((tiling.rows, tiling.columns), sizes, tiling.bursts[:2], strict=True)
    ]
    drained = tiling.m * tiling.n * tiling.rows * c_bytes
    drain_memory = memory_us(drained * tiling.columns, tiling.bursts[2], rates.memory_gb_s, rates.burst_ns)
    depth_steps = product.k // tiling.k
    tiles = product.m // (tiling.m * tiling.rows) * (product.n // (tiling.n * tiling.columns))
    step_us = tiling.m * tiling.k * tiling.n / rates.macs / cycles
    memory, channels, cores, drains = 0.0, [0.0, 0.0], [0.0] * DEPTH, [0.0] * DEPTH
    for _ in range(tiles):
        for step in range(depth_steps):
            free = cores[-DEPTH]
            for operand in (0, 1):
                memory = max(memory, free) + from_memory[operand]
                channels[operand] = max(channels[operand], memory - from_memory[operand]) + sizes[operand] / per_us
            ready = max(*channels, memory, cores[-1], drains[-DEPTH] if step == 0 else 0.0)
            cores.append(ready + step_us)
        memory += drain_memory  # what is drained takes its turn among what is filled
        drains.append(max(drains[-1], cores[-1]) + max(drained / per_us, drain_memory))
    return drains[-1]


@pytest.mark.parametrize("shape", NPU1_SHAPES)
@pytest.mark.parametrize("tiling", [FLM, PLAIN], ids=["flm", "plain"])
def test_the_closed_form_is_near_the_steps(shape: tuple[int, int, int], tiling: Tiling) -> None:
    """The slowest resource and a ramp are within a sixth of what comes of stepping, at the fitted rates."""
    product = Product(*shape, BF16, tiling)
    rates = TUNED if tiling is FLM else replace(TUNED, macs=FITTED.npu1_plain)
    closed, stepped = product_parts(product, ARRAYS["npu1"], rates).us, stepped_us(product, rates)
    print(f"{shape}: closed {closed:.0f} us, stepped {stepped:.0f} us, {closed / stepped - 1:+.1%}")
    assert closed == pytest.approx(stepped, rel=1 / 6)


@pytest.mark.parametrize("starved", [{"memory_gb_s": 2.0}, {"macs": 5.0}])
def test_both_follow_the_resource_that_is_starved(starved: dict[str, float]) -> None:
    """With one resource far too slow nothing else counts, in either picture."""
    product, rates = Product(1024, 1024, 1024, BF16, PLAIN), replace(TUNED, **starved)
    closed = product_parts(product, ARRAYS["npu1"], rates).us
    assert closed == pytest.approx(stepped_us(product, rates), rel=0.02)
