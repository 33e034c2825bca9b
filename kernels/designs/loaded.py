"""One configuration on the simulated array, executing launches from their words: what a hardware context holds.

The graph is made and checked once. Transfers, waits and what is written into the cores come from the words alone, over
the bytes of device memory; nothing here knows which operators they stand for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.compile.work import DESIGNS, load_designs
from amanuensis.kernels.cost.band import Band
from amanuensis.kernels.cost.parameters import MODELS, Parameters
from amanuensis.kernels.designs._types import array_type
from amanuensis.kernels.designs.decoder import launch_sequence
from amanuensis.kernels.designs.launch import WORD, Launch
from amanuensis.kernels.machine import OperatorWork, Work
from amanuensis.kernels.memory import Memory, Span
from amanuensis.kernels.operands import N_BUFFERS, PARAMETERS_BYTES, Region
from amanuensis.kernels.operators import Attention, CopyRows, EnergyGate, Operator
from amanuensis.kernels.program import Architecture, Program
from amanuensis.kernels.sim.device import NPU1, NPU2
from amanuensis.kernels.sim.errors import DesignError
from amanuensis.kernels.sim.run import Simulation
from amanuensis.kernels.sim.runtime import Command, RuntimeData, Start, WriteBuffer
from amanuensis.kernels.sim.stream import Graph, commands_of

HEAD_SIZE: Final = 64  # of every Whisper model
_DEVICES: Final = {"npu1": NPU1, "npu2": NPU2}
_HERE: Final = Region(0, 0)
_IDLE: Final[dict[str, Operator]] = {  # of no rows: a launch that does nothing, for its graph
    "products": CopyRows(_HERE, _HERE, 0, 64, 64, 64),
    "attention": Attention(
        _HERE, _HERE, _HERE, _HERE, 0, 0, 1, HEAD_SIZE, causal=False, first=0, scale=HEAD_SIZE**-0.5
    ),
    "choice": EnergyGate(_HERE, _HERE, 0, 80),
}
_STREAM_BYTES: Final = 4  # a cycle and channel: AM027
_WRITE_US: Final = 0.066  # a word in a core's memory: amd/IRON, README of its GEMM `flm`


class LoadedConfiguration:
    """A configuration of one device.

    Args:
        architecture: of the device.
        configuration: its name.

    Raises:
        DesignError: there is none of that name.
        amanuensis.kernels.host.build.BuildError: the kernels cannot be compiled for this machine.

    """

    def __init__(self, architecture: Architecture, configuration: str) -> None:
        if configuration not in DESIGNS:
            raise DesignError(f"there is no configuration {configuration}; there are {', '.join(DESIGNS)}")
        program = _idle(architecture, configuration).program
        self._name = configuration
        self._graph = Graph.of(program)
        self._simulation = Simulation(program)
        self._parameters = MODELS[architecture].cases["middle"]

    def close(self) -> None:
        """End the cores."""
        self._simulation.close()

    def execute(
        self,
        _program: Program,
        words: NDArray[np.uint32],
        buffers: Sequence[NDArray[np.uint8]],
        after: Callable[[OperatorWork], None] = lambda _: None,
    ) -> Work:
        """Execute launches; arguments and result as for `amanuensis.kernels.machine.execute`.

        The work is told as one operator with the name of the configuration, its time by streams, memory and written
        words alone: cores are taken to keep up.

        Raises:
            DesignError: the words are no launch of this configuration, or one that the device would refuse.

        """
        tensors = [_tensor(number, buffer) for number, buffer in enumerate(buffers)]
        commands = commands_of(words, self._graph, tensors)
        self._simulation.load(commands, tensors)
        trace = self._simulation.run(*(buffer[: buffer.size // 4 * 4].view(WORD) for buffer in buffers))
        into = sum(task.bytes for task in trace.tasks if task.to_device)
        out = sum(task.bytes for task in trace.tasks if not task.to_device)
        busiest = max(trace.channel_bytes.values(), default=0)
        time = _time(self._parameters, commands, busiest, into + out)
        work = OperatorWork(self._name, 0, into, out, time, tuple(_written(commands)))
        after(work)
        return Work((work,))


def _idle(architecture: Architecture, configuration: str) -> Launch:
    memory = Memory([np.zeros(PARAMETERS_BYTES, np.uint8)] * N_BUFFERS)
    device = _DEVICES[architecture]()
    if configuration not in _IDLE:
        return launch_sequence([], memory, device)
    launch: Launch = load_designs()[configuration].launch(_IDLE[configuration], memory, device)
    return launch


def _tensor(number: int, buffer: NDArray[np.uint8]) -> RuntimeData:
    tensor = RuntimeData(array_type((buffer.size // WORD.itemsize,), WORD.type))
    tensor._index = number
    return tensor


def _time(parameters: Parameters, commands: Sequence[Command], busiest_bytes: int, moved_bytes: int) -> Band:
    """Return the time that the streams take at least, modelled."""
    streams_us = busiest_bytes / _STREAM_BYTES / parameters.clock_ghz / 1e3
    memory_us = moved_bytes / parameters.memory_gb_s / 1e3
    us = max(streams_us, memory_us) + _WRITE_US * sum(isinstance(command, WriteBuffer) for command in commands)
    return Band(us, us, us)


def _written(commands: Sequence[Command]) -> list[Span]:
    """Return what transfers wrote, from the first to the last byte of each."""
    spans = []
    for command in commands:
        if isinstance(command, Start) and not command.transfer.handle._is_prod:
            moved = command.transfer
            pairs = zip(moved.sizes, moved.strides, strict=True)
            words = sum((size - 1) * stride for size, stride in pairs) + 1
            start = moved.offset * WORD.itemsize
            spans.append(Span(moved.data._index, start, start + words * WORD.itemsize))
    return spans
