"""What the emulator needs of `amanuensis.kernels`: programs in files, and a machine that executes their operators."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class OperatorWork(Protocol):
    """What one operator did."""

    @property
    def name(self) -> str: ...

    @property
    def us(self) -> float: ...


class Work(Protocol):
    """What a dispatch did."""

    @property
    def operators(self) -> Sequence[OperatorWork]: ...


class Program(Protocol):
    """A loaded container."""

    @property
    def architecture(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def uuid(self) -> str: ...

    @property
    def n_buffers(self) -> int: ...


def load(path: str) -> Program:
    """Load a container; RuntimeError where there is none."""
    from amanuensis.kernels import program

    try:
        return program.load(Path(path))
    except (OSError, ValueError) as error:
        raise RuntimeError(str(error)) from error


def execute(program: Any, words: NDArray[np.uint32], buffers: Sequence[NDArray[np.uint8]]) -> Work:
    """Execute a stream of instructions on device memory; ValueError where no machine could."""
    from amanuensis.kernels import machine

    return machine.execute(program, words, buffers)
