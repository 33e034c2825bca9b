"""The whole-array product is that of integers, bit for bit, on every number of columns and at both speeds."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from amanuensis.kernels.designs._iron import NPU1, NPU2, Device, NPU1Col1, NPU1Col2, NPU1Col3
from amanuensis.kernels.designs.gemm import GemmShape, gemm_int8
from amanuensis.kernels.sim import engine
from amanuensis.kernels.sim.check import check
from amanuensis.kernels.sim.run import Simulation
from amanuensis.kernels.sim.trace import Trace


def product(device: Device, shape: GemmShape, speed: Literal["exact", "object"], dispatches: int = 1) -> Trace:
    """Multiply random matrices, compare with NumPy, and return the last trace."""
    random = np.random.default_rng(shape.m)
    with Simulation(gemm_int8(device, shape), speed=speed) as array:
        for _ in range(dispatches):
            a = random.integers(-128, 128, (shape.m, shape.k), dtype=np.int8)
            b = random.integers(-128, 128, (shape.k, shape.n), dtype=np.int8)
            c = np.zeros((shape.m, shape.n), np.int32)
            trace = array.run(a, b, c)
            assert np.array_equal(c, a.astype(np.int32) @ b.astype(np.int32))
    return trace


@pytest.mark.parametrize("speed", ["exact", "object"])
@pytest.mark.parametrize(
    ("device", "shape"),
    [
        (NPU1Col1(), GemmShape(48, 32, 32, 4, 16, 16)),
        (NPU1Col2(), GemmShape(96, 64, 64, 8, 16, 16)),
        (NPU1(), GemmShape(144, 64, 128, 12, 32, 32)),
        (NPU2(), GemmShape(80, 64, 256, 4, 32, 16)),
    ],
)
def test_products_are_exact(device: Device, shape: GemmShape, speed: Literal["exact", "object"]) -> None:
    """Every number of columns gives NumPy's integers, in the second dispatch as well."""
    product(device, shape, speed, dispatches=2)


def test_the_whole_array_multiplies_512_cubed() -> None:
    """512 x 512 x 512 on 16 cores; a is read as often as the array is narrower than c, b once a row of tiles."""
    trace = product(NPU1(), GemmShape(512, 512, 512), "object")
    reads_of_a, reads_of_b = 512 // (64 * 4), 512 // (64 * 4)
    assert trace.bytes_read == 512 * 512 * (reads_of_a + reads_of_b)
    assert trace.bytes_written == 512 * 512 * 4
    assert len(trace.calls) == 16
    assert all(calls == {"gemm_int8_zero": 4, "gemm_int8_mac": 32} for calls in trace.calls.values())


def test_both_speeds_count_alike() -> None:
    """Objects, bytes, transfers and calls do not depend on the speed."""
    shape = GemmShape(96, 64, 64, 8, 16, 16)
    assert product(NPU1Col2(), shape, "exact") == product(NPU1Col2(), shape, "object")


def test_streams_may_move_a_word_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The finest interleaving of all channels gives the same integers."""
    monkeypatch.setitem(engine.WORDS_A_STEP, "exact", 1)
    product(NPU1Col1(), GemmShape(32, 32, 32, 4, 16, 16), "exact")


def test_tiles_of_64_fit_the_array() -> None:
    """The marks of the largest tile that is a power of two: memory of cores is four fifths full."""
    report = check(gemm_int8(NPU1(), GemmShape(512, 512, 512)).resolve_program())
    core, mem, shim = (report.most(kind) for kind in ("core", "mem", "shim"))
    assert 3 * 65536 // 4 < core.memory_bytes <= 65536
    assert (core.s2mm, core.mm2s, mem.s2mm, mem.mm2s, shim.mm2s, shim.s2mm) == (2, 1, 6, 3, 2, 1)
    assert core.program_bytes <= 16384


@pytest.mark.parametrize(
    ("device", "shape", "message"),
    [
        (NPU1(), GemmShape(500, 512, 512), "m is 500; on 4 columns a multiple of 256 is needed"),
        (NPU1(), GemmShape(512, 500, 512), "k is 500; on 4 columns a multiple of 64 is needed"),
        (NPU1(), GemmShape(512, 512, 320), "n is 320; on 4 columns a multiple of 256 is needed"),
        (NPU1Col3(), GemmShape(768, 64, 192), "3 columns do not share 4 rows of a"),
        (NPU1(), GemmShape(512, 512, 512, 64, 60, 64), "k is 512; on 4 columns a multiple of 60 is needed"),
    ],
)
def test_sizes_that_do_not_divide_are_named(device: Device, shape: GemmShape, message: str) -> None:
    """Size, value and multiple are named."""
    with pytest.raises(ValueError, match=message):
        gemm_int8(device, shape)
