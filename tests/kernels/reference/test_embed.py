"""Embeddings."""

from __future__ import annotations

import numpy as np

from amanuensis.kernels.dtypes import to_bf16
from amanuensis.kernels.reference.embed import add_rows, embed
from tests.kernels.figures import bf16_noise


def test_tokens_and_positions_are_added() -> None:
    """Rows follow each other, or, for beams, share a position; sums are those of float32."""
    table, positions = bf16_noise((9, 4), 1), bf16_noise((6, 4), 2)
    ids = np.array([8, 0, 8])
    assert np.array_equal(embed(ids, to_bf16(table), positions, 2), table[ids] + positions[2:5])
    assert np.array_equal(embed(ids, to_bf16(table), positions, 2, 0), table[ids] + positions[2])
    assert np.array_equal(add_rows(positions, positions), 2 * positions)
