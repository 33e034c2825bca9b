"""Operators of the decoder as launches of the configuration `decoder`, one by one or a whole layer in one sequence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from amanuensis.kernels import operators as kinds
from amanuensis.kernels.designs._iron import Device, Program, Runtime
from amanuensis.kernels.designs._types import array_type
from amanuensis.kernels.designs.decoder_array import configuration
from amanuensis.kernels.designs.decoder_attention import plan_attention
from amanuensis.kernels.designs.decoder_order import OrderedSequence, Phase, checked
from amanuensis.kernels.designs.decoder_product import plan_product
from amanuensis.kernels.designs.decoder_rows import plan_copy, plan_embed, plan_norm, plan_quantise
from amanuensis.kernels.designs.launch import WORD, Launch, LaunchError
from amanuensis.kernels.memory import Memory, OperandError
from amanuensis.kernels.operators import Operator

_PLANS: Final[dict[type[Operator], Callable[[Any, Memory, int], list[Phase]]]] = {
    kinds.GemmInt8: plan_product,
    kinds.GemmBf16: plan_product,
    kinds.LayerNorm: plan_norm,
    kinds.QuantiseRows: plan_quantise,
    kinds.Attention: plan_attention,
    kinds.CopyRows: plan_copy,
    kinds.Embed: plan_embed,
}
COVERS: Final[frozenset[type[Operator]]] = frozenset(_PLANS)


def launch(operator: Operator, memory: Memory, device: Device) -> Launch:
    """Return one operator as a launch.

    Raises:
        LaunchError: an operator that the configuration has not, a size that it cannot compute, or an operand that is
            not there.

    """
    return launch_sequence([operator], memory, device)


def launch_sequence(operators: Sequence[Operator], memory: Memory, device: Device) -> Launch:
    """Return operators as one launch: each begins when the one before has written all of its results.

    Raises:
        LaunchError: as `launch`.

    """
    phases = [phase for operator in operators for phase in _planned(operator, memory, device.cols)]
    graph = configuration(device)
    sequence = OrderedSequence(graph, phases)
    tensors = [array_type((size // WORD.itemsize,), WORD.type) for size in memory.sizes]
    program = Program(device, Runtime(sequence, [*tensors, sequence.handles]), workers=list(graph.workers))
    return Launch("decoder", program, ", ".join(type(operator).__name__ for operator in operators))


def _planned(operator: Operator, memory: Memory, columns: int) -> list[Phase]:
    plan = _PLANS.get(type(operator))
    name = type(operator).__name__
    if plan is None:
        allowed = ", ".join(sorted(kind.__name__ for kind in COVERS))
        raise LaunchError(f"{name} is no operator of the configuration decoder, which has {allowed}")
    memory.start_operator()
    try:
        if memory.count(operator.rows, "rows") == 0:  # type: ignore[union-attr]
            return []
        phases = plan(operator, memory, columns)
    except OperandError as error:
        raise LaunchError(f"{name}: {error}") from error
    moves = (move for phase in phases for run in phase.values() for tile in run.tiles for move in tile)
    checked(operator, moves, memory.sizes)
    return phases
