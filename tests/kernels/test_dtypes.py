"""Rounding to bfloat16."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanuensis.kernels.dtypes import BFLOAT16, rounded, to_bf16, to_f32
from tests.kernels.figures import PATIENT


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1.0, 1.0),
        (1 + 2**-8, 1.0),  # a tie goes to the even neighbour below
        (1 + 3 * 2**-8, 1 + 2**-6),  # and to the even one above
        (1 + 2**-8 + 2**-20, 1 + 2**-7),
        (-(1 + 2**-8), -1.0),
        (np.inf, np.inf),
    ],
)
def test_rounding_is_to_nearest_even(value: float, expected: float) -> None:
    """Values go to the nearest bfloat16, ties to the even one."""
    assert rounded(np.array([value], np.float32))[0] == expected


@PATIENT
@given(st.floats(-(2.0**120), 2.0**120, width=32))
def test_rounding_is_within_half_a_step(value: float) -> None:
    """Rounding moves a value by at most 2**-8 of itself, and rounded values stay."""
    once = rounded(np.array([value], np.float32))
    assert abs(float(once[0]) - value) <= abs(value) * 2**-8 + 2.0**-134
    assert rounded(once)[0] == once[0]
    assert to_bf16(once).dtype == BFLOAT16
    assert to_f32(to_bf16(once))[0] == once[0]
