"""Types of arrays as IRON writes them: `np.ndarray[(shape...), np.dtype[T]]`."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, Final, TypeAlias, get_args, get_origin

import numpy as np

from amanuensis.kernels.dtypes import BFLOAT16
from amanuensis.kernels.sim.errors import DesignError

ArrayType: TypeAlias = Any  # an alias of np.ndarray, which has no type of its own
WORD_BYTES: Final = 4  # what a DMA can address (aie AIETargetModel.h, getAddressGenGranularity: 32 bits)
_DTYPES: Final = frozenset(np.dtype(t) for t in "bBhHiIf") | {BFLOAT16}


@dataclass(frozen=True, slots=True)
class Array:
    """Shape and element type of an object or a tensor."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def elements(self) -> int:
        """How many elements it has."""
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        """How many bytes it has."""
        return self.elements * self.dtype.itemsize

    def __str__(self) -> str:
        return f"{'x'.join(map(str, self.shape))} {self.dtype.name}"


def is_array_type(value: object) -> bool:
    """Say whether a value is `np.ndarray[(shape...), np.dtype[T]]`."""
    return get_origin(value) is np.ndarray


def is_scalar_type(value: object) -> bool:
    """Say whether a value is a NumPy scalar type such as np.int32."""
    return isinstance(value, type) and issubclass(value, np.generic)


def array_of(kind: ArrayType) -> Array:
    """Return the shape and element type that a type of arrays states.

    Raises:
        DesignError: it is no type of arrays, a size is not positive, or the cores lack the element type.

    """
    if not is_array_type(kind):
        raise DesignError(f"{kind!r} is no type of arrays; write np.ndarray[(shape...), np.dtype[T]]")
    shape, element = get_args(kind)
    dtype = np.dtype(get_args(element)[0])
    if not isinstance(shape, tuple) or not shape or not all(isinstance(n, int | np.integer) and n > 0 for n in shape):
        raise DesignError(f"the shape of an array type is a tuple of positive sizes, not {shape!r}")
    if dtype not in _DTYPES:
        raise DesignError(f"elements of type {dtype} do not exist on the cores; use 8, 16 or 32 bits or bfloat16")
    return Array(tuple(int(n) for n in shape), dtype)


def array_type(array: Array) -> ArrayType:
    """Return the type that states an array."""
    return np.ndarray[array.shape, np.dtype[array.dtype.type]]  # type: ignore[name-defined]
