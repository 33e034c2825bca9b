"""bfloat16 beside float32: rounding to nearest with ties to even, as the device does in its mode conv_even."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

Float32: TypeAlias = NDArray[np.float32]
Bf16: TypeAlias = NDArray[Any]  # dtype BFLOAT16, which NumPy's own types do not name
Int8: TypeAlias = NDArray[np.int8]

BFLOAT16: Final[np.dtype[Any]] = np.dtype(ml_dtypes.bfloat16)


def to_bf16(values: Float32) -> Bf16:
    """Return float32 values rounded to bfloat16, same shape."""
    return values.astype(BFLOAT16)


def to_f32(values: Bf16) -> Float32:
    """Return bfloat16 values as float32, same shape, exactly."""
    return values.astype(np.float32)


def rounded(values: Float32) -> Float32:
    """Return float32 values rounded to what bfloat16 can hold, same shape."""
    return to_f32(to_bf16(values))
