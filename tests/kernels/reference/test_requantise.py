"""Quantising activations and requantising sums, against exact arithmetic."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanuensis.kernels.reference.requantise import fixed_point, quantise_rows, requantise, round_shift
from tests.kernels.figures import PATIENT, bf16_noise, nrmse

INT32 = st.integers(-(1 << 31), (1 << 31) - 1)


@PATIENT
@given(st.integers(-(1 << 61), 1 << 61), st.integers(0, 62))
def test_shifts_round_half_to_even(value: int, shift: int) -> None:
    """A shift equals the rounding of the exact quotient, which Python rounds half to even."""
    assert round_shift(np.array([value]), shift)[0] == round(Fraction(value, 1 << shift))


@PATIENT
@given(st.lists(st.tuples(INT32, INT32, INT32), min_size=1, max_size=20), st.integers(0, 62))
def test_requantising_is_exact(channels: list[tuple[int, int, int]], shift: int) -> None:
    """Sums, bias, multiplier and shift give the integer that exact arithmetic gives, saturated twice."""
    sums, bias, multipliers = (np.array(column, np.int32) for column in zip(*channels, strict=True))
    found = requantise(sums[None], bias, multipliers, shift)[0]
    for total, offset, multiplier, value in zip(sums, bias, multipliers, found, strict=True):
        biased = min(max(int(total) + int(offset), -(1 << 31)), (1 << 31) - 1)
        expected = round(Fraction(biased * int(multiplier), 1 << shift))
        assert value == min(max(expected, -128), 127)


def test_fixed_point_stands_for_the_factors() -> None:
    """Multipliers at a shift bring sums to what the factors would, to the nearest integer almost always."""
    random = np.random.default_rng(1)
    factors = random.uniform(1e-4, 1e-3, 64)
    sums = random.integers(-100_000, 100_000, (50, 64), np.int32)
    exact = np.clip(np.rint(sums * factors), -128, 127)
    assert np.mean(requantise(sums, None, fixed_point(factors, 30), 30) == exact) > 0.999
    with pytest.raises(ValueError, match="do not fit int32 at a shift of 31"):
        fixed_point(np.array([1.5]), 31)


def test_quantised_rows_stand_for_the_values() -> None:
    """Each row uses the whole range, and the values come back within half a step."""
    values = bf16_noise((20, 256), 3) * np.logspace(-3, 3, 20, dtype=np.float32)[:, None]
    integers, scales = quantise_rows(values)
    assert (np.abs(integers).max(axis=1) == 127).all()
    back = integers * scales[:, None]
    assert (np.abs(back - values) <= scales[:, None] * 0.5001).all()
    assert nrmse(back, values) < 0.01


def test_smoothing_is_multiplied_on_first() -> None:
    """Quantising with smoothing is quantising the smoothed values."""
    values, smooth = bf16_noise((4, 16), 1), np.linspace(0.5, 2, 16).astype(np.float32)
    one, other = quantise_rows(values, smooth), quantise_rows(values * smooth)
    assert np.array_equal(one[0], other[0])
    assert np.array_equal(one[1], other[1])


def test_rows_of_zeros_stay_zero() -> None:
    """A row of zeros has no scale to speak of, and no number is invalid."""
    integers, scales = quantise_rows(np.zeros((2, 8), np.float32))
    assert not integers.any()
    assert not scales.any()
