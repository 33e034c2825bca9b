"""What is to be compiled: sequences of operators with the sizes of their buffers, and which configuration does what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
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
CHOICES: Final[dict[Part, tuple[str, ...]]] = {"encoder": ("attention", "products"), "decoder": ("decoder",)}
DESIGNS: Final = {name: f"amanuensis.kernels.designs.{name}_launch" for name in ("products", "attention", "decoder")}


class Designs(Protocol):
    """What the module of a configuration has."""

    COVERS: frozenset[type[Operator]]

    def launch(self, operator: Operator, memory: Memory, device: Any) -> Any:
        """Return the `kernels.designs.launch.Launch` of an operator."""


@dataclass(frozen=True, slots=True)
class Dispatched:
    """Operators that are dispatched together.

    Attributes:
        part: of the model.
        operators: in order.
        parameters: values of the run-time parameters by index, with which instructions are made.

    """

    part: Part
    operators: tuple[Operator, ...]
    parameters: Mapping[int, int]


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
        operator: that it computes.
        parameters: values of the run-time parameters.

    """

    configuration: str
    operator: Operator
    parameters: Mapping[int, int]

    @cached_property
    def key(self) -> str:
        """Name of the launch: the hash of the operator as it is encoded."""
        return operator_key(self.operator)


def operator_key(operator: Operator) -> str:
    """Return the name under which a launch of an operator is found: a hash of its encoding."""
    return digest(encode([operator]).tobytes())[:24]


def load_designs(modules: Mapping[str, str] = DESIGNS) -> dict[str, Designs]:
    """Return the modules of the configurations by name, those that this version has."""
    return {name: cast(Designs, import_module(path)) for name, path in modules.items() if find_spec(path) is not None}


def items(work: Work, designs: Mapping[str, Designs]) -> tuple[list[Item], list[str]]:
    """Return the launches of all sequences, each once, and the operators that no design computes, as words."""
    found: dict[tuple[str, str], Item] = {}
    lacking: dict[str, None] = {}
    for sequence in work.sequences:
        for operator in sequence.operators:
            if isinstance(operator, Nop):
                continue
            name = next(
                (c for c in CHOICES[sequence.part] if c in designs and type(operator) in designs[c].COVERS), None
            )
            if name is None:
                lacking[f"{type(operator).__name__} of the {sequence.part}"] = None
                continue
            item = Item(name, operator, sequence.parameters)
            found.setdefault((name, item.key), item)
    return list(found.values()), list(lacking)


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
