"""Sequences of the host as words: the simulator's stand-in for the transaction streams that an NPU executes.

The header is that of a real one (mlir-aie `lib/Targets/AIETargetNPU.cpp`): kind, columns, number of operations, bytes
of all. Operations are the simulator's own: a word of a buffer, a barrier, a transfer, a wait or a free with its plain
numbers. A transfer is named by its channel and how many were queued there since, so streams can follow one another.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.sim.core import Buffer, WorkerRuntimeBarrier
from amanuensis.kernels.sim.errors import DesignError
from amanuensis.kernels.sim.fifo import ObjectFifoHandle
from amanuensis.kernels.sim.functions import object_file
from amanuensis.kernels.sim.kernel import BaseKernel
from amanuensis.kernels.sim.program import Program
from amanuensis.kernels.sim.runtime import (
    TAP_DIMS,
    Await,
    Command,
    Free,
    RuntimeData,
    SetBarrier,
    Start,
    Transfer,
    WriteBuffer,
)

Words = NDArray[np.uint32]
SIMULATED: Final = 0x534D4153  # "SAMS" in a dump: no NPU takes it for a stream of its own
HEADER_WORDS: Final = 4
WRITE, SET, START, AWAIT, FREE = range(1, 6)
_LENGTHS: Final = {WRITE: 4, SET: 3, START: 3 + 2 * TAP_DIMS, AWAIT: 2, FREE: 2}
_WORD: Final = 1 << 32
_WAIT: Final = 1 << 31
_MAX_QUEUED: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Graph:
    """What sequences of a configuration refer to, in the order in which words count it.

    Attributes:
        channels: ends of fifos at the shim.
        buffers: of cores, which sequences write.
        barriers: which sequences set.
        columns: of the device.
        signature: what launches of one configuration have in common, in words.

    """

    channels: tuple[ObjectFifoHandle, ...]
    buffers: tuple[Buffer, ...]
    barriers: tuple[WorkerRuntimeBarrier, ...]
    columns: int
    signature: tuple[str, ...]

    @classmethod
    def of(cls, program: Program) -> Graph:
        """Return the graph of a program."""
        workers = program._workers
        arguments = [argument for worker in workers for argument in worker.flat_fn_args]
        buffers = dict.fromkeys(each for each in arguments if isinstance(each, Buffer) and each._use_write_rtp)
        barriers = dict.fromkeys(each for each in arguments if isinstance(each, WorkerRuntimeBarrier))
        kernels = dict.fromkeys(object_file(each) for each in arguments if isinstance(each, BaseKernel))
        channels = tuple(program._rt._fifos)
        signature = (
            *(f"{handle.name} of {handle._object_fifo._array}" for handle in channels),
            *(f"core {worker.tile} with {worker.stack_size} bytes of stack" for worker in workers),
            *kernels,
        )
        return cls(channels, tuple(buffers), tuple(barriers), program._device.cols, signature)


def assembled(program: Program) -> Words:
    """Return the sequence of a program as words."""
    graph, commands = Graph.of(program), program._rt._record()
    return _Assembler(graph).words(commands)


class _Assembler:
    def __init__(self, graph: Graph) -> None:
        self._columns = graph.columns
        self._channels = {handle: number for number, handle in enumerate(graph.channels)}
        self._buffers = {buffer: number for number, buffer in enumerate(graph.buffers)}
        self._barriers = {barrier: number for number, barrier in enumerate(graph.barriers)}
        self._queued: defaultdict[int, int] = defaultdict(int)
        self._places: dict[Transfer, int] = {}  # how many transfers its channel had when it was queued

    def words(self, commands: Sequence[Command]) -> Words:
        """Return a stream."""
        body = [word for command in commands for word in self._operation(command)]
        n_bytes = 4 * (HEADER_WORDS + len(body))
        return np.array([SIMULATED, self._columns, len(commands), n_bytes, *body], np.uint32)

    def _operation(self, command: Command) -> list[int]:
        if isinstance(command, WriteBuffer):
            return [WRITE, self._buffers[command.buffer], int(command.index), int(command.value) % _WORD]
        if isinstance(command, SetBarrier):
            return [SET, self._barriers[command.barrier], command.value]
        if isinstance(command, Start):
            return self._start(command.transfer)
        channel = self._channels[command.transfer.handle]
        back = self._queued[channel] - 1 - self._places[command.transfer]
        return [AWAIT if isinstance(command, Await) else FREE, channel | back << 16]

    def _start(self, moved: Transfer) -> list[int]:
        channel = self._channels[moved.handle]
        self._places[moved] = self._queued[channel]
        self._queued[channel] += 1
        which = channel | moved.data._index << 16 | (_WAIT if moved.wait else 0)
        offset_bytes = moved.offset * moved.data._array.dtype.itemsize  # as a real stream tells it
        return [START, which, offset_bytes, *moved.sizes, *moved.strides]


def commands_of(words: Words, graph: Graph, tensors: Sequence[RuntimeData]) -> list[Command]:
    """Return the sequence that words stand for.

    Args:
        words: a stream of this configuration.
        graph: of the configuration.
        tensors: of the dispatch.

    Raises:
        DesignError: these are no such words: of another kind or device, truncated, or of things that are not there.

    """
    if words.size < HEADER_WORDS or int(words[0]) != SIMULATED:
        raise DesignError(f"these {words.size} words are no simulated launch: the first one is not {SIMULATED:#x}")
    _, columns, count, n_bytes = (int(word) for word in words[:HEADER_WORDS])
    if columns != graph.columns:
        raise DesignError(f"the launch is for {columns} columns; this array has {graph.columns}")
    if n_bytes != words.nbytes:
        raise DesignError(f"the launch says it has {n_bytes} bytes, and {words.nbytes} were given")
    found = list(_Reader(words.tolist(), graph, tensors).commands())
    if len(found) != count:
        raise DesignError(f"the launch says it has {count} operations; its words hold {len(found)}")
    return found


class _Reader:
    def __init__(self, words: list[int], graph: Graph, tensors: Sequence[RuntimeData]) -> None:
        self._words, self._graph, self._tensors = words, graph, tensors
        self._queued: defaultdict[int, list[Transfer]] = defaultdict(list)
        self._numbers = 0

    def commands(self) -> Iterator[Command]:
        at = HEADER_WORDS
        while at < len(self._words):
            code = self._words[at]
            length = _LENGTHS.get(code)
            if length is None:
                raise DesignError(f"word {at} of the launch is {code}, no operation")
            if at + length > len(self._words):
                raise DesignError(f"the launch ends within the operation at word {at}")
            yield self._command(code, self._words[at + 1 : at + length], at)
            at += length

    def _command(self, code: int, words: list[int], at: int) -> Command:
        if code == WRITE:
            buffer = _nth(self._graph.buffers, words[0], "buffer", at)
            if words[1] >= buffer._array.elements:
                raise DesignError(f"word {at}: index {words[1]} of buffer {buffer._name}")
            return WriteBuffer(buffer, words[1], words[2] - (_WORD if words[2] & _WAIT else 0))
        if code == SET:
            return SetBarrier(_nth(self._graph.barriers, words[0], "barrier", at), words[1])
        if code == START:
            return self._start(words, at)
        channel, back = words[0] & 0xFFFF, words[0] >> 16
        queue = self._queued[channel]
        if back >= len(queue):
            raise DesignError(f"word {at}: channel {channel} has queued {len(queue)} transfers, not {back + 1}")
        transfer = queue[-1 - back]
        return Await(transfer) if code == AWAIT else Free(transfer)

    def _start(self, words: list[int], at: int) -> Start:
        channel = words[0] & 0xFFFF
        handle: ObjectFifoHandle = _nth(self._graph.channels, channel, "channel", at)
        data: RuntimeData = _nth(self._tensors, words[0] >> 16 & 0x7FFF, "tensor", at)
        sizes, strides = tuple(words[2 : 2 + TAP_DIMS]), tuple(words[2 + TAP_DIMS :])
        offset, rest = divmod(words[1], data._array.dtype.itemsize)
        if min(sizes) < 1 or rest:
            raise DesignError(f"word {at}: a transfer from byte {words[1]} of sizes {sizes}")
        transfer = Transfer(self._numbers, handle, data, offset, sizes, strides, bool(words[0] & _WAIT))
        self._numbers += 1
        queue = self._queued[channel]
        queue.append(transfer)
        if len(queue) > _MAX_QUEUED:
            raise DesignError(f"word {at}: channel {channel} has more than {_MAX_QUEUED} transfers")
        return Start(transfer)


def _nth(things: Sequence[Any], number: int, what: str, at: int) -> Any:
    if number >= len(things):
        raise DesignError(f"word {at}: {what} {number} of a launch; there are 0 to {len(things) - 1}")
    return things[number]
