"""What is to be compiled: sequences of operators with the sizes of their buffers, and which configuration does what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from itertools import groupby
from typing import Any, Final, Literal, Protocol, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.compile.cache import digest
from amanuensis.kernels.compile.errors import CompileError
from amanuensis.kernels.memory import Memory
from amanuensis.kernels.operands import N_BUFFERS, PARAMETERS_BYTES, Buffer
from amanuensis.kernels.operators import Nop, Operator
from amanuensis.kernels.ops import encode

Part: TypeAlias = Literal["encoder", "decoder"]

# The configurations that may compute an operator of each part of a model, in order of preference.
CHOICES: Final[dict[Part, tuple[str, ...]]] = {
    "encoder": ("attention", "products", "choice"),
    "decoder": ("decoder", "choice"),
}
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
        pieces: the operators in order, those together that one launch may do.
        parameters: values of the run-time parameters by index, with which instructions are made.

    """

    part: Part
    pieces: tuple[tuple[Operator, ...], ...]
    parameters: Mapping[int, int]

    @property
    def operators(self) -> tuple[Operator, ...]:
        """All operators in order."""
        return tuple(operator for piece in self.pieces for operator in piece)


@dataclass(frozen=True)
class Work:
    """All that is to be compiled for a model.

    Attributes:
        model: its name.
        sequences: that are dispatched.
        buffer_bytes: sizes of the five buffers of a dispatch.

    """

    model: str
    sequences: tuple[Dispatched, ...]
    buffer_bytes: tuple[int, ...]


@dataclass(frozen=True)
class Item:
    """One launch that is to be compiled.

    Attributes:
        configuration: its name.
        operators: that it computes, in order.
        parameters: values of the run-time parameters.

    """

    configuration: str
    operators: tuple[Operator, ...]
    parameters: Mapping[int, int]

    @cached_property
    def key(self) -> str:
        """Name of the launch: the hash of its operators as they are encoded."""
        return launch_key(self.operators)

    def __str__(self) -> str:
        kinds = dict.fromkeys(type(operator).__name__ for operator in self.operators)
        return (
            next(iter(kinds)) if len(self.operators) == 1 else f"{len(self.operators)} operators ({', '.join(kinds)})"
        )

    def apart(self) -> list[Item]:
        """Return a launch for each operator."""
        return [Item(self.configuration, (operator,), self.parameters) for operator in self.operators]


def launch_key(operators: Iterable[Operator]) -> str:
    """Return the name under which a launch of operators is found: a hash of their encoding."""
    return digest(encode(operators).tobytes())[:24]


def launched(designs: Designs, operators: Sequence[Operator], memory: Memory, device: Any) -> Any:
    """Return operators as one launch; LaunchError where the designs refuse them."""
    if len(operators) == 1:
        return designs.launch(operators[0], memory, device)
    return cast(Any, designs).launch_sequence(operators, memory, device)


def load_designs(modules: Mapping[str, str] = DESIGNS) -> dict[str, Designs]:
    """Return the modules of the configurations by name, those that this version has."""
    return {name: cast(Designs, import_module(path)) for name, path in modules.items() if find_spec(path) is not None}


def items(work: Work, designs: Mapping[str, Designs]) -> tuple[list[Item], list[str]]:
    """Return the launches of all sequences, each once, and the operators that no design computes, as words."""
    found: dict[tuple[str, str], Item] = {}
    lacking: dict[str, None] = {}
    for sequence in work.sequences:
        for piece in sequence.pieces:
            some = (operator for operator in piece if not isinstance(operator, Nop))
            chosen = ((configuration_of(operator, sequence.part, designs), operator) for operator in some)
            for name, run in groupby(chosen, lambda pair: pair[0]):
                operators = tuple(operator for _, operator in run)
                if name is None:
                    lacking |= dict.fromkeys(
                        f"{type(operator).__name__} of the {sequence.part}" for operator in operators
                    )
                else:
                    item = Item(name, operators, sequence.parameters)
                    together = hasattr(designs[name], "launch_sequence")
                    for each in [item] if together else item.apart():
                        found.setdefault((name, each.key), each)
    return list(found.values()), list(lacking)


def configuration_of(operator: Operator, part: Part, designs: Mapping[str, Designs]) -> str | None:
    """Return the configuration that computes an operator of a part; None where there is none."""
    return next((name for name in CHOICES[part] if name in designs and type(operator) in designs[name].COVERS), None)


class Places:
    """Buffers of a size, for launches that are made and not run: their memory is never touched.

    Args:
        buffer_bytes: of the five buffers.

    """

    def __init__(self, buffer_bytes: Sequence[int]) -> None:
        if len(buffer_bytes) != N_BUFFERS:
            raise CompileError(f"{len(buffer_bytes)} sizes of buffers; a dispatch has {N_BUFFERS}")
        self._buffers: list[NDArray[np.uint8]] = [np.zeros(n_bytes, np.uint8) for n_bytes in buffer_bytes]

    def memory(self, parameters: Mapping[int, int]) -> Memory:
        """Return the memory in which the parameters have these values."""
        block = self._buffers[Buffer.INPUT][:PARAMETERS_BYTES].view(np.int32)
        block[:] = 0
        for index, value in parameters.items():
            block[index] = value
        return Memory(self._buffers)
