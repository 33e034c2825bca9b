"""Sequences: queues and descriptors of the shim, and what must be awaited before it is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from amanuensis.kernels.sim.check import check
from amanuensis.kernels.sim.errors import DesignError
from amanuensis.kernels.sim.iron import (
    NPU1,
    NPU1Col1,
    ObjectFifo,
    ObjectFifoHandle,
    Program,
    Runtime,
    TaskGroup,
    Worker,
)
from amanuensis.kernels.sim.run import simulate
from tests.kernels.sim.small import COPY, copies, held, kind, ramp


def transfers(count: int, finished: int = 0, columns: int = 1) -> Program:
    """Return a program that starts so many fills of each column at once, after finishing some one by one."""
    firsts = [ObjectFifo(kind(4), name=f"in{i}") for i in range(2 * columns)]
    lasts = [ObjectFifo(kind(4), name=f"out{i}") for i in range(2 * columns)]
    workers = [copies(a.cons(), b.prod()) for a, b in zip(firsts, lasts, strict=True)]

    def sequence(a: Any, c: Any, fills: list[ObjectFifoHandle], drains: list[ObjectFifoHandle]) -> None:
        for _ in range(finished):
            for fill, drain in zip(fills, drains, strict=True):
                group = TaskGroup()
                fill.fill(a, group=group)
                drain.drain(c, wait=True, group=group)
                group.finish()
        group = TaskGroup()
        for fill, drain in zip(fills, drains, strict=True):
            for _ in range(count):
                fill.fill(a, group=group)
                drain.drain(c, wait=True, group=group)
        group.finish()

    ends = [[f.prod() for f in firsts], [f.cons() for f in lasts]]
    return Program(NPU1Col1(), Runtime(sequence, [kind(4), kind(4), *ends]), workers=workers)


def test_queue_of_a_shim_channel() -> None:
    """Four transfers may be under way in a channel; those that were awaited count no longer."""
    held(transfers(4, finished=9), lambda: transfers(5), r"in0 at shim\(0, 0\): 5 transfers under way .* limit is 4")


def test_descriptors_of_a_shim_tile() -> None:
    """A shim tile has 16 descriptors, taken by each transfer until it is freed."""
    held(transfers(4), lambda: unmanaged(17), r"shim\(0, 0\): 17 descriptors; the limit is 16")


def unmanaged(count: int) -> Program:
    """Return a program whose transfers are awaited but freed only at the end."""
    last = ObjectFifo(kind(4), name="out")

    def sequence(c: Any, drain: ObjectFifoHandle) -> None:
        tasks = []
        for _ in range(count):
            tasks.append(drain.drain(c, wait=True, managed=False))
            tasks[-1].await_()
        for task in tasks:
            task.free()

    def core(b: ObjectFifoHandle) -> None:
        b.acquire(1)
        b.release(1)

    return Program(NPU1(), Runtime(sequence, [kind(4), last.cons()]), workers=[Worker(core, [last.prod()])])


def copied(body: Callable[..., None], *sizes: int) -> Program:
    """Return a program that copies objects of 4 by a sequence of (tensors, fill, drain)."""
    first, last = ObjectFifo(kind(4), name="in"), ObjectFifo(kind(4), name="out")
    runtime = Runtime(body, [*(kind(size) for size in sizes), first.prod(), last.cons()])
    return Program(NPU1(), runtime, workers=[copies(first.cons(), last.prod())])


def test_descriptors_are_freed_once() -> None:
    """A transfer that is never freed, or freed twice, is named; an await frees what nothing else does."""

    def freed(times: int) -> Program:
        def body(a: Any, c: Any, fill: ObjectFifoHandle, drain: ObjectFifoHandle) -> None:
            task = fill.fill(a, managed=False)
            drain.drain(c, managed=False, wait=True).await_()
            for _ in range(times):
                task.free()

        return copied(body, 4, 4)

    held(freed(1), lambda: freed(0), "transfer 0 of fifo in: its descriptor is never freed")
    held(freed(1), lambda: freed(2), "transfer 0 of fifo in: its descriptor is freed twice")


def test_results_are_awaited() -> None:
    """A drain that nobody awaits may not be done when the sequence ends; a later one of its channel vouches for it."""

    def awaited(*waits: bool) -> Program:
        def body(a: Any, c: Any, fill: ObjectFifoHandle, drain: ObjectFifoHandle) -> None:
            for i, wait in enumerate(waits):
                fill.fill(a, sizes=[4], strides=[1], offset=4 * i)
                drain.drain(c, sizes=[4], strides=[1], offset=4 * i, wait=wait)

        return copied(body, 8, 8)

    held(awaited(False, True), lambda: awaited(True, False), "transfer 3 of fifo out is never awaited")


def twice(await_first: bool, second: int) -> Program:
    """Return a program that copies a to the front of c, then 4 elements of c to its end."""

    def body(a: Any, c: Any, fill: ObjectFifoHandle, drain: ObjectFifoHandle) -> None:
        group = TaskGroup()
        fill.fill(a, group=group)
        drain.drain(c, sizes=[4], strides=[1], wait=True, group=group)
        if await_first:
            group.finish()
            group = TaskGroup()
        fill.fill(c, sizes=[4], strides=[1], offset=second, group=group)
        drain.drain(c, sizes=[4], strides=[1], offset=8, wait=True, group=group)
        group.finish()

    return copied(body, 4, 12)


def test_what_is_written_is_awaited_before_it_is_read() -> None:
    """A fill of what an earlier drain writes needs an await between them; other elements of the tensor do not."""
    message = "transfer 2 of fifo in reads what transfer 1 of fifo out writes, which is not awaited yet"
    held(twice(True, 0), lambda: twice(False, 0), message)
    held(twice(False, 4), lambda: twice(False, 3), message)
    result = np.zeros(12, np.int32)
    simulate(twice(True, 0), ramp(4), result, functions=COPY)
    assert result.tolist() == [1, 2, 3, 4, 0, 0, 0, 0, 1, 2, 3, 4]


def test_interleaved_patterns_do_not_touch() -> None:
    """Two patterns over the same span of a tensor may have no element in common."""

    def body(offset: int) -> Callable[..., None]:
        def sequence(a: Any, fill: ObjectFifoHandle, drain: ObjectFifoHandle) -> None:
            drain.drain(a, sizes=[4, 1], strides=[2, 1], wait=True)
            fill.fill(a, sizes=[4, 1], strides=[2, 1], offset=offset)

        return sequence

    check(copied(body(1), 16).resolve_program())
    with pytest.raises(DesignError, match="transfer 1 of fifo in reads what transfer 0 of fifo out writes"):
        check(copied(body(2), 16).resolve_program())
