"""The order in which a DMA goes through memory, as indices of 32-bit words."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.sim.errors import DesignError
from amanuensis.kernels.sim.types import WORD_BYTES

Words = NDArray[np.int32]


def word_dims(sizes: Sequence[int], strides: Sequence[int], itemsize: int) -> list[tuple[int, int]]:
    """Return (size, stride) in words from those in elements.

    Raises:
        DesignError: a DMA addresses words, so elements of 8 or 16 bits must come in whole words: the innermost stride
            1, its size and every other stride a multiple of 4 bytes.

    """
    pairs = list(zip(sizes, strides, strict=True))
    if itemsize == WORD_BYTES:
        return pairs
    size, stride = pairs[-1]
    if stride != 1 or size * itemsize % WORD_BYTES:
        raise DesignError(
            f"a DMA moves words of 4 B: of elements of {itemsize} B the innermost stride is 1, the size a multiple of "
            f"{WORD_BYTES // itemsize}, not size {size} and stride {stride}"
        )
    for outer, step in pairs[:-1]:
        if outer > 1 and step * itemsize % WORD_BYTES:
            raise DesignError(
                f"a DMA moves words of 4 B: a stride of {step} elements of {itemsize} B is no multiple of 4 B"
            )
    outers = [(outer, step * itemsize // WORD_BYTES) for outer, step in pairs[:-1]]
    return [*outers, (size * itemsize // WORD_BYTES, 1)]


def word_indices(sizes: Sequence[int], strides: Sequence[int], itemsize: int) -> Words | None:
    """Return the words in order of access, from the first; None where they follow one another.

    Raises:
        DesignError: see `word_dims`.

    """
    return _indices(tuple(word_dims(sizes, strides, itemsize)))


@lru_cache(maxsize=1024)
def _indices(dims: tuple[tuple[int, int], ...]) -> Words | None:
    used = [(size, stride) for size, stride in dims if size > 1]
    expected = 1
    for size, stride in reversed(used):
        if stride != expected:
            break
        expected *= size
    else:
        return None
    index: NDArray[Any] = np.zeros(1, np.int32)
    for size, stride in used:
        index = (index[:, None] + np.arange(size, dtype=np.int32) * np.int32(stride)).reshape(-1)
    index.flags.writeable = False
    return index


def runs(sizes: Sequence[int], strides: Sequence[int]) -> int:
    """Return how many elements follow one another at least: the length of a burst to memory."""
    length = 1
    for size, stride in zip(reversed(sizes), reversed(strides), strict=True):
        if size > 1:
            if stride != length:
                break
            length *= size
    return length
