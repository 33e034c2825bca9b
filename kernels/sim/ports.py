"""Channels at work: each goes through its descriptors and moves words between memory and a stream."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.sim.memory import Memory
from amanuensis.kernels.sim.plan import Channel
from amanuensis.kernels.sim.runtime import Transfer
from amanuensis.kernels.sim.types import WORD_BYTES
from amanuensis.kernels.sim.walk import Words, word_indices

Data = NDArray[np.uint32]


class Port(Protocol):
    """A channel between memory and a stream."""

    moved: int  # words since the dispatch began

    def ready(self) -> int:
        """Return how many words can be moved now, after taking what locks there are to take; 0 if none."""

    def read(self, count: int) -> Data:
        """Return the next words; `advance` follows."""

    def write(self, data: Data) -> None:
        """Write the next words; `advance` follows."""

    def advance(self, count: int) -> None:
        """Count words as moved, and give locks back at the end of a descriptor."""

    def waits(self) -> str:
        """Say what it waits for."""

    def state(self) -> object:
        """Return what must be as before when the sequence has ended."""


def _read(memory: Data, base: int, index: Words | None, at: int, count: int) -> Data:
    if index is None:
        return memory[base + at : base + at + count]
    return memory[base:].take(index[at : at + count])


def _write(memory: Data, base: int, index: Words | None, at: int, data: Data) -> None:
    if index is None:
        memory[base + at : base + at + len(data)] = data
    else:
        memory[base:][index[at : at + len(data)]] = data


@dataclass(frozen=True, slots=True)
class _Leg:
    """One descriptor: a part of an object in its order."""

    part: int
    base: int  # words from the beginning of the object
    length: int  # words
    index: Words | None


class ObjectPort:
    """A channel of a core or memory tile: an endless chain of descriptors over the objects of a pool."""

    def __init__(self, channel: Channel, memory: Memory, iterations: int | None) -> None:
        self.moved = 0
        self._channel, self._memory = channel, memory
        self._writer = channel.direction == "S2MM"
        self._legs = [self._leg(part) for part in channel.parts]
        self._left = None if iterations is None else iterations * memory.pool.depth
        self._slot = self._at_leg = self._at_repeat = self._at = 0
        self._open = False

    def _leg(self, part: int) -> _Leg:
        array = self._memory.pool.array
        offset, size = self._memory.pool.parts[part]
        dims = self._channel.dims
        index = None if dims is None else word_indices([d[0] for d in dims], [d[1] for d in dims], array.dtype.itemsize)
        return _Leg(part, offset // WORD_BYTES, size // WORD_BYTES, index)

    def ready(self) -> int:
        leg = self._legs[self._at_leg]
        if not self._open:
            if self._left == 0 or (self._at_repeat == 0 and not self._memory.take(self._writer, leg.part)):
                return 0
            self._open = True
        return leg.length - self._at

    def read(self, count: int) -> Data:
        leg = self._legs[self._at_leg]
        return _read(self._memory.words[self._slot], leg.base, leg.index, self._at, count)

    def write(self, data: Data) -> None:
        leg = self._legs[self._at_leg]
        _write(self._memory.words[self._slot], leg.base, leg.index, self._at, data)

    def advance(self, count: int) -> None:
        self.moved += count
        self._at += count
        leg = self._legs[self._at_leg]
        if self._at == leg.length:
            self._at, self._open = 0, False
            self._next(leg)

    def _next(self, leg: _Leg) -> None:
        self._at_repeat += 1
        if self._at_repeat < self._channel.repeat:
            return
        self._at_repeat = 0
        slot = self._slot
        self._at_leg += 1
        if self._at_leg == len(self._legs):
            self._at_leg = 0
            self._slot = (slot + 1) % self._memory.pool.depth
            if self._left is not None:
                self._left -= 1
        self._memory.give(self._writer, leg.part, slot)

    def waits(self) -> str:
        leg = self._legs[self._at_leg]
        if self._open:
            return f"{self._channel} is in the middle of an object: {self._at} of {leg.length} words"
        part = f", part {leg.part}" if len(self._memory.pool.parts) > 1 else ""
        what = "room for" if self._writer else "a full"
        return f"{self._channel} waits for {what} object of {self._memory.pool.name}{part}"

    def state(self) -> object:
        return self._at, self._at_leg, self._at_repeat


class TaskState:
    """A transfer of the sequence under way."""

    def __init__(self, transfer: Transfer) -> None:
        self.transfer = transfer
        itemsize = transfer.data._array.dtype.itemsize
        self.index = word_indices(transfer.sizes[1:], transfer.strides[1:], itemsize)
        self.base = transfer.offset * itemsize // WORD_BYTES
        self.step = transfer.strides[0] * itemsize // WORD_BYTES
        self.rounds = transfer.sizes[0]
        self.length = transfer.bytes // WORD_BYTES // self.rounds
        self.round = self.at = 0
        self.done = False

    def __str__(self) -> str:
        return f"{self.transfer} ({self.round * self.length + self.at} of {self.rounds * self.length} words)"


class ShimPort:
    """A channel of a shim tile: the tasks that the sequence queued, one after the other."""

    def __init__(self, channel: Channel, tensors: list[Data]) -> None:
        self.moved = 0
        self.queue: deque[TaskState] = deque()
        self._channel = channel
        self._tensors = tensors  # of the dispatch, by number of the argument

    def ready(self) -> int:
        return self.queue[0].length - self.queue[0].at if self.queue else 0

    def read(self, count: int) -> Data:
        task = self.queue[0]
        memory = self._tensors[task.transfer.data._index]
        return _read(memory, task.base + task.round * task.step, task.index, task.at, count)

    def write(self, data: Data) -> None:
        task = self.queue[0]
        memory = self._tensors[task.transfer.data._index]
        _write(memory, task.base + task.round * task.step, task.index, task.at, data)

    def advance(self, count: int) -> None:
        self.moved += count
        task = self.queue[0]
        task.at += count
        if task.at == task.length:
            task.at = 0
            task.round += 1
        if task.round == task.rounds:
            task.done = True
            self.queue.popleft()

    def waits(self) -> str:
        if self.queue:
            return f"{self._channel} is in {self.queue[0]}"
        return f"{self._channel} waits for a transfer"

    def state(self) -> object:
        return len(self.queue)
