"""Workers at work. A core function runs in a thread of its own, but only while the scheduler waits for it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from amanuensis.kernels.sim import context
from amanuensis.kernels.sim.controlflow import Index
from amanuensis.kernels.sim.core import Buffer, Worker, WorkerRuntimeBarrier
from amanuensis.kernels.sim.errors import DesignError
from amanuensis.kernels.sim.fifo import ObjectFifoHandle
from amanuensis.kernels.sim.kernel import BaseKernel
from amanuensis.kernels.sim.memory import Memory

if TYPE_CHECKING:
    from amanuensis.kernels.sim.engine import Engine


class _Stopped(BaseException):
    """Ends a core function that would run for ever."""


class CoreEnd:
    """A fifo's end at a core: which objects it holds."""

    def __init__(self, memory: Memory, producer: bool) -> None:
        self.memory, self.producer = memory, producer
        self.head = self.held = 0

    def view(self, count: int) -> Any:
        """Return the oldest object that is held, or a list of several."""
        objects = [self.memory.objects[(self.head + i) % self.memory.pool.depth] for i in range(count)]
        return objects[0] if count == 1 else objects

    def release(self) -> None:
        """Give back the oldest object."""
        slot = self.head
        self.head = (slot + 1) % self.memory.pool.depth
        self.held -= 1
        self.memory.give(self.producer, 0, slot)


class Core:
    """A worker, runnable until it must wait."""

    def __init__(self, engine: Engine, worker: Worker, name: str, ends: dict[ObjectFifoHandle, CoreEnd]) -> None:
        self.name = name
        self.ends = ends
        self.calls: Counter[str] = Counter()
        self.waiting = "its start"
        self.done = worker.core_fn is None
        self.iterations = 0
        self.inside = 0  # objects released, or inputs acquired, since the function was last begun
        self.locks: dict[WorkerRuntimeBarrier, int] = dict.fromkeys(worker._barriers, 0)
        self._engine, self._worker = engine, worker
        self._stopping = False
        self._error: BaseException | None = None
        self._go, self._back = threading.Semaphore(0), threading.Semaphore(0)
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """Look again whether the worker can go on."""
        self._engine.wake(self)

    def step(self) -> None:
        """Run until the worker must wait or ends; what its function raises is raised here."""
        if self.done:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
            self._thread.start()
        self._go.release()
        self._back.acquire()
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """End the function wherever it waits."""
        if self._thread is not None and not self.done:
            self._stopping = True
            self._go.release()
            self._thread.join()

    def _run(self) -> None:
        self._go.acquire()
        try:
            with context.on_core(self):
                self._repeat()
        except _Stopped:
            pass
        except BaseException as error:  # handed to the scheduler's thread
            self._error = error
        self.done = True
        self._back.release()

    def _repeat(self) -> None:
        assert self._worker.core_fn is not None
        while not self._stopping:
            self.inside = 0
            before = self._engine.core_events
            self._worker.core_fn(*self._worker.fn_args)
            self.iterations += 1
            if not self._worker._while_true:
                self.waiting = "nothing: its function has ended"
                return
            if self._engine.core_events == before:
                raise DesignError(f"{self.name} runs for ever without acquiring anything")

    def _wait(self, what: str) -> None:
        self.waiting = what
        self._back.release()
        self._go.acquire()
        if self._stopping:
            raise _Stopped

    def acquire(self, handle: ObjectFifoHandle, count: int) -> Any:
        end = self.ends[handle]
        depth = end.memory.pool.depth
        if count > depth:
            raise DesignError(
                f"{self.name}: acquire({count}) of fifo {handle.name}, whose end here has {depth} objects"
            )
        need = count - end.held
        while need > 0 and not end.memory.take(end.producer, 0, need):
            counts = end.memory.free if end.producer else end.memory.full
            what = "free" if end.producer else "full"
            self._wait(
                f"acquire({count}) of fifo {handle.name} as {'producer' if end.producer else 'consumer'}: holds "
                f"{end.held}, {counts[0]} {what}"
            )
        end.held = max(end.held, count)
        self._engine.core_events += 1
        self.inside += not end.producer
        return end.view(count)

    def release(self, handle: ObjectFifoHandle, count: int) -> None:
        end = self.ends[handle]
        if count > end.held:
            raise DesignError(f"{self.name}: release({count}) of fifo {handle.name}, of which it holds {end.held}")
        self._engine.core_events += 1
        self.inside += 1
        for _ in range(count):
            end.release()

    def call(self, kernel: BaseKernel, args: Sequence[Any]) -> None:
        self.calls[kernel._name] += 1
        self._engine.function(kernel)(*args)

    def memory(self, buffer: Buffer) -> NDArray[Any]:
        return self._engine.buffers[buffer]

    def wait_for(self, barrier: WorkerRuntimeBarrier, value: int) -> None:
        while self.locks[barrier] != value:
            self._wait(f"a barrier to have the value {value}; it has {self.locks[barrier]}")
        self.locks[barrier] = 0
        self._engine.core_events += 1

    def release_barrier(self, barrier: WorkerRuntimeBarrier, value: int) -> None:
        self.locks[barrier] += value
        self._engine.core_events += 1

    def loop(self, indices: range) -> Iterator[int]:
        return map(Index, indices)

    def condition(self, value: bool) -> tuple[bool, bool]:
        return value, not value

    def state(self) -> object:
        """Return what must be as before when the sequence has ended."""
        return "ended" if self.done else (self.inside, *(end.held for end in self.ends.values()))
