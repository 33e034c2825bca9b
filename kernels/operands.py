"""What operators refer to: regions of buffers, sizes known at build or at run time, and what ends a matrix product."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Literal, TypeAlias

from amanuensis.kernels.words import Offset, OpError

N_BUFFERS: Final = 5
N_PARAMETERS: Final = 256  # int32 words at the start of INPUT
PARAMETERS_BYTES: Final = 4 * N_PARAMETERS
ALIGNMENT_BYTES: Final = 64  # of every tensor: a cache line of the host and a burst of the array's DMA
MAX_COUNT: Final = 1 << 20


class Buffer(IntEnum):
    """The buffers of every dispatch, in the order of the sequence's arguments."""

    WEIGHTS = 0
    SCRATCH = 1
    CACHE = 2
    INPUT = 3
    OUTPUT = 4


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number that the host writes into the parameters at the start of INPUT before each dispatch.

    Attributes:
        index: which of the N_PARAMETERS words.
        limit: the largest value that the design has room for.

    """

    index: int
    limit: int = MAX_COUNT

    def __post_init__(self) -> None:
        if not 0 <= self.index < N_PARAMETERS:
            raise OpError(f"parameter {self.index} does not exist; there are 0 to {N_PARAMETERS - 1}")
        if not 0 <= self.limit <= MAX_COUNT:
            raise OpError(f"the limit of parameter {self.index} is {self.limit}; allowed are 0 to {MAX_COUNT}")


Count: TypeAlias = int | Parameter
Dtype: TypeAlias = Literal["bf16", "f32"]


@dataclass(frozen=True, slots=True)
class Region:
    """The start of a tensor: `offset + parameters[index] * stride` bytes into a buffer.

    Attributes:
        buffer: one of Buffer.
        offset: bytes.
        index: a parameter that moves the region, or None.
        stride: bytes for each step of the parameter.

    """

    buffer: int
    offset: Offset
    index: Parameter | None = None
    stride: Offset = 0

    def __post_init__(self) -> None:
        if not 0 <= self.buffer < N_BUFFERS:
            raise OpError(f"a region lies in buffer {self.buffer}; there are 0 to {N_BUFFERS - 1}")
        if self.offset < 0 or self.stride < 0:
            raise OpError(f"a region has offset {self.offset} and stride {self.stride}; neither may be below 0")


@dataclass(frozen=True, slots=True)
class Epilogue:
    """What happens to the sums of a matrix product before they leave the core, in this order, in float32.

    Attributes:
        gelu: apply GELU (after the bias).
        residual: float32 [rows, n] that is added last, or None; it may be the destination itself.
        out: dtype of the destination, [rows, n] row-major; rounded to nearest, ties to even.

    """

    gelu: bool = False
    residual: Region | None = None
    out: Dtype = "bf16"
