"""Choosing precision and smoothing of linear layers."""

from __future__ import annotations

import numpy as np
import pytest

from amanuensis.npu.calibration import (
    MAX_INT8_NRMSE,
    best_int8,
    cosine,
    in_bf16,
    int8_product,
    nrmse,
    smoothing_factors,
)

CHANNELS, OUTPUTS, ROWS = 64, 48, 96


@pytest.fixture
def random() -> np.random.Generator:
    """The same numbers in every test."""
    return np.random.default_rng(0)


def test_even_activations_need_nothing(random: np.random.Generator) -> None:
    """Rows without outliers stay in int8 without smoothing, so that exact weights stay exact."""
    rows = random.uniform(-1, 1, (ROWS, CHANNELS)).astype(np.float32)
    weight = random.uniform(-1, 1, (OUTPUTS, CHANNELS)).astype(np.float32)
    choice = best_int8(rows, np.abs(rows).max(axis=0), weight)
    assert (choice.precision, choice.factors) == ("int8", None)
    assert choice.nrmse <= MAX_INT8_NRMSE


def test_outlier_channels_are_smoothed(random: np.random.Generator) -> None:
    """Channels far above the others are divided by a factor, and the error falls."""
    rows = random.normal(size=(ROWS, CHANNELS)).astype(np.float32)
    rows[:, [2, 45]] *= 40
    weight = random.normal(size=(OUTPUTS, CHANNELS)).astype(np.float32) * 0.1
    weight[:, [2, 45]] /= 40
    choice = best_int8(rows, np.abs(rows).max(axis=0), weight)
    assert choice.precision == "int8"
    assert choice.factors is not None
    assert choice.factors[2] > 4 * np.median(choice.factors)
    assert choice.nrmse < 0.5 * nrmse(int8_product(rows, weight), rows @ weight.T)


def test_bf16_helps_where_smoothing_cannot(random: np.random.Generator) -> None:
    """Channels whose weights are as large as their activations cannot be smoothed away."""
    rows = random.normal(size=(ROWS, CHANNELS)).astype(np.float32)
    rows[::2, 3] = 3000
    rows[:, 4] = -rows[:, 3]
    weight = random.normal(size=(OUTPUTS, CHANNELS)).astype(np.float32)
    weight[:, 4] = weight[:, 3]  # the outliers cancel, so that all that is left of int8 is their rounding
    choice = best_int8(rows, np.abs(rows).max(axis=0), weight)
    assert choice.nrmse > MAX_INT8_NRMSE
    assert in_bf16(rows, weight).nrmse < choice.nrmse / 5


def test_factors_keep_the_product(random: np.random.Generator) -> None:
    """Dividing activations and multiplying weights by the factors changes nothing but rounding."""
    rows = random.normal(size=(ROWS, CHANNELS)).astype(np.float32)
    weight = random.normal(size=(OUTPUTS, CHANNELS)).astype(np.float32)
    factors = smoothing_factors(np.abs(rows).max(axis=0), np.abs(weight).max(axis=0), 0.5)
    np.testing.assert_allclose((rows / factors) @ (weight * factors).T, rows @ weight.T, rtol=1e-3, atol=1e-4)


def test_measures_of_error() -> None:
    """NRMSE is relative to the exact values; the cosine forgets their size."""
    exact = np.array([3.0, 4.0], np.float32)
    assert nrmse(exact * 1.1, exact) == pytest.approx(0.1, rel=1e-5)
    assert cosine(exact * 2, exact) == pytest.approx(1)
    assert cosine(np.array([-4.0, 3.0], np.float32), exact) == pytest.approx(0)
