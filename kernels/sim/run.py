"""Running a design: `simulate` for one dispatch, `Simulation` for several on one array."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.sim.check import check
from amanuensis.kernels.sim.check_sequence import sequence_problems
from amanuensis.kernels.sim.engine import Engine, Speed
from amanuensis.kernels.sim.errors import DesignError, UnbalancedError
from amanuensis.kernels.sim.functions import Function
from amanuensis.kernels.sim.plan import Design
from amanuensis.kernels.sim.ports import Data
from amanuensis.kernels.sim.program import Program
from amanuensis.kernels.sim.runtime import Await, Command, RuntimeData, Start
from amanuensis.kernels.sim.trace import TaskTrace, Trace
from amanuensis.kernels.sim.types import WORD_BYTES
from amanuensis.kernels.sim.walk import runs


class Simulation:
    """A design on a simulated array; a context manager. Core memory lasts from one dispatch to the next."""

    def __init__(
        self,
        program: Program | Design,
        *,
        speed: Speed = "object",
        functions: Mapping[str, Function] | None = None,
        balanced: bool = True,
    ) -> None:
        """Load a design.

        Args:
            program: the program, or its resolved design.
            speed: `exact` moves 64 bytes at a time through all channels in turn, `object` as much as possible at once.
            functions: Python functions of arrays that stand for kernels, by name.
            balanced: whether an array that is not as before when a sequence has ended is an error.

        Raises:
            DesignError: the design passes a limit of the device.

        """
        self.design = program.resolve_program() if isinstance(program, Program) else program
        self.report = check(self.design)
        self._engine = Engine(self.design, speed, functions or {})
        self._balanced = balanced
        self._rested = False

    def __enter__(self) -> Simulation:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def load(self, commands: Sequence[Command], tensors: Sequence[RuntimeData]) -> None:
        """Let further dispatches run another sequence on the same array.

        Args:
            commands: of the sequence.
            tensors: that it reads and writes.

        Raises:
            DesignError: the sequence passes a limit of the device.

        """
        self.design = replace(self.design, commands=list(commands), data=list(tensors))
        if problems := list(sequence_problems(self.design)):
            raise DesignError("\n".join(problems))
        self._engine.load(self.design)

    def run(self, *tensors: NDArray[Any]) -> Trace:
        """Dispatch once: read and write the tensors, in the order of the sequence's types.

        Raises:
            DesignError: other tensors than the sequence has, or a core function that goes wrong.
            DeadlockError: nothing can go on.
            UnbalancedError: the next dispatch would not find the array as this one did.

        """
        words = _words(self.design, tensors)
        engine = self._engine
        if not self._rested:
            engine.rest()
            self._rested = True
        before, counts = engine.state(), _Counts(engine)
        engine.dispatch(words)
        left = [
            f"{name}: {after}, was {before[name]}" for name, after in engine.state().items() if after != before[name]
        ]
        if left and self._balanced:
            raise UnbalancedError("\n  ".join(["the next dispatch would not find the array as this one did:", *left]))
        return counts.trace(self.design, engine)

    def close(self) -> None:
        """End the workers."""
        self._engine.close()


def simulate(
    program: Program | Design,
    *tensors: NDArray[Any],
    speed: Speed = "object",
    functions: Mapping[str, Function] | None = None,
    balanced: bool = True,
) -> Trace:
    """Run one dispatch of a design over tensors and return what it did; see `Simulation`."""
    with Simulation(program, speed=speed, functions=functions, balanced=balanced) as simulation:
        return simulation.run(*tensors)


def _words(design: Design, tensors: tuple[NDArray[Any], ...]) -> list[Data]:
    """Return the tensors as words of the same memory."""
    if len(tensors) != len(design.data):
        raise DesignError(f"the sequence has {len(design.data)} tensors, {len(tensors)} were given")
    words: list[Data] = []
    for i, (data, tensor) in enumerate(zip(design.data, tensors, strict=True)):
        wanted = data._array
        if tensor.dtype != wanted.dtype or tensor.size != wanted.elements or not tensor.flags.c_contiguous:
            raise DesignError(
                f"tensor {i} is {tensor.shape} {tensor.dtype}{'' if tensor.flags.c_contiguous else ' with gaps'}, the "
                f"sequence's is {wanted}"
            )
        if wanted.bytes % WORD_BYTES:
            raise DesignError(f"tensor {i} has {wanted.bytes} B, no multiple of {WORD_BYTES}")
        words.append(tensor.reshape(-1).view(np.uint8).view(np.uint32))
    return words


class _Counts:
    """Counters before a dispatch, so that what it did is the difference."""

    def __init__(self, engine: Engine) -> None:
        self._passed = {memory: memory.passed for memory in engine.memories.values()}
        self._moved = [[port.moved for port in (flow.source, *flow.sinks)] for flow in engine.flows]
        self._calls = {core: Counter(core.calls) for core in engine.cores}
        self._iterations = {core: core.iterations for core in engine.cores}

    def trace(self, design: Design, engine: Engine) -> Trace:
        """Return what has happened since."""
        channels = [end.channel for plan in design.fifos if not plan.shared for end in plan.ends]
        moved = [
            port.moved - earlier
            for flow, row in zip(engine.flows, self._moved, strict=True)
            for port, earlier in zip((flow.source, *flow.sinks), row, strict=True)
        ]
        return Trace(
            objects={memory.pool.name: memory.passed - was for memory, was in self._passed.items()},
            channel_bytes={
                str(channel): words * WORD_BYTES for channel, words in zip(channels, moved, strict=True) if words
            },
            tasks=_tasks(design),
            calls={core.name: dict(core.calls - was) for core, was in self._calls.items()},
            iterations={core.name: core.iterations - was for core, was in self._iterations.items()},
            awaits=sum(isinstance(command, Await) for command in design.commands),
        )


def _tasks(design: Design) -> tuple[TaskTrace, ...]:
    shims = {(plan.name, end.handle._is_prod): end.place for plan in design.fifos for end in plan.ends}
    tasks = []
    for command in design.commands:
        if isinstance(command, Start):
            moved = command.transfer
            burst = runs(moved.sizes[1:], moved.strides[1:]) * moved.data._array.dtype.itemsize
            fifo, writes = moved.handle.name, moved.handle._is_prod
            tasks.append(TaskTrace(fifo, str(shims[fifo, writes]), writes, moved.bytes, burst))
    return tuple(tasks)
