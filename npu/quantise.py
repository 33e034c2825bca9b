"""Symmetric int8 quantisation of weights, one scale a row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FULL_RANGE = 127  # int8 without -128, so that the range is symmetric
REDUCED_RANGE = 63  # 7 bits: CPUs without VNNI add two u8 x s8 products in 16 bits, which saturates with 8-bit weights


@dataclass(frozen=True, slots=True)
class QuantisedRows:
    """A weight matrix as integers: `values * scales[:, None]` is close to the original.

    Attributes:
        values: int8 [rows, columns].
        scales: float32 [rows], above zero.

    """

    values: NDArray[np.int8]
    scales: NDArray[np.float32]

    def dequantised(self) -> NDArray[np.float32]:
        """Return the matrix that the integers stand for, float32 [rows, columns]."""
        return np.asarray(self.values * self.scales[:, None], np.float32)


def quantise_rows(weight: NDArray[np.float32], limit: int = FULL_RANGE) -> QuantisedRows:
    """Round each row to integers in [-limit, limit], scaled by the row's largest magnitude.

    Args:
        weight: float32 [rows, columns], finite.
        limit: FULL_RANGE or REDUCED_RANGE.

    Returns:
        The rows; a row of zeros gets scale 1.

    """
    largest = np.abs(weight).max(axis=1)
    scales = np.where(largest > 0, largest / limit, 1.0).astype(np.float32)
    values = np.rint(weight / scales[:, None])
    return QuantisedRows(np.clip(values, -limit, limit).astype(np.int8), scales)
