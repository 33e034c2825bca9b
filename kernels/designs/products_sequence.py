"""Sequences of the configuration `products`: parts, each with words for the cores, and transfers in units.

A unit holds what belongs together. Its transfers are queued channel by channel in turn; where a channel has as many
under way as it can, its oldest is awaited. That cannot block: what a unit waits for was queued with it or before it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from typing import Final

import numpy as np

from amanuensis.kernels.designs._iron import Device, Program, Runtime, RuntimeData, Task, TensorAccessPattern
from amanuensis.kernels.designs._types import array_type
from amanuensis.kernels.designs.launch import WORD, Launch
from amanuensis.kernels.designs.products import Configuration, Core, Way, configuration
from amanuensis.kernels.designs.products_words import Words
from amanuensis.kernels.memory import Memory

QUEUE: Final = 4  # transfers under way in a shim channel: amd/IRON, README of its GEMM `flm`
ITERATIONS: Final = 64  # the outermost size of a transfer


@dataclass(frozen=True, slots=True)
class Tap:
    """Where a transfer goes through a buffer: words, outermost size first."""

    buffer: int
    offset: int
    sizes: tuple[int, int, int, int]
    strides: tuple[int, int, int, int]


@dataclass(slots=True)
class Unit:
    """Transfers that belong together.

    Attributes:
        taps: of each way, in order.
        drains_first: whether results are asked for before operands are brought. They are not where operands are read
            that results overwrite.

    """

    taps: dict[Way, list[Tap]] = field(default_factory=dict)
    drains_first: bool = True

    def add(self, way: Way, *taps: Tap) -> None:
        """Put transfers at the end of a way."""
        self.taps.setdefault(way, []).extend(taps)

    def in_turn(self) -> Iterator[tuple[Way, Tap]]:
        """Yield the transfers, one of each way at a time."""
        groups = [
            [[(way, tap) for tap in taps] for way, taps in self.taps.items() if (way[0] == "out") is drains]
            for drains in ((True, False) if self.drains_first else (False, True))
        ]
        for group in groups:
            yield from (item for item in chain.from_iterable(zip_longest(*group)) if item is not None)


@dataclass(frozen=True, slots=True)
class Part:
    """What the cores do between two openings of the barrier."""

    words: Callable[[Core], Words]
    units: list[Unit]


def repeats(buffer: int, offset: int, count: int, words: int) -> Iterator[Tap]:
    """Yield transfers of the same words so many times over."""
    while count:
        now = min(count, ITERATIONS)
        yield Tap(buffer, offset, (now, 1, 1, words), (0, 0, 0, 1))
        count -= now


def run(buffer: int, offset: int, words: int) -> Tap:
    """Return the transfer of words that follow one another."""
    return Tap(buffer, offset, (1, 1, 1, words), (0, 0, 0, 1))


def filler(buffer: int, offset: int, words: int, available: int) -> Iterator[Tap]:
    """Yield transfers that fill an object up with anything: `available` words at the offset, again and again."""
    piece = min(available, words)
    if piece:
        yield from repeats(buffer, offset, words // piece, piece)
    if piece and words % piece:
        yield run(buffer, offset, words % piece)


def launch_of(parts: Sequence[Part], memory: Memory, device: Device, what: str) -> Launch:
    """Return the launch of some parts over the buffers of a memory."""
    graph = configuration(device)
    tensors = [array_type((n_bytes // WORD.itemsize,), np.int32) for n_bytes in memory.sizes]
    handles = [graph.ends[way] for way in graph.ends]
    runtime = Runtime(_Sequence(parts, graph), [*tensors, handles])
    return Launch("products", Program(device, runtime, workers=list(graph.workers)), what)


class _Sequence:
    """The function that IRON records."""

    def __init__(self, parts: Sequence[Part], graph: Configuration) -> None:
        self._parts, self._graph = parts, graph
        self._under_way: dict[Way, deque[Task]] = {way: deque() for way in graph.ends}

    def __call__(self, *arguments: RuntimeData) -> None:
        data = arguments[:-1]
        for part in self._parts:
            for core in self._graph.cores:
                for place, word in enumerate(part.words(core)):
                    core.control[place] = _signed(word)
            self._graph.barrier.set(1)
            for unit in part.units:
                for way, tap in unit.in_turn():
                    self._queue(way, tap, data)
            self._finish()

    def _queue(self, way: Way, tap: Tap, data: Sequence[RuntimeData]) -> None:
        queue, handle, tensor = self._under_way[way], self._graph.ends[way], data[tap.buffer]
        if len(queue) == QUEUE:
            queue.popleft().await_()
        pattern = TensorAccessPattern(tensor.shape, tap.offset, tap.sizes, tap.strides)
        start = handle.drain if way[0] == "out" else handle.fill
        queue.append(start(tensor, tap=pattern, wait=True, managed=False))

    def _finish(self) -> None:
        for queue in self._under_way.values():
            while queue:
                queue.popleft().await_()


def _signed(word: int) -> int:
    return word - (1 << 32) if word >> 31 else word
