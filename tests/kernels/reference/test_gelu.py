"""GELU: the erf form by its formula, the device's form by its stated error."""

from __future__ import annotations

import math

import numpy as np
import pytest

from amanuensis.kernels.dtypes import rounded
from amanuensis.kernels.reference.gelu import LIMIT, MAX_ERROR, gelu, gelu_device
from tests.kernels.figures import BF16_NRMSE, bf16_noise, nrmse

EVERYWHERE = np.concatenate([np.linspace(-32, 32, 64_001), np.linspace(-LIMIT - 0.1, LIMIT + 0.1, 64_001)])


@pytest.mark.parametrize("x", [-3.0, -0.5, 0.0, 0.1, 2.0, 40.0])
def test_the_reference_is_the_erf_form(x: float) -> None:
    """X / 2 * (1 + erf(x / sqrt 2))."""
    expected = np.float32(0.5 * x * (1 + math.erf(x / math.sqrt(2))))
    assert gelu(np.array([x]))[0] == expected


def test_the_device_stays_within_its_stated_error() -> None:
    """The largest error over all of the range is the stated one, and no smaller statement would be true."""
    x = EVERYWHERE.astype(np.float32)
    error = np.abs(gelu_device(x).astype(np.float64) - gelu(x))
    assert MAX_ERROR / 2 < error.max() < MAX_ERROR


def test_far_out_the_device_is_exact() -> None:
    """Large inputs pass, large negative ones vanish, relative to their size."""
    x = np.array([1e4, 6e4, -1e4, -6e4], np.float32)
    assert np.allclose(gelu_device(x) / np.abs(x), [1, 1, 0, 0], atol=2e-6)


def test_the_device_is_within_bf16() -> None:
    """On normal inputs the error after rounding is that of bf16."""
    x = bf16_noise((200, 1024), 1)
    assert nrmse(rounded(gelu_device(x)), gelu(x)) < BF16_NRMSE
    assert gelu_device(x.T).shape == (1024, 200)
