"""Matrix products: int8 operands with exact sums, bf16 operands with float32 sums, and what ends them.

c[i, j] = sum over k of a[i, k] * b[k, j]. Integer sums are computed by float32 matrix products over as many k as
float32 holds exactly (|a|, |b| <= 128, so 2**24 / 128**2 = 1024 of them) and added up in float64: exact, and as fast
as the CPU can be.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.dtypes import Bf16, Float32, Int8, to_f32
from amanuensis.kernels.reference.by_row import float_sums
from amanuensis.kernels.reference.gelu import gelu_device

EXACT_K: Final = (1 << 24) // (128 * 128)


@dataclass(frozen=True, slots=True)
class Ending:
    """What happens to sums before they are stored, in this order, in float32.

    Attributes:
        bias: float32 [n], or None.
        gelu: apply GELU.
        residual: float32 [rows, n], added last, or None.

    """

    bias: Float32 | None = None
    gelu: bool = False
    residual: Float32 | None = None

    def apply(self, values: Float32) -> Float32:
        """Return float32 [rows, n] of the same; `values` is used up."""
        if self.bias is not None:
            values += self.bias
        if self.gelu:
            values = gelu_device(values)
        if self.residual is not None:
            values += self.residual
        return values


def exact_sums(a: Float32, b: Float32) -> NDArray[np.floating]:
    """Return the product of integers in [-128, 127] held as float32, exactly: float32 or float64 [m, n]."""
    k = a.shape[1]
    if k <= EXACT_K:
        return np.asarray(a @ b)
    sums = np.zeros((a.shape[0], b.shape[1]), np.float64)
    for start in range(0, k, EXACT_K):
        sums += a[:, start : start + EXACT_K] @ b[start : start + EXACT_K]
    return sums


def gemm_int8_sums(a: Int8, b: Int8) -> NDArray[np.int32]:
    """Return the int32 sums of a [m, k] and b [k, n], exactly; k at most 2**17, where the core's accumulators end."""
    return exact_sums(a.astype(np.float32), b.astype(np.float32)).astype(np.int32)


def gemm_int8(a: Int8, a_scales: Float32, b: Int8, b_scales: Float32, ending: Ending) -> Float32:
    """Return the product of quantised matrices with the arithmetic of the device.

    Args:
        a: int8 [m, k], each row standing for a * a_scales.
        a_scales: float32 [m].
        b: int8 [k, n], each column standing for b * b_scales.
        b_scales: float32 [n].
        ending: what happens to the scaled sums.

    Returns:
        float32 [m, n]: the sums, rounded to float32, times a_scales, times b_scales, ended; not yet rounded to bf16.

    """
    return scaled(exact_sums(a.astype(np.float32), b.astype(np.float32)), a_scales, b_scales, ending)


def scaled(sums: NDArray[np.floating], a_scales: Float32, b_scales: Float32, ending: Ending) -> Float32:
    """Return exact sums [m, n] scaled and ended as `gemm_int8` says; float32 sums are used up."""
    values = sums.astype(np.float32, copy=False)
    values *= a_scales[:, None]
    values *= b_scales
    return ending.apply(values)


def gemm_bf16(a: Bf16, b: Bf16, ending: Ending) -> Float32:
    """Return the product of bf16 a [m, k] and b [k, n] with float32 sums, ended: float32 [m, n], not yet rounded."""
    return ending.apply(float_sums(to_f32(a), to_f32(b)))
