"""Token and position embeddings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.dtypes import Bf16, Float32, to_f32


def embed(ids: NDArray[np.integer], table: Bf16, positions: Float32, first: int, step: int = 1) -> Float32:
    """Return table[ids] + positions[first + i * step], float32 [rows, width].

    Args:
        ids: [rows], below the size of the vocabulary.
        table: bf16 [vocabulary, width].
        positions: float32 [n_positions, width].
        first: position of row 0.
        step: positions from row to row, 0 for beams at the same position.

    """
    return to_f32(table[ids]) + positions[first + step * np.arange(len(ids))]


def add_rows(x: Float32, table: Float32) -> Float32:
    """Return x + table, float32 [rows, width]: the encoder's positions."""
    return x + table
