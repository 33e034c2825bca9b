"""Softmax against float64: long rows, large scores, limits."""

from __future__ import annotations

import numpy as np
import pytest

from amanuensis.kernels.dtypes import to_bf16
from amanuensis.kernels.reference.softmax import softmax, softmax_device
from tests.kernels.figures import BF16_NRMSE, bf16_noise, nrmse


def by_formula(scores: np.ndarray) -> np.ndarray:
    """Return the softmax in float64."""
    powers = np.exp(scores.astype(np.float64) - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("length", [1, 31, 448, 1500])
@pytest.mark.parametrize("scale", [1.0, 30.0, 1e30])
def test_softmax_is_within_its_bound(length: int, scale: float) -> None:
    """For any length and any finite scores."""
    scores = bf16_noise((10, length), 1, scale)
    assert nrmse(softmax(scores), by_formula(scores)) < 1e-5
    assert nrmse(softmax_device(to_bf16(scores)), by_formula(scores)) < BF16_NRMSE


def test_only_what_is_seen_counts() -> None:
    """Beyond its limit a row has no weight, whatever stands there."""
    scores = bf16_noise((3, 40), 1)
    scores[:, 20:] = 1e9
    weights = softmax(scores, np.array([1, 7, 20]))
    for row, seen in enumerate((1, 7, 20)):
        assert np.allclose(weights[row, :seen], by_formula(scores[row, :seen]), atol=1e-6)
        assert not weights[row, seen:].any()
