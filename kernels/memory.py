"""The device memory as operators see it: tensors at regions of byte buffers, with every bound and alignment checked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from amanuensis.kernels.operands import (
    ALIGNMENT_BYTES,
    N_BUFFERS,
    PARAMETERS_BYTES,
    Buffer,
    Count,
    Region,
)


class OperandError(ValueError):
    """An operand that the device would read or write wrongly: out of bounds, unaligned, or of an impossible size."""


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes [start, stop) of a buffer."""

    buffer: int
    start: int
    stop: int


class Memory:
    """The buffers of one dispatch, and what was done to them since `start_operator`.

    Attributes:
        bytes_read: bytes of the tensors taken with `read`.
        written: spans of the tensors taken with `write`, in order.

    """

    def __init__(self, buffers: Sequence[NDArray[np.uint8] | memoryview]) -> None:
        if len(buffers) != N_BUFFERS:
            raise OperandError(f"a dispatch takes {N_BUFFERS} buffers, and {len(buffers)} were given")
        self._buffers = tuple(_as_bytes(buffer, place) for place, buffer in enumerate(buffers))
        block = self._buffers[Buffer.INPUT][:PARAMETERS_BYTES]
        if block.size < PARAMETERS_BYTES:
            raise OperandError(f"INPUT has {block.size} bytes; the parameters alone take {PARAMETERS_BYTES}")
        self._parameters: list[int] = block.view(np.int32).tolist()
        self.start_operator()

    @property
    def sizes(self) -> tuple[int, ...]:
        """Bytes of each buffer."""
        return tuple(buffer.size for buffer in self._buffers)

    def start(self, region: Region, name: str) -> int:
        """Return the byte of its buffer at which a region begins; OperandError when it is not aligned."""
        return self._span(region, 0, name).start

    def start_operator(self) -> None:
        """Forget what was counted."""
        self.bytes_read = 0
        self.written: list[Span] = []

    def count(self, count: Count, name: str) -> int:
        """Return a size; OperandError when a parameter holds less than 0 or more than its limit."""
        if isinstance(count, int):
            return count
        value = self._parameters[count.index]
        if not 0 <= value <= count.limit:
            raise OperandError(f"{name} is parameter {count.index} = {value}; allowed are 0 to {count.limit}")
        return value

    def room(self, _count: Count) -> int | None:
        """Return the size for which a launch is laid out, where another one may be put into its words; here none is."""
        return None

    def parameter(self, index: int) -> int:
        """Return the value of a run-time parameter, as it is."""
        return self._parameters[index]

    def read(
        self, region: Region, dtype: DTypeLike, shape: tuple[int, ...], name: str, *, pitch: int = 0
    ) -> NDArray[Any]:
        """Return a tensor to read, as a view of the buffer.

        Args:
            region: where it starts.
            dtype: of its elements.
            shape: of the tensor.
            name: for errors.
            pitch: bytes from row to row of a tensor of two dimensions, 0 for rows without gaps.

        Raises:
            OperandError: it is not inside its buffer, or not aligned.

        """
        _, view = self._tensor(region, np.dtype(dtype), shape, name, pitch)
        self.bytes_read += view.nbytes
        return view

    def write(
        self, region: Region, dtype: DTypeLike, shape: tuple[int, ...], name: str, *, pitch: int = 0
    ) -> NDArray[Any]:
        """Return a tensor to write, as a view of the buffer; arguments and errors as for `read`."""
        span, view = self._tensor(region, np.dtype(dtype), shape, name, pitch)
        self.written += _rows_of(span, pitch, view)
        return view

    def gather(
        self, region: Region, dtype: DTypeLike, shape: tuple[int, int], places: NDArray[np.integer], name: str
    ) -> NDArray[Any]:
        """Return rows of a table, as a copy; only they count as read. OperandError also when the table lacks one."""
        if places.size and not (places.min() >= 0 and places.max() < shape[0]):
            raise OperandError(f"row {places.max()} or {places.min()} of {name}, which has {shape[0]}")
        _, table = self._tensor(region, np.dtype(dtype), shape, name, 0)
        rows = np.asarray(table[places])
        self.bytes_read += rows.nbytes
        return rows

    def _tensor(
        self, region: Region, kind: np.dtype[Any], shape: tuple[int, ...], name: str, pitch: int
    ) -> tuple[Span, NDArray[Any]]:
        n_bytes = math.prod(shape) * kind.itemsize
        row_bytes = shape[-1] * kind.itemsize
        if pitch in (0, row_bytes) or not n_bytes:
            span = self._span(region, n_bytes, name)
            return span, self._buffers[span.buffer][span.start : span.stop].view(kind).reshape(shape)
        if pitch < row_bytes or pitch % kind.itemsize:
            raise OperandError(f"{name} has rows of {row_bytes} bytes at a pitch of {pitch}")
        span = self._span(region, (shape[0] - 1) * pitch + row_bytes, name)
        flat = self._buffers[span.buffer][span.start : span.stop]
        return span, np.lib.stride_tricks.as_strided(flat, (shape[0], row_bytes), (pitch, 1)).view(kind)

    def _span(self, region: Region, n_bytes: int, name: str) -> Span:
        start = region.offset
        if region.index is not None:
            start += self.count(region.index, f"the index of {name}") * region.stride
        if start % ALIGNMENT_BYTES:
            raise OperandError(f"{name} starts at byte {start}; tensors start at multiples of {ALIGNMENT_BYTES}")
        available = self._buffers[region.buffer].size
        if start + n_bytes > available:
            place = f"bytes {start} to {start + n_bytes} of {Buffer(region.buffer).name}"
            raise OperandError(f"{name} takes {place}, which has {available}")
        return Span(region.buffer, start, start + n_bytes)


def _rows_of(span: Span, pitch: int, view: NDArray[Any]) -> list[Span]:
    """Return the spans of the rows of a tensor with gaps, or the one span of a tensor without."""
    n_bytes = span.stop - span.start
    if view.nbytes == n_bytes:
        return [span]
    row_bytes = view.nbytes // view.shape[0]
    return [Span(span.buffer, start, start + row_bytes) for start in range(span.start, span.stop, pitch)]


def _as_bytes(buffer: NDArray[np.uint8] | memoryview, place: int) -> NDArray[np.uint8]:
    flat = buffer if isinstance(buffer, np.ndarray) else np.frombuffer(buffer, np.uint8)
    if flat.dtype != np.uint8 or flat.ndim != 1 or not flat.flags.c_contiguous:
        raise OperandError(f"{Buffer(place).name} is no contiguous run of bytes")
    return flat
