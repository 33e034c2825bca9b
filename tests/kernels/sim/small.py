"""Small designs for the tests of the simulator: int32 unless said otherwise, kernels in Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

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


def through_memory_tile(size: int, elements: int, **options: Any) -> tuple[Program, ObjectFifo]:
    """Return a program that sends objects through a memory tile and a copying core, and the fifo from the tile."""
    first, last = ObjectFifo(kind(elements), name="in"), ObjectFifo(kind(elements), name="out")
    middle = first.cons().forward(name="middle", **options)
    repeat = options.get("repeat_count") or 1
    return program([copies(middle.cons(), last.prod())], [(first.prod(), size)], [(last.cons(), size * repeat)]), middle


def ramp(size: int) -> Ints:
    """Return 1, 2, 3 ..."""
    return np.arange(1, size + 1, dtype=np.int32)
