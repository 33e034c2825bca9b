"""Append and reorder rows of a cache."""

from __future__ import annotations

import numpy as np
import pytest

from amanuensis.kernels.reference.kv import append, reordered


def test_appended_rows_replace_only_themselves() -> None:
    """Rows land at their position, byte for byte, and nothing else changes."""
    cache = np.arange(40, dtype=np.int16).reshape(10, 4)
    before = cache.copy()
    append(cache, -np.ones((3, 4), np.int16), 5)
    assert (cache[5:8] == -1).all()
    assert np.array_equal(np.delete(cache, [5, 6, 7], 0), np.delete(before, [5, 6, 7], 0))


@pytest.mark.parametrize("position", [-1, 8])
def test_rows_that_do_not_fit_are_refused(position: int) -> None:
    """The error names rows, position and size."""
    with pytest.raises(ValueError, match=rf"3 rows at position {position} do not fit a cache of 10 positions"):
        append(np.zeros((10, 4)), np.ones((3, 4)), position)


def test_beams_go_on_from_their_sources() -> None:
    """Two beams may go on from the same one."""
    slots = np.arange(12).reshape(3, 2, 2)
    moved = reordered(slots, np.array([2, 0, 0]))
    assert np.array_equal(moved, slots[[2, 0, 0]])
    moved[0] = 0
    assert slots[2].any()
