"""Rows of keys and values in a cache: append and copy; byte for byte, so no arithmetic can differ."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def append(cache: NDArray[Any], new: NDArray[Any], position: int) -> None:
    """Write rows [n, width] into a cache [positions, width] of the same dtype from `position` on, in place.

    Raises:
        ValueError: the rows do not fit.

    """
    if not 0 <= position <= cache.shape[0] - new.shape[0]:
        raise ValueError(f"{new.shape[0]} rows at position {position} do not fit a cache of {cache.shape[0]} positions")
    cache[position : position + new.shape[0]] = new


def reordered(slots: NDArray[Any], sources: NDArray[np.integer]) -> NDArray[Any]:
    """Return slots [beams, positions, width] where slot b goes on from what was slot sources[b]."""
    return np.asarray(slots[sources])
