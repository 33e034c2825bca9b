"""Rows of integers and their scales."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from amanuensis.npu.quantise import FULL_RANGE, REDUCED_RANGE, quantise_rows

MATRICES = arrays(np.float32, array_shapes(min_dims=2, max_dims=2), elements=st.floats(-1e3, 1e3, width=32))


@pytest.mark.parametrize("limit", [FULL_RANGE, REDUCED_RANGE])
@given(weight=MATRICES)
def test_error_is_at_most_half_a_step(limit: int, weight: np.ndarray) -> None:
    """No value is further than half a step of its row from the original, and none exceeds the limit."""
    rows = quantise_rows(weight, limit)
    assert np.abs(rows.values).max() <= limit
    error = np.abs(rows.dequantised() - weight)
    assert (error <= rows.scales[:, None] * 0.5001 + 1e-30).all()


def test_row_of_zeros_stays_zero() -> None:
    """A row without magnitude does not divide by zero."""
    rows = quantise_rows(np.zeros((1, 3), np.float32))
    assert rows.scales.tolist() == [1.0]
    assert not rows.dequantised().any()
