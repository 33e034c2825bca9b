"""Figures of agreement, and patience, that the tests of the kernels share."""

from __future__ import annotations

import ml_dtypes
import numpy as np
from hypothesis import HealthCheck, settings
from numpy.typing import NDArray

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # no test depends on the clock
BF16_NRMSE = 0.005  # of a bf16 operator whose inputs bf16 holds exactly


def nrmse(values: NDArray[np.floating], truth: NDArray[np.floating]) -> float:
    """Return the root mean square error over the root mean square of the truth."""
    error = values.astype(np.float64) - truth.astype(np.float64)
    return float(np.sqrt(np.mean(error**2) / np.mean(truth.astype(np.float64) ** 2)))


def bf16_noise(shape: tuple[int, ...], seed: int, scale: float = 1.0) -> NDArray[np.float32]:
    """Return normal noise that bf16 holds exactly, as float32."""
    noise = scale * np.random.default_rng(seed).standard_normal(shape)
    return noise.astype(np.float32).astype(ml_dtypes.bfloat16).astype(np.float32)
