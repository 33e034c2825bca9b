"""Transfers of the configuration `choice`: where operands lie, and how a sequence issues them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from amanuensis.kernels.designs._iron import ObjectFifoHandle, RuntimeData, Task, TensorAccessPattern
from amanuensis.kernels.operands import PARAMETERS_BYTES, Buffer

WORD_BYTES: Final = 4
QUEUE: Final = 4  # transfers under way in a shim channel: amd/IRON, README of its GEMM `flm`
REPEATS: Final = 64  # of the same words in one transfer: the iterations of a descriptor
FILLER_WORDS: Final = PARAMETERS_BYTES // WORD_BYTES  # the parameters are there in every dispatch


@dataclass(frozen=True, slots=True)
class Move:
    """A transfer of words.

    Attributes:
        buffer: number of the buffer.
        start: word of the buffer.
        sizes: of up to four dimensions, outermost first.
        strides: of each, in words; only that of four dimensions' outermost may be 0.

    """

    buffer: int
    start: int
    sizes: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Words of a buffer that belong to an operand."""

    buffer: int
    start: int
    words: int

    def run(self, first: int, count: int) -> Move:
        """Return the move of a run of words."""
        return Move(self.buffer, self.start + first, (count,), (1,))

    def whole(self, first: int, count: int) -> Iterator[Move]:
        """Yield moves of so many words from the first on; those beyond the operand are words that nobody looks at."""
        there = max(0, min(count, self.words - first))
        if there:
            yield self.run(first, there)
        yield from filler(count - there)

    def overlaps(self, other: Place) -> bool:
        """Say whether two operands share a word."""
        ends = self.start + self.words, other.start + other.words
        return self.buffer == other.buffer and max(self.start, other.start) < min(ends)


def filler(count: int) -> Iterator[Move]:
    """Yield moves of so many words that nobody looks at."""
    times, rest = divmod(count, FILLER_WORDS)
    if times:
        yield Move(Buffer.INPUT, 0, (times, 1, 1, FILLER_WORDS), (0, 0, 0, 1))
    if rest:
        yield Move(Buffer.INPUT, 0, (rest,), (1,))


class Channel:
    """A shim channel: queues transfers, and awaits the oldest where the queue is full.

    Args:
        handle: of the fifo.
        data: the buffers of the dispatch.
        drains: whether it takes results to memory.

    """

    def __init__(self, handle: ObjectFifoHandle, data: Sequence[RuntimeData], *, drains: bool = False) -> None:
        self._start = handle.drain if drains else handle.fill
        self._data = data
        self._under_way: deque[Task] = deque()

    def issue(self, move: Move) -> None:
        """Queue a transfer."""
        if len(self._under_way) == QUEUE:
            self._under_way.popleft().await_()
        data = self._data[move.buffer]
        tap = TensorAccessPattern(data.shape, move.start, move.sizes, move.strides)
        self._under_way.append(self._start(data, tap=tap, wait=True, managed=False))

    def finish(self) -> None:
        """Await all."""
        while self._under_way:
            self._under_way.popleft().await_()
