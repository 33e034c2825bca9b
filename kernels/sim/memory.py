"""Live memory of objects: bytes, and counts of free and full objects as the locks keep them."""

from __future__ import annotations

from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.sim.plan import Pool
from amanuensis.kernels.sim.types import WORD_BYTES

POISON: Final = np.uint32(0x7FE57FE5)  # not a number as float and as bfloat16; far from 0 as an integer
_ALIGNMENT: Final = 64  # bytes of the widest vector that a kernel loads at once


class Listener(Protocol):
    """What may go on when a count grows."""

    def wake(self) -> None:
        """Look again."""


def aligned(count: int, size: int) -> NDArray[np.uint32]:
    """Return poisoned words [count, size // 4], each row aligned for vectors."""
    row = -(-size // _ALIGNMENT) * _ALIGNMENT
    raw = np.empty(count * row + _ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % _ALIGNMENT
    words: NDArray[np.uint32] = raw[start : start + count * row].view(np.uint32).reshape(count, -1)
    words[:] = POISON
    return words[:, : -(-size // WORD_BYTES)]


class Memory:
    """The objects of a pool."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.words = aligned(pool.depth, pool.array.bytes)
        array = pool.array
        self.objects: list[NDArray[Any]] = [
            row.view(np.uint8)[: array.bytes].view(array.dtype).reshape(array.shape) for row in self.words
        ]
        full = len(pool.initial)
        for target, value in zip(self.objects, pool.initial, strict=False):
            np.copyto(target, value)
        self.free = [pool.depth - full] * len(pool.parts)
        self.full = [full] * len(pool.parts)
        self.listeners: list[Listener] = []
        self.passed = 0  # objects (of the first part) that were made full
        self.present = [full] * len(pool.parts)  # made full and not yet free again

    def take(self, writer: bool, part: int, count: int = 1) -> bool:
        """Take free objects (a writer) or full ones (a reader), if there are so many."""
        counts = self.free if writer else self.full
        if counts[part] < count:
            return False
        counts[part] -= count
        return True

    def give(self, writer: bool, part: int, slot: int) -> None:
        """Make an object full (a writer) or free (a reader); what is free is poisoned."""
        if writer:
            self.full[part] += 1
            self.present[part] += 1
            self.passed += part == 0
        else:
            offset, size = self.pool.parts[part]
            self.words[slot, offset // WORD_BYTES : (offset + size) // WORD_BYTES] = POISON
            self.free[part] += 1
            self.present[part] -= 1
        for listener in self.listeners:
            listener.wake()
