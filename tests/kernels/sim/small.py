"""Small designs for the tests of the simulator: int32 unless said otherwise, kernels in Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from amanuensis.kernels.sim.check import check
from amanuensis.kernels.sim.errors import DesignError
from amanuensis.kernels.sim.iron import (
    NPU1,
    Device,
    Kernel,
    ObjectFifo,
    ObjectFifoHandle,
    Program,
    Runtime,
    TaskGroup,
    Worker,
)

Ints = NDArray[np.int32]


def kind(*shape: int, dtype: Any = np.int32) -> Any:
    """Return a type of arrays."""
    return np.ndarray[shape, np.dtype[dtype]]


def program(
    workers: Sequence[Worker],
    inputs: Sequence[tuple[ObjectFifoHandle, int]],
    outputs: Sequence[tuple[ObjectFifoHandle, int]],
    device: Device | None = None,
    dtype: Any = np.int32,
) -> Program:
    """Return a program that fills each input and drains each output once; a size is the elements of the tensor."""
    ends = [handle for handle, _ in (*inputs, *outputs)]
    kinds = [kind(size, dtype=dtype) for _, size in (*inputs, *outputs)]

    def sequence(*args: Any) -> None:
        group = TaskGroup()
        for i, end in enumerate(args[len(kinds) :]):
            if i < len(inputs):
                end.fill(args[i], group=group)
            else:
                end.drain(args[i], wait=True, group=group)
        group.finish()

    return Program(device or NPU1(), Runtime(sequence, [*kinds, *ends]), workers=list(workers))


def copies(source: ObjectFifoHandle, target: ObjectFifoHandle, **options: Any) -> Worker:
    """Return a worker that copies objects."""
    elements = int(np.prod(target.shape))
    function = Kernel("copy", "copy.o", [kind(elements), kind(elements)])

    def core(a: ObjectFifoHandle, b: ObjectFifoHandle, copy: Kernel) -> None:
        copy(a.acquire(1), b.acquire(1))
        a.release(1)
        b.release(1)

    return Worker(core, [source, target, function], **options)


def copy(a: Ints, b: Ints) -> None:
    """The kernel of `copies`."""
    b.reshape(-1)[:] = a.reshape(-1)


COPY: dict[str, Callable[..., None]] = {"copy": copy}


def through_memory_tile(size: int, elements: int, depth: int = 2, **options: Any) -> tuple[Program, ObjectFifo]:
    """Return a program that sends objects through a memory tile and a copying core, and the fifo from the tile."""
    first, last = ObjectFifo(kind(elements), name="in", depth=depth), ObjectFifo(kind(elements), name="out")
    middle = first.cons().forward(name="middle", **options)
    repeat = options.get("repeat_count") or 1
    return program([copies(middle.cons(), last.prod())], [(first.prod(), size)], [(last.cons(), size * repeat)]), middle


def ramp(size: int) -> Ints:
    """Return 1, 2, 3 ..."""
    return np.arange(1, size + 1, dtype=np.int32)


def held(inside: Program, outside: Callable[[], Program], message: str) -> None:
    """See that one program passes and another is refused with a message."""
    check(inside.resolve_program())
    with pytest.raises(DesignError, match=message):
        check(outside().resolve_program())


def copying(elements: int = 4, objects: int = 2, *, dtype: Any = np.int32, **options: Any) -> Program:
    """Return a program that copies objects of so many elements on one core."""
    first, last = ObjectFifo(kind(elements, dtype=dtype), name="in", **options), ObjectFifo(kind(4), name="out")
    pair = Kernel("pair", "pair.o", [kind(elements, dtype=dtype), kind(4)])

    def core(a: ObjectFifoHandle, b: ObjectFifoHandle, function: Kernel) -> None:
        function(a.acquire(1), b.acquire(1))
        a.release(1)
        b.release(1)

    worker = Worker(core, [first.cons(), last.prod(), pair])
    return program([worker], [(first.prod(), elements * objects)], [(last.cons(), 4 * objects)], dtype=dtype)


def through(dims: Any, elements: int, dtype: Any = np.int8) -> Program:
    """Return a program in which a memory tile sends objects in an order."""
    first, last = ObjectFifo(kind(elements, dtype=dtype), name="in"), ObjectFifo(kind(4, dtype=dtype), name="out")
    middle = first.cons().forward(name="middle", dims_to_stream=dims)
    function = Kernel("pair", "pair.o", [kind(elements, dtype=dtype), kind(4, dtype=dtype)])

    def core(a: ObjectFifoHandle, b: ObjectFifoHandle, pair: Kernel) -> None:
        pair(a.acquire(1), b.acquire(1))
        a.release(1)
        b.release(1)

    worker = Worker(core, [middle.cons(), last.prod(), function])
    return program([worker], [(first.prod(), elements)], [(last.cons(), 4)], dtype=dtype)


def at_core(dims: Any, elements: int, depth: int = 2) -> Program:
    """Return a program in which a core's DMA places what arrives in an order."""
    first, last = ObjectFifo(kind(elements), name="in", depth=depth), ObjectFifo(kind(4), name="out")
    function = Kernel("pair", "pair.o", [kind(elements), kind(4)])

    def core(a: ObjectFifoHandle, b: ObjectFifoHandle, pair: Kernel) -> None:
        pair(a.acquire(1), b.acquire(1))
        a.release(1)
        b.release(1)

    worker = Worker(core, [first.cons(dims_from_stream=dims), last.prod(), function])
    return program([worker], [(first.prod(), elements)], [(last.cons(), 4)])


def sent(elements: int, **pattern: Any) -> Program:
    """Return a program that fills by a pattern over a tensor of int32."""
    return typed(np.int32, elements, **pattern)


def typed(dtype: Any, elements: int, **pattern: Any) -> Program:
    """Return a program that fills by a pattern over a tensor."""
    first, last = ObjectFifo(kind(4, dtype=dtype), name="in"), ObjectFifo(kind(4, dtype=dtype), name="out")

    def sequence(a: Any, c: Any, fill: ObjectFifoHandle, drain: ObjectFifoHandle) -> None:
        fill.fill(a, **pattern)
        drain.drain(c, wait=True)

    def core(a: ObjectFifoHandle, b: ObjectFifoHandle) -> None:
        a.acquire(1)
        b.acquire(1)
        a.release(1)
        b.release(1)

    kinds = [kind(elements, dtype=dtype), kind(4, dtype=dtype)]
    return Program(
        NPU1(),
        Runtime(sequence, [*kinds, first.prod(), last.cons()]),
        workers=[Worker(core, [first.cons(), last.prod()])],
    )
