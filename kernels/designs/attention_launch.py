"""Attention as launches of the configuration `attention`: which rows go to which core, and where they lie.

A head's rows are cut into blocks of 256, and a unit is a block of one head; each column takes a run of units. What is
cut short is made whole with the last row read again: of keys and values beyond the last because hidden ones must be
finite, and of queries so that the surplus rows are that row's result, which is written where it is anyway.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from amanuensis.kernels.designs._iron import (
    Device,
    ObjectFifoHandle,
    Program,
    Runtime,
    RuntimeData,
    Task,
    TensorAccessPattern,
)
from amanuensis.kernels.designs._types import array_type
from amanuensis.kernels.designs.attention import (
    ADVANCE,
    BLOCKS,
    CORE_ROWS,
    FIRST_BLOCK,
    KEY_BLOCKS,
    KEYS,
    SEEN,
    STEP,
    UNIT_ROWS,
    UNITS,
    Column,
    Configuration,
    configuration,
)
from amanuensis.kernels.designs.launch import WORD, Launch, LaunchError
from amanuensis.kernels.dtypes import BFLOAT16
from amanuensis.kernels.layout import padded
from amanuensis.kernels.memory import Memory, OperandError
from amanuensis.kernels.operands import Region
from amanuensis.kernels.operators import Attention, Operator
from amanuensis.kernels.reference.attention import KEY_BLOCK

COVERS: Final[frozenset[type[Operator]]] = frozenset({Attention})
QUEUE: Final = 4  # transfers under way in a shim channel: amd/IRON, README of its GEMM `flm`
REPEATS: Final = 64  # of the same row in one transfer: the iterations of a descriptor


@dataclass(frozen=True, slots=True)
class _Matrix:
    """Rows of all heads in a buffer; sizes in words of 4 bytes."""

    buffer: int
    start: int
    pitch: int
    head: int
    total: int

    def rows(self, head: int, first: int, count: int, whole: int) -> Iterator[TensorAccessPattern]:
        """Yield transfers of rows of a head, then of the last one again until they are `whole` rows."""
        start = self.start + head * self.head + first * self.pitch
        yield self._tap(start, (1, count, 1, self.head), (0, self.pitch, 0, 1))
        last, left = start + (count - 1) * self.pitch, whole - count
        while left:
            now = min(left, REPEATS)
            yield self._tap(last, (now, 1, 1, self.head), (0, 0, 0, 1))
            left -= now

    def _tap(self, offset: int, sizes: Sequence[int], strides: Sequence[int]) -> TensorAccessPattern:
        return TensorAccessPattern((self.total,), offset, sizes, strides)


@dataclass(frozen=True, slots=True)
class _Work:
    """An attention whose sizes and places are known."""

    q: _Matrix
    k: _Matrix
    v: _Matrix
    dst: _Matrix
    rows: int
    keys: int
    heads: int
    first: int | None
    room: int | None

    @property
    def blocks(self) -> int:
        """Blocks of query rows of a head."""
        return -(-self.rows // UNIT_ROWS)

    @property
    def shown(self) -> int:
        """Keys that are brought: those that at least one row sees, or all for which there is room."""
        if self.room is not None:
            return self.room
        return self.keys if self.first is None else min(self.keys, self.first + self.rows)

    @property
    def held(self) -> int:
        """Keys that lie there."""
        return self.keys if self.room is None else self.room

    @property
    def counting(self) -> int:
        """Keys that count."""
        return self.keys if self.room is not None else self.shown


def launch(operator: Operator, memory: Memory, device: Device) -> Launch:
    """Return the launch of an Attention without causality, over cached keys or across, of any number of rows.

    Args:
        operator: an Attention that keeps no probabilities.
        memory: the buffers of the dispatch, of which only the run-time parameters are read.
        device: whose whole array is used.

    Raises:
        LaunchError: another operator, or an Attention that this configuration cannot compute.

    """
    if not isinstance(operator, Attention):
        raise LaunchError(f"{type(operator).__name__} is not in the configuration attention, which has Attention")
    graph = configuration(device, operator.size)
    _check(operator)
    try:
        work = _work(operator, memory)
    except OperandError as error:
        raise LaunchError(f"Attention: {error}") from error
    handles = [(column.rows, column.values, column.results) for column in graph.columns]
    tensors = [array_type((n_bytes // WORD.itemsize,), np.int32) for n_bytes in memory.sizes]
    runtime = Runtime(_Sequence(work, graph), [*tensors, handles])
    what = f"Attention of {work.rows} rows, {work.keys} keys, {work.heads} heads of {operator.size}"
    return Launch("attention", Program(device, runtime, workers=list(graph.workers)), what)


def _check(operator: Attention) -> None:
    """Refuse what the cores' program or a DMA of whole words cannot do."""
    scale = operator.size**-0.5
    if not np.isclose(operator.scale, scale, rtol=1e-6, atol=0):
        raise LaunchError(f"Attention.scale is {operator.scale}; the cores scale heads of {operator.size} by {scale}")
    if operator.probabilities is not None:
        raise LaunchError("Attention.probabilities: the configuration attention keeps none; the decoder's does")
    for name in ("q_pitch", "kv_pitch"):
        pitch = getattr(operator, name)
        if pitch % WORD.itemsize:
            raise LaunchError(f"Attention.{name} is {pitch}; a DMA takes multiples of {WORD.itemsize} bytes")


def _work(operator: Attention, memory: Memory) -> _Work:
    rows, keys = memory.count(operator.rows, "rows"), memory.count(operator.keys, "keys")
    first = memory.count(operator.first, "first") if operator.causal else None
    if rows and not keys:
        raise OperandError("there are no keys to attend to")
    room = memory.room(operator.keys)
    held = keys if room is None else room

    def matrix(region: Region, count: int, name: str, pitch: int = 0) -> _Matrix:
        width = operator.heads * operator.size
        memory.read(region, BFLOAT16, (count, width), name, pitch=pitch)  # holds it to its buffer
        start, row_bytes = memory.start(region, name), pitch or width * BFLOAT16.itemsize
        places = (start, row_bytes, operator.size * BFLOAT16.itemsize, memory.sizes[region.buffer])
        return _Matrix(region.buffer, *(n_bytes // WORD.itemsize for n_bytes in places))

    work = _Work(
        q=matrix(operator.q, rows, "q", operator.q_pitch),
        k=matrix(operator.k, held, "k", operator.kv_pitch),
        v=matrix(operator.v, held, "v", operator.kv_pitch),
        dst=matrix(operator.dst, rows, "dst"),
        rows=rows,
        keys=keys,
        heads=operator.heads,
        first=first,
        room=room,
    )
    if rows:
        _check_apart(work)
    return work


def _check_apart(work: _Work) -> None:
    """Refuse a result that lies where operands do: rows are written while others are still to be read."""
    mine = _span(work.dst, work.rows, work.heads)
    for name, matrix, count in (("q", work.q, work.rows), ("k", work.k, work.held), ("v", work.v, work.held)):
        other = _span(matrix, count, work.heads)
        if matrix.buffer == work.dst.buffer and max(mine.start, other.start) < min(mine.stop, other.stop):
            raise OperandError(
                f"dst, words {mine.start} to {mine.stop}, overlaps {name}, {other.start} to {other.stop}"
            )


def _span(matrix: _Matrix, count: int, heads: int) -> range:
    return range(matrix.start, matrix.start + (count - 1) * matrix.pitch + heads * matrix.head)


class _Channel:
    """A shim channel: queues transfers, and awaits the oldest one where the queue is full."""

    def __init__(self) -> None:
        self._under_way: deque[Task] = deque()

    @property
    def full(self) -> bool:
        """Whether the next transfer has to wait for the oldest."""
        return len(self._under_way) == QUEUE

    def fill(self, handle: ObjectFifoHandle, data: RuntimeData, tap: TensorAccessPattern) -> None:
        self._make_room()
        self._under_way.append(handle.fill(data, tap=tap, wait=True, managed=False))

    def drain(self, handle: ObjectFifoHandle, data: RuntimeData, tap: TensorAccessPattern) -> None:
        self._make_room()
        self._under_way.append(handle.drain(data, tap=tap, wait=True, managed=False))

    def _make_room(self) -> None:
        if self.full:
            self._under_way.popleft().await_()

    def finish(self) -> None:
        """Await all."""
        while self._under_way:
            self._under_way.popleft().await_()


class _Sequence:
    """Units of all columns in step; a unit's transfers are queued while the one before is under way."""

    def __init__(self, work: _Work, graph: Configuration) -> None:
        self._work, self._graph = work, graph
        units, columns = work.blocks * work.heads, len(graph.columns)
        self._units = [range(units * c // columns, units * (c + 1) // columns) for c in range(columns)]

    def __call__(self, *args: object) -> None:
        if not self._work.rows:
            return
        data = [arg for arg in args if isinstance(arg, RuntimeData)]
        self._write_plans()
        channels = [(_Channel(), _Channel(), _Channel()) for _ in self._graph.columns]
        for turn in range(max(map(len, self._units))):
            for column, units, chosen in zip(self._graph.columns, self._units, channels, strict=True):
                if turn < len(units):
                    self._unit(data, column, units[turn], *chosen)
        for chosen in channels:
            for channel in chosen:
                channel.finish()

    def _write_plans(self) -> None:
        work = self._work
        step = 0 if work.first is None else 1
        for column, units in zip(self._graph.columns, self._units, strict=True):
            for core, plan in enumerate(column.plans):
                plan[UNITS] = len(units)
                plan[FIRST_BLOCK] = units.start % work.blocks
                plan[BLOCKS] = work.blocks
                plan[KEY_BLOCKS] = -(-work.shown // KEY_BLOCK)
                plan[KEYS] = work.counting
                plan[SEEN] = work.keys if work.first is None else work.first + 1 + core * CORE_ROWS
                plan[STEP] = step
                plan[ADVANCE] = step * UNIT_ROWS
        self._graph.start.set(1)

    def _unit(
        self,
        data: Sequence[RuntimeData],
        column: Column,
        unit: int,
        rows: _Channel,
        values: _Channel,
        results: _Channel,
    ) -> None:
        work = self._work
        head, block = divmod(unit, work.blocks)
        first = block * UNIT_ROWS
        mine = head, first, min(UNIT_ROWS, work.rows - first), UNIT_ROWS
        shown = head, 0, work.shown, padded(work.shown, KEY_BLOCK)
        drains = list(work.dst.rows(*mine))
        for tap in drains[:QUEUE]:  # a fifth would wait for what is not filled yet
            results.drain(column.results, data[work.dst.buffer], tap)
        for tap in work.v.rows(*shown):
            values.fill(column.values, data[work.v.buffer], tap)
        for matrix, chosen in ((work.q, mine), (work.k, shown)):
            for tap in matrix.rows(*chosen):
                rows.fill(column.rows, data[matrix.buffer], tap)
        for tap in drains[QUEUE:]:
            results.drain(column.results, data[work.dst.buffer], tap)
