"""What is to be compiled: sequences of operators with the sizes of their buffers, and which configuration does what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.compile.errors import CompileError
from amanuensis.kernels.compile.lowering import Covers, Part, RoomsOf, Segment, segments
from amanuensis.kernels.compile.template import Template, ids_of, placed
from amanuensis.kernels.memory import Memory
from amanuensis.kernels.operands import N_BUFFERS, PARAMETERS_BYTES, Buffer, Count
from amanuensis.kernels.operators import Operator

WORD_BYTES: Final = 4
BEYOND_BYTES: Final = 1 << 22  # behind each buffer: operands are moved, and may be read by whole objects
DESIGNS: Final = {
    "products": "amanuensis.kernels.designs.products_launch",
    "attention": "amanuensis.kernels.designs.attention_launch",
    "decoder": "amanuensis.kernels.designs.decoder",
    "choice": "amanuensis.kernels.designs.choice",
}


class Designs(Protocol):
    """What the module of a configuration has; one that makes several operators one launch has `launch_sequence` too."""

    COVERS: frozenset[type[Operator]]

    def launch(self, operator: Operator, memory: Memory, device: Any) -> Any:
        """Return the `kernels.designs.launch.Launch` of an operator."""


@dataclass(frozen=True, slots=True)
class Dispatched:
    """Operators that are dispatched together.

    Attributes:
        part: of the model.
        operators: in order.

    """

    part: Part
    operators: tuple[Operator, ...]


@dataclass(frozen=True)
class Work:
    """All that is to be compiled for a model.

    Attributes:
        model: its name.
        sequences: that are dispatched.
        rooms: sizes for which launches are laid out, by run-time parameter; those that are not there have one, their
            limit.
        buffer_bytes: sizes of the five buffers of a dispatch.

    """

    model: str
    sequences: tuple[Dispatched, ...]
    rooms: RoomsOf
    buffer_bytes: tuple[int, ...]


def launched(designs: Designs, operators: Sequence[Operator], memory: Memory, device: Any) -> Any:
    """Return operators as one launch; LaunchError where the designs refuse them."""
    if len(operators) == 1:
        return designs.launch(operators[0], memory, device)
    return cast(Any, designs).launch_sequence(operators, memory, device)


def load_designs(modules: Mapping[str, str] = DESIGNS) -> dict[str, Designs]:
    """Return the modules of the configurations by name, those that this version has."""
    return {name: cast(Designs, import_module(path)) for name, path in modules.items() if find_spec(path) is not None}


def covers_of(designs: Mapping[str, Designs]) -> Covers:
    """Return what each configuration computes."""
    return {name: each.COVERS for name, each in designs.items()}


def wanted(work: Work, covers: Covers) -> tuple[list[Segment], list[str]]:
    """Return the segments of all sequences, each once, and the operators that no design computes, as words."""
    found: dict[Segment, None] = {}
    lacking: dict[str, None] = {}
    for sequence in work.sequences:
        made, left = segments(sequence.operators, sequence.part, covers)
        found |= dict.fromkeys(made)
        lacking |= dict.fromkeys(f"{type(operator).__name__} of the {sequence.part}" for operator in left)
    return list(found), list(lacking)


class LaidOut(Memory):
    """Memory of a launch that is made and not run: with room for the limit of each run-time size."""

    def room(self, count: Count) -> int:
        """Return the limit."""
        return count if isinstance(count, int) else count.limit


class Places:
    """Buffers of a size, for launches that are made and not run: their memory is hardly touched.

    Args:
        buffer_bytes: of the five buffers.

    """

    def __init__(self, buffer_bytes: Sequence[int]) -> None:
        if len(buffer_bytes) != N_BUFFERS:
            raise CompileError(f"{len(buffer_bytes)} sizes of buffers; a dispatch has {N_BUFFERS}")
        sizes = (n_bytes // WORD_BYTES * WORD_BYTES + BEYOND_BYTES for n_bytes in buffer_bytes)
        self._buffers: list[NDArray[np.uint8]] = [np.zeros(n_bytes, np.uint8) for n_bytes in sizes]

    def operands(self, template: Template, settings: Sequence[int]) -> tuple[tuple[Operator, ...], LaidOut]:
        """Return the operators of a template at some settings, and the memory that they then read."""
        operators, given = placed(template, settings), self._buffers[Buffer.INPUT]
        block = given[:PARAMETERS_BYTES].view(np.int32)
        block[:] = 0
        pairs = list(zip(template.variables, settings, strict=True))
        for variable, setting in pairs:
            if variable.kind in ("parameter", "tap"):
                block[variable.index] = setting
        ids = [setting for variable, setting in pairs if variable.kind == "id"]
        for (_, place), setting in zip(ids_of(operators), ids, strict=True):
            given[place : place + WORD_BYTES].view(np.int32)[:] = setting
        return operators, LaidOut(self._buffers)
