"""Layer norm against float64."""

from __future__ import annotations

import numpy as np
import pytest

from amanuensis.kernels.dtypes import rounded
from amanuensis.kernels.reference.layer_norm import EPSILON, layer_norm
from tests.kernels.figures import BF16_NRMSE, nrmse


@pytest.mark.parametrize("mean", [0.0, 5.0, 300.0])
@pytest.mark.parametrize("width", [256, 384, 1280])
def test_layer_norm_is_within_its_bound(width: int, mean: float) -> None:
    """Also for rows whose mean is far larger than their spread, where a one-pass variance fails."""
    random = np.random.default_rng(width)
    x = (random.standard_normal((40, width)) + mean).astype(np.float32)
    gain, bias = (random.standard_normal(width).astype(np.float32) for _ in range(2))
    wide = x.astype(np.float64)
    truth = (wide - wide.mean(1, keepdims=True)) / np.sqrt(wide.var(1, keepdims=True) + float(EPSILON)) * gain + bias
    assert nrmse(layer_norm(x, gain, bias), truth) < 1e-4
    assert nrmse(rounded(layer_norm(x, gain, bias)), truth) < BF16_NRMSE


def test_constant_rows_become_the_bias() -> None:
    """Without spread only the bias is left, and nothing divides by zero."""
    ones = np.ones(8, np.float32)
    assert np.allclose(layer_norm(np.full((2, 8), 7, np.float32), ones, 3 * ones), 3)
