"""Matrix products: integers exactly, bf16 within its bound, epilogues in order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanuensis.kernels.dtypes import rounded, to_bf16
from amanuensis.kernels.reference.gelu import gelu
from amanuensis.kernels.reference.gemm import EXACT_K, Ending, gemm_bf16, gemm_int8, gemm_int8_sums
from tests.kernels.figures import BF16_NRMSE, PATIENT, bf16_noise, nrmse


@PATIENT
@given(st.integers(1, 9), st.integers(1, 3000), st.integers(1, 9), st.integers(0, 1 << 30))
def test_int8_sums_are_exact(m: int, k: int, n: int, seed: int) -> None:
    """The sums equal those of integer arithmetic, for any size."""
    random = np.random.default_rng(seed)
    a = random.integers(-128, 128, (m, k), np.int8)
    b = random.integers(-128, 128, (k, n), np.int8)
    assert np.array_equal(gemm_int8_sums(a, b), a.astype(np.int64) @ b.astype(np.int64))


@pytest.mark.parametrize("k", [EXACT_K, EXACT_K + 1, 5120])
@pytest.mark.parametrize(("a", "b"), [(-128, -128), (-128, 127), (127, 127)])
def test_the_largest_sums_are_exact(k: int, a: int, b: int) -> None:
    """Also where every product has the largest magnitude, and with one odd product that a rounded sum would lose."""
    left, right = np.full((1, k), a, np.int8), np.full((k, 1), b, np.int8)
    left[0, 0] = right[0, 0] = 1
    assert gemm_int8_sums(left, right)[0, 0] == (k - 1) * a * b + 1


def test_int8_product_is_scaled_and_finished_in_order() -> None:
    """Sums times scales, then bias, GELU and residual."""
    random = np.random.default_rng(1)
    a, b = random.integers(-127, 128, (5, 64), np.int8), random.integers(-127, 128, (64, 8), np.int8)
    a_scales, b_scales = (random.uniform(0.001, 0.01, n).astype(np.float32) for n in (5, 8))
    bias, residual = random.standard_normal(8).astype(np.float32), random.standard_normal((5, 8)).astype(np.float32)
    truth = (a.astype(float) * a_scales[:, None]) @ (b.astype(float) * b_scales)
    assert nrmse(gemm_int8(a, a_scales, b, b_scales, Ending()), truth) < 1e-6
    ended = gemm_int8(a, a_scales, b, b_scales, Ending(bias, True, residual))
    assert np.abs(ended - (gelu(truth + bias) + residual)).max() < 1e-4


@pytest.mark.parametrize("k", [240, 512, 3072])
def test_bf16_product_is_within_its_bound(k: int) -> None:
    """With inputs that bf16 holds, only the rounding of the result counts: half a percent at most."""
    a, b = bf16_noise((32, k), 1), bf16_noise((k, 48), 2)
    product = gemm_bf16(to_bf16(a), to_bf16(b), Ending())
    truth = a.astype(np.float64) @ b.astype(np.float64)
    assert nrmse(product, truth) < 1e-6
    assert nrmse(rounded(product), truth) < BF16_NRMSE
