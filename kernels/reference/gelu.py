"""GELU, x * Phi(x) with the normal distribution function Phi: the erf form of Whisper, and what the device computes.

Source: openai/whisper `model.py` (torch `F.gelu` without `approximate`, the erf form). The cores have no erf; their
tables for tanh are good to bf16 only. So Phi is a polynomial in float32, which needs nothing but multiply-adds: on |x|
< LIMIT, Phi = 1/2 + x P(x^2), with P of degree 8 fitted by minimising the largest error of x * Phi under Phi(LIMIT) =
1; outside, Phi is 0 or 1. Largest error against the erf form: 5.1e-5 (a step of bf16 at 1 is 7.8e-3).
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.dtypes import Float32

LIMIT: Final = np.float32(4.5)
MAX_ERROR: Final = 6e-5  # of gelu_device, absolute, up to |x| = 32; beyond, that of float32
COEFFICIENTS: Final = np.array(
    [
        3.987085819244385e-01,
        -6.597726792097092e-02,
        9.58065316081047e-03,
        -1.0362531756982207e-03,
        8.120969141600654e-05,
        -4.431683009897824e-06,
        1.5802564234945748e-07,
        -3.2839102548365418e-09,
        3.0000047585021505e-11,
    ],
    np.float32,
)  # of P, lowest power first
_CHUNK: Final = 1 << 15  # elements that stay in the cache from step to step

_erf = np.vectorize(math.erf, otypes=[np.float64])


def gelu(x: NDArray[np.floating]) -> Float32:
    """Return the erf form, float32 of x's shape, computed in float64 (slow)."""
    wide = x.astype(np.float64)
    return np.asarray(wide * 0.5 * (1 + _erf(wide / math.sqrt(2))), np.float32)


def gelu_device(x: Float32) -> Float32:
    """Return the polynomial form, float32 of x's shape."""
    out = np.empty_like(x, order="C")
    source, result = np.ascontiguousarray(x).reshape(-1), out.reshape(-1)
    for start in range(0, source.size, _CHUNK):
        part = source[start : start + _CHUNK]
        result[start : start + _CHUNK] = part * _phi(part)
    return out


def _phi(x: Float32) -> Float32:
    inside = np.clip(x, -LIMIT, LIMIT)
    square = inside * inside
    total = square * COEFFICIENTS[-1]
    for coefficient in COEFFICIENTS[-2:0:-1]:
        total += coefficient
        total *= square
    total += COEFFICIENTS[0]
    total *= inside
    total += np.float32(0.5)
    return np.asarray(np.clip(total, np.float32(0), np.float32(1), out=total), np.float32)
