"""The compiler's single pass over a core function: what it acquires, calls and unrolls, without doing it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.sim import context
from amanuensis.kernels.sim.controlflow import Index
from amanuensis.kernels.sim.core import Buffer, Worker, WorkerRuntimeBarrier
from amanuensis.kernels.sim.errors import DesignError
from amanuensis.kernels.sim.fifo import ObjectFifoHandle
from amanuensis.kernels.sim.kernel import BaseKernel
from amanuensis.kernels.sim.types import Array


def object_array(handle: ObjectFifoHandle) -> Array:
    """Return what one object is at this end."""
    return handle._object_fifo._array if handle._is_prod else handle._object_fifo._consumer_array


@dataclass(slots=True)
class CorePass:
    """What one pass over a core function found.

    Attributes:
        most_acquired: for each handle, the largest count that is acquired anywhere.
        released: for each handle, how many objects one pass of the function releases, loops multiplied.
        call_sites: for each kernel, the places in the program that call it; a `range` of Python makes one a round.
        calls: for each kernel, how often one pass of the function calls it, loops multiplied.
        sites: places in the program that acquire or release.

    """

    most_acquired: Counter[ObjectFifoHandle] = field(default_factory=Counter)
    released: Counter[ObjectFifoHandle] = field(default_factory=Counter)
    call_sites: Counter[BaseKernel] = field(default_factory=Counter)
    calls: Counter[BaseKernel] = field(default_factory=Counter)
    sites: int = 0


class _Pass:
    """A core context that records."""

    def __init__(self, worker: Worker) -> None:
        self.found = CorePass()
        self._worker = worker
        self._counts: list[int] = []

    def _times(self) -> int:
        return prod(self._counts)

    def _check(self, handle: ObjectFifoHandle) -> None:
        if handle.endpoint is not self._worker:
            raise DesignError(f"fifo {handle.name}: a core function uses a handle that its worker was not given")

    def acquire(self, handle: ObjectFifoHandle, count: int) -> Any:
        self._check(handle)
        self.found.sites += 1
        self.found.most_acquired[handle] = max(self.found.most_acquired[handle], count)
        array = object_array(handle)
        objects = [np.zeros(array.shape, array.dtype) for _ in range(count)]
        return objects[0] if count == 1 else objects

    def release(self, handle: ObjectFifoHandle, count: int) -> None:
        self._check(handle)
        self.found.sites += 1
        self.found.released[handle] += count * self._times()

    def call(self, kernel: BaseKernel, args: Sequence[Any]) -> None:
        self.found.call_sites[kernel] += 1
        self.found.calls[kernel] += self._times()

    def memory(self, buffer: Buffer) -> NDArray[Any]:
        if buffer not in self._worker._buffers:
            raise DesignError(f"buffer {buffer._name}: a core function uses a buffer that its worker was not given")
        return np.zeros(buffer._array.shape, buffer._array.dtype)

    def wait_for(self, barrier: WorkerRuntimeBarrier, value: int) -> None:
        self.found.sites += 1

    def release_barrier(self, barrier: WorkerRuntimeBarrier, value: int) -> None:
        self.found.sites += 1

    def loop(self, indices: range) -> Iterator[int]:
        self._counts.append(len(indices))
        yield Index(indices.start)
        self._counts.pop()

    def condition(self, value: bool) -> tuple[bool, bool]:
        return True, True


def pass_over(worker: Worker) -> CorePass:
    """Return what a worker's function asks for.

    Raises:
        DesignError: it uses what the worker was not given, or calls a kernel wrongly.

    """
    tracer = _Pass(worker)
    if worker.core_fn is not None:
        with context.on_core(tracer):
            worker.core_fn(*worker.fn_args)
    return tracer.found
