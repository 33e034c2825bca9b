"""To int8: activations by a scale a row, integer sums by a multiplier a channel and a shift."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.dtypes import Float32, Int8

FULL_RANGE: Final = np.float32(127)  # int8 without -128, so that the range is symmetric


def quantise_rows(values: Float32, smooth: Float32 | None = None) -> tuple[Int8, Float32]:
    """Round each row to integers of at most 127, scaled by its largest magnitude.

    q = saturate(round_half_even(x * (127 / max|x|))), scale = max|x| / 127, all in float32. The device multiplies by
    the reciprocal, since its cores divide slowly; the quotient may differ from x / scale by an ulp, which ties can
    show.

    Args:
        values: float32 [rows, width] (what bf16 holds).
        smooth: float32 [width], multiplied onto the columns first, or None.

    Returns:
        int8 [rows, width] and the scales, float32 [rows]; a row of zeros has the scale 0.

    """
    if smooth is not None:
        values = values * smooth
    largest = np.maximum(values.max(axis=1, initial=0), -values.min(axis=1, initial=0))
    factors = np.divide(FULL_RANGE, largest, out=np.zeros_like(largest), where=largest > 0)
    scaled = values * factors[:, None]
    np.rint(scaled, out=scaled)
    np.clip(scaled, -FULL_RANGE, FULL_RANGE, out=scaled)
    return scaled.astype(np.int8), largest / FULL_RANGE


def requantise(
    sums: NDArray[np.int32], bias: NDArray[np.int32] | None, multipliers: NDArray[np.int32], shift: int
) -> Int8:
    """Return saturate(round_half_even((sums + bias) * multipliers / 2**shift)), in integers throughout.

    Args:
        sums: int32 [rows, n] of a product.
        bias: int32 [n] in units of the sums, or None; sums + bias saturates to int32, as the accumulators do.
        multipliers: int32 [n], one a channel.
        shift: bits, 0 to 62.

    Returns:
        int8 [rows, n].

    """
    wide = sums.astype(np.int64)
    if bias is not None:
        wide = np.clip(wide + bias, -(1 << 31), (1 << 31) - 1)
    product = wide * multipliers.astype(np.int64)
    return np.clip(round_shift(product, shift), -128, 127).astype(np.int8)


def round_shift(values: NDArray[np.int64], shift: int) -> NDArray[np.int64]:
    """Return values / 2**shift rounded to nearest, ties to even (the device's rounding mode conv_even), int64."""
    if shift == 0:
        return values
    quotient = values >> shift
    rest = values - (quotient << shift)
    half = 1 << (shift - 1)
    up = (rest > half) | ((rest == half) & ((quotient & 1) == 1))
    return np.asarray(quotient + up, np.int64)


def fixed_point(factors: NDArray[np.floating], shift: int) -> NDArray[np.int32]:
    """Return the int32 multipliers that stand for positive factors at a shift: round(factor * 2**shift).

    Raises:
        ValueError: a factor does not fit.

    """
    multipliers = np.rint(factors.astype(np.float64) * 2.0**shift)
    if multipliers.size and not (multipliers.min() >= 0 and multipliers.max() < 1 << 31):
        raise ValueError(f"factors of {factors.min()} to {factors.max()} do not fit int32 at a shift of {shift}")
    return multipliers.astype(np.int32)
