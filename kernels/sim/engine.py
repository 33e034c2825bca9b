"""Executes a design: one thing at a time, in an order that depends on the design alone.

Streams hold nothing here: words move when the sender has them and every receiver has room. A real stream buffers a few
words, so a design that needs those to go on is reported as a deadlock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.sim.core import Buffer, initial
from amanuensis.kernels.sim.cores import Core, CoreEnd
from amanuensis.kernels.sim.errors import DeadlockError, DesignError
from amanuensis.kernels.sim.functions import Function, Functions
from amanuensis.kernels.sim.kernel import BaseKernel
from amanuensis.kernels.sim.memory import Memory, aligned
from amanuensis.kernels.sim.plan import Design, End, FifoPlan, Pool
from amanuensis.kernels.sim.ports import Data, ObjectPort, Port, ShimPort, TaskState
from amanuensis.kernels.sim.runtime import Await, Free, SetBarrier, Start, Transfer, WriteBuffer

Speed = Literal["exact", "object"]
WORDS_A_STEP: Final[dict[str, int]] = {"exact": 16, "object": 1 << 40}  # 64 B: the shortest burst to memory


class Entity(Protocol):
    """What the scheduler runs."""

    def step(self) -> None:
        """Go on until it must wait or others should have their turn."""


class Flow:
    """The stream of a fifo, from one channel to one or several."""

    def __init__(self, engine: Engine, name: str, source: Port, sinks: list[Port], most: int) -> None:
        self.name, self.source, self.sinks = name, source, sinks
        self._engine, self._most = engine, most

    def wake(self) -> None:
        """Look again whether words can move."""
        self._engine.wake(self)

    def step(self) -> None:
        """Move what can be moved at once."""
        ready = [self.source.ready(), *(sink.ready() for sink in self.sinks)]
        count = min(*ready, self._most)
        if count == 0:
            return
        data = self.source.read(count)
        for sink in self.sinks:
            sink.write(data)
        for port in (self.source, *self.sinks):
            port.advance(count)
        self.wake()
        self._engine.sequence.wake_if_done()


class Sequence:
    """The commands of the host."""

    def __init__(self, engine: Engine, design: Design) -> None:
        self.at = len(design.commands)  # nothing to do until a dispatch begins
        self.tasks: dict[Transfer, TaskState] = {}
        self._engine, self._commands = engine, design.commands

    @property
    def done(self) -> bool:
        """Whether all commands were carried out."""
        return self.at == len(self._commands)

    def restart(self) -> None:
        """Begin anew."""
        self.at = 0
        self.tasks.clear()

    def wake_if_done(self) -> None:
        """Go on if what it waits for has happened."""
        if not self.done and self._passes(self._commands[self.at]):
            self._engine.wake(self)

    def _passes(self, command: object) -> bool:
        return not isinstance(command, Await | Free) or self.tasks[command.transfer].done

    def step(self) -> None:
        """Carry out commands until one has to wait."""
        while not self.done and self._passes(self._commands[self.at]):
            command = self._commands[self.at]
            self.at += 1
            if isinstance(command, Start):
                task = self.tasks[command.transfer] = TaskState(command.transfer)
                self._engine.start(task)
            elif isinstance(command, SetBarrier):
                for core in self._engine.cores:
                    if command.barrier in core.locks:
                        core.locks[command.barrier] = command.value
                        core.wake()
            elif isinstance(command, WriteBuffer):
                self._engine.buffers[command.buffer][command.index] = command.value

    def waits(self) -> str:
        """Say what it waits for."""
        if self.done:
            return "the sequence has ended"
        command = self._commands[self.at]
        assert isinstance(command, Await | Free)
        verb = "awaits" if isinstance(command, Await) else "frees the descriptor of"
        return f"the sequence {verb} {self.tasks[command.transfer]}"


class Engine:
    """A design loaded into the array; `dispatch` may be called again and again."""

    def __init__(self, design: Design, speed: Speed, functions: Mapping[str, Function]) -> None:
        """Load a design that `check` has passed."""
        if speed not in WORDS_A_STEP:
            raise DesignError(f"a speed is one of {', '.join(WORDS_A_STEP)}, not {speed!r}")
        self.design = design
        self.core_events = 0
        self.tensors: list[Data] = [np.empty(0, np.uint32)] * len(design.data)
        self.memories: dict[Pool, Memory] = {pool: Memory(pool) for pool in design.pools}
        self.buffers = _buffers(design)
        self.flows: list[Flow] = []
        self.cores = [self._core(worker) for worker in design.workers]
        self.sequence = Sequence(self, design)
        self._shims: dict[tuple[str, bool], tuple[ShimPort, Flow]] = {}
        self._functions = Functions(design.device, design.kernels, functions)
        self._waiting: deque[Entity] = deque()
        self._listed: set[Entity] = set()
        for plan in design.fifos:
            if not plan.shared:
                self._flow(plan, WORDS_A_STEP[speed])

    def _core(self, worker: Any) -> Core:
        ends = {
            end.handle: CoreEnd(self.memories[end.pool], end.handle._is_prod)
            for plan in self.design.fifos
            for end in plan.ends
            if end.worker is worker and end.pool is not None
        }
        core = Core(self, worker, self.design.worker_name(worker), ends)
        for end in ends.values():
            end.memory.listeners.append(core)
        return core

    def _flow(self, plan: FifoPlan, most: int) -> None:
        ports = [self._port(plan, end) for end in plan.ends]
        flow = Flow(self, plan.name, ports[0], ports[1:], most)
        self.flows.append(flow)
        for end, port in zip(plan.ends, ports, strict=True):
            if end.pool is not None:
                self.memories[end.pool].listeners.append(flow)
            elif isinstance(port, ShimPort):
                self._shims[plan.name, end.handle._is_prod] = port, flow

    def _port(self, plan: FifoPlan, end: End) -> Port:
        assert end.channel is not None
        if end.pool is None:
            return ShimPort(end.channel, self.tensors)
        iterations = plan.fifo._iter_count if end.place.kind == "mem" and end.handle._is_prod else None
        return ObjectPort(end.channel, self.memories[end.pool], iterations)

    def function(self, kernel: BaseKernel) -> Function:
        """Return the function of a kernel."""
        return self._functions.of(kernel)

    def wake(self, entity: Entity) -> None:
        """Put something at the end of the line, unless it stands in it."""
        if entity not in self._listed:
            self._listed.add(entity)
            self._waiting.append(entity)

    def start(self, task: TaskState) -> None:
        """Queue a task at its shim channel."""
        handle = task.transfer.handle
        port, flow = self._shims[handle.name, handle._is_prod]
        port.queue.append(task)
        flow.wake()

    def settle(self) -> None:
        """Run until nothing can go on."""
        while self._waiting:
            entity = self._waiting.popleft()
            self._listed.discard(entity)
            entity.step()

    def load(self, design: Design) -> None:
        """Take the sequence of another design on the same graph."""
        self.design = design
        self.tensors[:] = [np.empty(0, np.uint32)] * len(design.data)
        self.sequence = Sequence(self, design)

    def dispatch(self, tensors: list[Data]) -> None:
        """Run the sequence once over the tensors, as words.

        Raises:
            DeadlockError: nothing can go on, and the sequence has not ended.

        """
        self.tensors[:] = tensors
        self.sequence.restart()
        self.wake(self.sequence)
        self.settle()
        if not self.sequence.done:
            raise DeadlockError("\n  ".join(["nothing can go on:", *self.waits()]))

    def rest(self) -> None:
        """Let the cores run up to the first thing that they wait for."""
        for core in self.cores:
            self.wake(core)
        for flow in self.flows:
            self.wake(flow)
        self.settle()

    def waits(self) -> list[str]:
        """Say who waits for what."""
        lines = [self.sequence.waits()]
        lines += [f"{core.name} waits for {core.waiting}" for core in self.cores if not core.done]
        for flow in self.flows:
            stuck = [port.waits() for port in (flow.source, *flow.sinks)]
            lines += [f"fifo {flow.name}: {reason}" for reason in stuck]
        return lines

    def state(self) -> dict[str, object]:
        """Return all that must be as before when a sequence has ended, by what it is called."""
        found: dict[str, object] = {
            f"objects left in {memory.pool.name}": tuple(memory.present) for memory in self.memories.values()
        }
        found |= {f"{core.name} (steps of its pass, objects held of each fifo)": core.state() for core in self.cores}
        for flow in self.flows:
            states = [port.state() for port in (flow.source, *flow.sinks)]
            found[f"channels of fifo {flow.name}"] = tuple(states)
        return found

    def close(self) -> None:
        """End all core functions."""
        for core in self.cores:
            core.stop()


def _buffers(design: Design) -> dict[Buffer, NDArray[Any]]:
    """Return poisoned memory for every buffer, with its initial value where it has one."""
    found: dict[Buffer, NDArray[Any]] = {}
    for worker in design.workers:
        for buffer in worker._buffers:
            if buffer not in found:
                raw = aligned(1, buffer._array.bytes)[0].view(np.uint8)[: buffer._array.bytes]
                found[buffer] = raw.view(buffer._array.dtype).reshape(buffer._array.shape)
                initial(buffer, found[buffer])
    return found
