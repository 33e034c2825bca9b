"""Types of arrays as IRON wants them."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

ArrayType: TypeAlias = Any  # an alias of np.ndarray, which has no type of its own


def array_type(shape: tuple[int, ...], dtype: Any) -> ArrayType:
    """Return `np.ndarray[shape, np.dtype[dtype]]`; dtype is a scalar type such as np.int8."""
    return np.ndarray[shape, np.dtype[dtype]]  # type: ignore[valid-type]
