"""What the tables of entry points are made of: sizes, arrays whose lengths follow from them, and points with both."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import GenericAlias
from typing import Any, TypeAlias

import numpy as np

from amanuensis.kernels.dtypes import BFLOAT16

Argument: TypeAlias = Any  # a type: np.int32, or np.ndarray[(size,), np.dtype[T]]


@dataclass(frozen=True, slots=True)
class Size:
    """A size that a kernel is compiled for: a multiple of something, and at most something."""

    macro: str
    multiple: int
    limit: int = 4096


@dataclass(frozen=True, slots=True)
class Array:
    """An array argument: how many elements, as the product of a number and sizes by name."""

    element: type[Any]
    factor: int
    sizes: tuple[str, ...]

    def type_at(self, sizes: Mapping[str, int]) -> Argument:
        """Return the type of the array at given sizes."""
        count = self.factor * math.prod(sizes[name] for name in self.sizes)
        return GenericAlias(np.ndarray, ((count,), GenericAlias(np.dtype, (self.element,))))


@dataclass(frozen=True, slots=True)
class Point:
    """An entry point: its arrays, how many int32 follow them, and its stack in bytes."""

    arrays: tuple[Array, ...]
    scalars: int
    stack_bytes: int


@dataclass(frozen=True, slots=True)
class Kernel:
    """A source: the sizes that it is compiled for, and its entry points by name."""

    source: str
    sizes: Mapping[str, Size]
    points: Mapping[str, Point]


def i8(*sizes: str, factor: int = 1) -> Array:
    """Return an array of int8."""
    return Array(np.int8, factor, sizes)


def i32(*sizes: str, factor: int = 1) -> Array:
    """Return an array of int32."""
    return Array(np.int32, factor, sizes)


def f32(*sizes: str, factor: int = 1) -> Array:
    """Return an array of float32."""
    return Array(np.float32, factor, sizes)


def bf16(*sizes: str, factor: int = 1) -> Array:
    """Return an array of bfloat16."""
    return Array(BFLOAT16.type, factor, sizes)
