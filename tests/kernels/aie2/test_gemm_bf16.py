"""The bf16 matrix product on a core, against float64."""

from __future__ import annotations

import numpy as np
import pytest

from amanuensis.kernels.dtypes import BFLOAT16, Float32, to_bf16
from amanuensis.kernels.entries import MODE_GELU, MODE_RESIDUAL
from amanuensis.kernels.layout import BF16_A, BF16_B, Block, pack, unpack
from amanuensis.kernels.reference.gelu import gelu
from amanuensis.kernels.reference.gemm import Ending, gemm_bf16
from tests.kernels.cores import ARCHITECTURES, empty, fresh, needs_compiler, placed
from tests.kernels.figures import BF16_NRMSE, bf16_noise, nrmse

pytestmark = needs_compiler

SUMS = Block(4, 4)
TILES = [(4, 8, 16), (8, 16, 16), (16, 64, 64), (32, 64, 64), (12, 24, 48)]
SUM_NRMSE = 1e-6  # of float32 sums of products that float32 holds exactly


def sums_of(a: Float32, b: Float32, architecture: str, tiles: int = 1) -> Float32:
    """Return the sums of a core as it lays them out, made of that many tiles of k."""
    (m, k), n = a.shape, b.shape[1]
    sizes = {"m": m, "k": k // tiles, "n": n}
    sums = empty(m * n, np.float32)
    fresh("gemm_bf16_zero", architecture, **sizes)(sums)
    for part in range(tiles):
        chosen = slice(part * sizes["k"], (part + 1) * sizes["k"])
        left, right = placed(pack(to_bf16(a[:, chosen]), BF16_A)), placed(pack(to_bf16(b[chosen]), BF16_B))
        fresh("gemm_bf16_mac", architecture, **sizes)(left, right, sums)
    return sums


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("tile", TILES, ids=str)
def test_sums_are_near_float64(tile: tuple[int, int, int], architecture: str) -> None:
    """Sums over one tile and over three differ from float64 by the rounding of float32 only."""
    m, k, n = tile
    for tiles in (1, 3):
        a, b = bf16_noise((m, k * tiles), 1), bf16_noise((k * tiles, n), 2)
        sums = unpack(sums_of(a, b, architecture, tiles), m, n, SUMS)
        assert nrmse(sums, a.astype(np.float64) @ b.astype(np.float64)) < SUM_NRMSE


def test_whole_numbers_are_exact() -> None:
    """Sums that float32 holds are the reference's to the bit, so no element is out of place."""
    random = np.random.default_rng(3)
    a, b = (random.integers(-16, 17, shape).astype(np.float32) for shape in ((32, 64), (64, 64)))
    sums = unpack(sums_of(a, b, "npu1"), 32, 64, SUMS)
    assert np.array_equal(sums, gemm_bf16(to_bf16(a), to_bf16(b), Ending()))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("mode", [0, MODE_GELU, MODE_RESIDUAL, MODE_GELU | MODE_RESIDUAL])
@pytest.mark.parametrize("out", ["bf16", "f32"])
def test_epilogues_are_near_float64(out: str, mode: int, architecture: str) -> None:
    """Bias, GELU and residual stay within the bound of bf16, and the result is row-major."""
    m, k, n = 16, 64, 64
    a, b = bf16_noise((m, k), 4), bf16_noise((k, n), 5, 0.25)
    random = np.random.default_rng(6)
    bias, residual = random.standard_normal(n).astype(np.float32), random.standard_normal((m, n)).astype(np.float32)
    expected = a.astype(np.float64) @ b.astype(np.float64) + bias
    expected = gelu(expected).astype(np.float64) if mode & MODE_GELU else expected
    expected = expected + residual if mode & MODE_RESIDUAL else expected
    result = empty((m, n), BFLOAT16 if out == "bf16" else np.float32)
    call = fresh(f"gemm_bf16_finish_{out}", architecture, m=m, k=k, n=n)
    call(sums_of(a, b, architecture), placed(bias), placed(residual), result, mode)
    error = nrmse(result.astype(np.float32), expected)
    print(f"gemm_bf16 {out} mode {mode}: NRMSE {error:.2e}, largest {abs(result.astype(float) - expected).max():.2e}")
    assert error < (BF16_NRMSE if out == "bf16" else 5e-5)  # the GELU polynomial is good to 6e-5
