"""Select and EnergyGate as launches of the configuration `choice`."""

from __future__ import annotations

from typing import Any, Final

from amanuensis.kernels.designs._iron import Device, Program, Runtime
from amanuensis.kernels.designs._types import array_type
from amanuensis.kernels.designs.choice_array import Configuration, configuration
from amanuensis.kernels.designs.choice_energy import FramesSequence, frames
from amanuensis.kernels.designs.choice_select import ChoiceSequence, choice
from amanuensis.kernels.designs.launch import WORD, Launch, LaunchError
from amanuensis.kernels.memory import Memory, OperandError
from amanuensis.kernels.operators import EnergyGate, Operator, Select

COVERS: Final[frozenset[type[Operator]]] = frozenset({Select, EnergyGate})


def launch(operator: Operator, memory: Memory, device: Device) -> Launch:
    """Return the launch of a Select or an EnergyGate.

    Args:
        operator: of any number of rows.
        memory: the buffers of the dispatch, of which only the run-time parameters are read.
        device: of two columns or more.

    Raises:
        LaunchError: another operator, a device of one column, a size that the configuration cannot compute, or an
            operand that is not there.

    """
    if not isinstance(operator, Select | EnergyGate):
        raise LaunchError(
            f"{type(operator).__name__} is not in the configuration choice, which has EnergyGate and Select"
        )
    graph = configuration(device)
    try:
        sequence, what = _sequence(operator, memory, graph)
    except OperandError as error:
        raise LaunchError(f"{type(operator).__name__}: {error}") from error
    tensors = [array_type((n_bytes // WORD.itemsize,), WORD.type) for n_bytes in memory.sizes]
    meter = graph.meter
    handles = [[column.logits, column.rules, column.scores] for column in graph.columns]
    runtime = Runtime(sequence, [*tensors, [*handles, [meter.frames, meter.measures]]])
    return Launch("choice", Program(device, runtime, workers=list(graph.workers)), what)


def _sequence(operator: Select | EnergyGate, memory: Memory, graph: Configuration) -> tuple[Any, str]:
    if isinstance(operator, Select):
        work = choice(operator, memory)
        return ChoiceSequence(work, graph), f"Select of {work.rows} rows, {operator.vocabulary} ids"
    measured = frames(operator, memory)
    return FramesSequence(measured, graph), f"EnergyGate of {measured.rows} rows, {operator.n_mels} mels"
