"""The int8 matrix product on a core: sums, epilogues and requantisation, bit for bit those of the reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from amanuensis.kernels.dtypes import BFLOAT16, Int8, to_bf16
from amanuensis.kernels.entries import MODE_GELU, MODE_RESIDUAL
from amanuensis.kernels.layout import INT8_A, INT8_B, Block, pack, unpack
from amanuensis.kernels.reference.gemm import Ending, gemm_int8, gemm_int8_sums
from amanuensis.kernels.reference.requantise import requantise
from tests.kernels.cores import ARCHITECTURES, empty, fresh, needs_compiler, placed
from tests.kernels.figures import PATIENT

pytestmark = needs_compiler

SUMS = Block(4, 8)
TILES = [(4, 8, 16), (8, 16, 16), (16, 64, 64), (32, 64, 64), (12, 24, 48)]
INT32 = np.iinfo(np.int32)


def sums_of(a: Int8, b: Int8, architecture: str, tiles: int = 1) -> NDArray[np.int32]:
    """Return the sums of a core as it lays them out, made of that many tiles of k."""
    (m, k), n = a.shape, b.shape[1]
    sizes = {"m": m, "k": k // tiles, "n": n}
    sums = empty(m * n, np.int32)
    fresh("gemm_int8_zero", architecture, **sizes)(sums)
    for part in range(tiles):
        chosen = slice(part * sizes["k"], (part + 1) * sizes["k"])
        left, right = placed(pack(a[:, chosen], INT8_A)), placed(pack(b[chosen], INT8_B))
        fresh("gemm_int8_mac", architecture, **sizes)(left, right, sums)
    return sums


def operands(m: int, k: int, n: int, seed: int = 0) -> tuple[Int8, Int8]:
    """Return random operands of the full range, with rows and columns of the ends of it."""
    random = np.random.default_rng(seed)
    a = random.integers(-128, 128, (m, k)).astype(np.int8)
    b = random.integers(-128, 128, (k, n)).astype(np.int8)
    a[0], a[1], b[:, 0], b[:, 1] = -128, 127, -128, 127
    return a, b


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("tile", TILES, ids=str)
def test_sums_are_exact(tile: tuple[int, int, int], architecture: str) -> None:
    """Sums over one tile and over three are those of the reference at every size, with -128 in both operands."""
    m, k, n = tile
    for tiles in (1, 3):
        a, b = operands(m, k * tiles, n)
        sums = sums_of(a, b, architecture, tiles)
        assert np.array_equal(unpack(sums, m, n, SUMS), gemm_int8_sums(a, b))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("mode", [0, MODE_GELU, MODE_RESIDUAL, MODE_GELU | MODE_RESIDUAL])
@pytest.mark.parametrize("out", ["bf16", "f32"])
def test_epilogues_are_those_of_the_reference(out: str, mode: int, architecture: str) -> None:
    """Scales, bias, GELU and residual give the reference's bits, rounded to bf16 or as float32, row-major."""
    m, k, n = 16, 64, 64
    a, b = operands(m, k, n)
    random = np.random.default_rng(1)
    rows, scales = random.uniform(1e-4, 1e-2, m).astype(np.float32), random.uniform(1e-3, 1e-2, n).astype(np.float32)
    bias, residual = (
        random.standard_normal((1, n)).astype(np.float32),
        random.standard_normal((m, n)).astype(np.float32),
    )
    ending = Ending(bias[0], bool(mode & MODE_GELU), residual if mode & MODE_RESIDUAL else None)
    expected = gemm_int8(a, rows, b, scales, ending)
    result = empty((m, n), BFLOAT16 if out == "bf16" else np.float32)
    columns = placed(np.concatenate([scales, bias[0]]))
    call = fresh(f"gemm_int8_finish_{out}", architecture, m=m, k=k, n=n)
    call(sums_of(a, b, architecture), placed(rows), columns, placed(residual), result, mode)
    assert np.array_equal(result, to_bf16(expected) if out == "bf16" else expected)


def test_residual_may_be_the_result() -> None:
    """A residual that is overwritten in place is read before it is written."""
    m, k, n = 16, 64, 64
    a, b = operands(m, k, n)
    ones, columns = placed(np.ones(m, np.float32)), placed(np.ones(2 * n, np.float32))
    result = placed(np.full((m, n), 0.5, np.float32))
    fresh("gemm_int8_finish_f32", m=m, k=k, n=n)(sums_of(a, b, "npu1"), ones, columns, result, result, MODE_RESIDUAL)
    assert np.array_equal(result, gemm_int8_sums(a, b) + np.float32(1.5))


def requantised(
    sums: NDArray[np.int32], bias: NDArray[np.int32], multipliers: NDArray[np.int32], shift: int, architecture: str
) -> Int8:
    """Return sums [m, n] requantised on a core."""
    m, n = sums.shape
    result = empty(m * n, np.int8)
    columns = placed(np.concatenate([bias, multipliers]))
    call = fresh("gemm_int8_requantise", architecture, m=m, k=8, n=n)
    call(placed(pack(sums, SUMS).reshape(-1)), columns, result, shift)
    return unpack(result, m, n, INT8_A)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("shift", range(63))
def test_requantisation_is_exact_at_every_shift(shift: int, architecture: str) -> None:
    """Ties, saturation at both ends, the extremes of int32 and a bias that overflows give the reference's integers."""
    random = np.random.default_rng(shift)
    edges = [INT32.min, INT32.min + 1, -129, -128, -127, -3, -2, -1, 0, 1, 2, 3, 126, 127, 128, INT32.max]
    powers = [
        min(max(sign * (1 << max(shift - 16, 0)) + near, INT32.min), INT32.max)
        for sign in (-1, 1)
        for near in (-1, 0, 1)
    ]
    sums = random.choice([*edges, *powers], (16, 16)).astype(np.int32)
    bias = random.choice([INT32.min, -1, 0, 0, 0, 1, INT32.max], 16).astype(np.int32)
    halves = [1 << min(max(shift - 1, 0), 30), 1 << min(shift, 30)]
    multipliers = random.choice([0, 1, 3, *halves, INT32.max], 16).astype(np.int32)
    expected = requantise(sums, bias, multipliers, shift)
    assert np.array_equal(requantised(sums, bias, multipliers, shift, architecture), expected)


@PATIENT
@given(st.integers(0, 62), st.integers(0, 1 << 30))
def test_requantisation_is_exact_on_anything(shift: int, seed: int) -> None:
    """Whatever the sums, the bias, the multipliers and the shift, the integers are those of the reference."""
    random = np.random.default_rng(seed)
    high = 1 << int(random.integers(1, 32))
    sums = random.integers(-high, high, (4, 16), np.int64).clip(INT32.min, INT32.max).astype(np.int32)
    bias = random.integers(INT32.min, INT32.max, 16, np.int32, endpoint=True)
    multipliers = random.integers(0, INT32.max, 16, np.int32, endpoint=True)
    expected = requantise(sums, bias, multipliers, shift)
    assert np.array_equal(requantised(sums, bias, multipliers, shift, "npu1"), expected)


def test_a_requantised_product_is_the_operand_of_the_next() -> None:
    """What requantisation stores is read by the next product without reordering."""
    a, b = operands(16, 64, 64)
    _, c = operands(16, 64, 32, seed=2)
    zeros, factors = np.zeros(64, np.int32), np.full(64, 1 << 10, np.int32)
    between = empty(16 * 64, np.int8)
    columns = placed(np.concatenate([zeros, factors]))
    fresh("gemm_int8_requantise", m=16, k=64, n=64)(sums_of(a, b, "npu1"), columns, between, 22)
    sums = empty(16 * 32, np.int32)
    fresh("gemm_int8_zero", m=16, k=64, n=32)(sums)
    fresh("gemm_int8_mac", m=16, k=64, n=32)(between, placed(pack(c, INT8_B)), sums)
    expected = gemm_int8_sums(requantise(gemm_int8_sums(a, b), zeros, factors, 22), c)
    assert np.array_equal(unpack(sums, 16, 32, SUMS), expected)
