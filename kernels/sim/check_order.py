"""Limits on the orders in which DMAs go through memory: dims of fifos and patterns of the sequence.

`DMABDOp::verify` (mlir-aie `lib/Dialect/AIE/IR/AIEDialect.cpp`) holds descriptors of core and memory tiles, and
`AIEX::verifyStridesWraps` (`lib/Dialect/AIEX/IR/AIEXDialect.cpp`) those of the sequence; widths of fields in `limits`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Final

from amanuensis.kernels.sim import limits
from amanuensis.kernels.sim.errors import DesignError
from amanuensis.kernels.sim.fifo import StreamDims
from amanuensis.kernels.sim.plan import Channel, Pool
from amanuensis.kernels.sim.runtime import Transfer
from amanuensis.kernels.sim.types import WORD_BYTES
from amanuensis.kernels.sim.walk import word_dims, word_indices

VERIFIED_SIZE: Final = 512  # in elements; the verifier says 1023 and compares with (1 << 9) + 1
VERIFIED_STRIDE: Final = 1 << 19  # in elements


def channel_problems(channel: Channel, pool: Pool) -> Iterator[str]:
    """Yield what is wrong with the descriptors of a channel."""
    most = limits.of(channel.place.kind)
    itemsize = pool.array.dtype.itemsize
    for part in channel.parts:
        offset, size = pool.parts[part]
        if size % WORD_BYTES or offset % WORD_BYTES:
            yield f"{size} B at {offset} are not whole words of {WORD_BYTES} B"
        elif size // WORD_BYTES > most.words:
            yield f"a descriptor moves {size // WORD_BYTES} words; the limit is {most.words}"
        elif channel.dims is not None:
            yield from dims_problems(channel.dims, size // itemsize, itemsize, most)


def dims_problems(dims: StreamDims, elements: int, itemsize: int, most: limits.TileLimits) -> Iterator[str]:
    """Yield what is wrong with an order over an object's part of so many elements."""
    if len(dims) > most.dims:
        yield f"{len(dims)} dimensions; the limit is {most.dims}"
        return
    if any(len(pair) != 2 for pair in dims):
        yield f"dims are pairs of size and stride, not {dims}"
        return
    sizes, strides = [pair[0] for pair in dims], [pair[1] for pair in dims]
    if min(sizes) < 1 or min(strides) < 1:
        yield f"sizes and strides are at least 1, not {dims}"
        return
    if prod(sizes) != elements:
        yield f"dims {dims} move {prod(sizes)} elements of {elements}"
    last = sum((size - 1) * stride for size, stride in dims)
    if last >= elements:
        yield f"dims {dims} reach element {last} of {elements}"
    for size, stride in dims:
        if size > VERIFIED_SIZE:
            yield f"a size of {size}; the limit is {VERIFIED_SIZE}"
        if stride >= VERIFIED_STRIDE or stride > elements:
            yield f"a stride of {stride} elements; the limit is {min(VERIFIED_STRIDE - 1, elements)}"
    yield from _field_problems(sizes, strides, itemsize, most)


def _field_problems(
    sizes: Sequence[int], strides: Sequence[int], itemsize: int, most: limits.TileLimits
) -> Iterator[str]:
    """Yield what does not fit the fields of a descriptor; its outermost size has none, the length implies it."""
    try:
        words = word_dims(sizes, strides, itemsize)
    except DesignError as error:
        yield str(error)
        return
    for size, _ in words[-(most.dims - 1) :]:
        if size > most.wrap:
            yield f"a wrap of {size}; the limit is {most.wrap}"
    for size, stride in words:
        if size > 1 and stride > most.step:
            yield f"a step of {stride} words; the limit is {most.step}"


def transfer_problems(transfer: Transfer) -> Iterator[str]:
    """Yield what is wrong with a transfer of the sequence."""
    array, most = transfer.data._array, limits.of("shim")
    sizes, strides = transfer.sizes, transfer.strides
    last = transfer.offset + sum((n - 1) * s for n, s in zip(sizes, strides, strict=True))
    if last >= array.elements:
        yield f"it reaches element {last} of a tensor of {array.elements}"
    if transfer.offset * array.dtype.itemsize % WORD_BYTES:
        yield f"its offset of {transfer.offset} elements is not at a whole word of {WORD_BYTES} B"
    for size, stride in list(zip(sizes, strides, strict=True))[1:]:
        if size > 1 and stride == 0:
            yield f"a stride of 0 in sizes {list(sizes)}, strides {list(strides)}; only the outermost may be 0"
            return
    if sizes[0] > limits.ITERATIONS:
        yield f"{sizes[0]} iterations; the limit is {limits.ITERATIONS}"
    if array.dtype.itemsize < WORD_BYTES and strides[0] * array.dtype.itemsize % WORD_BYTES:
        yield f"an iteration step of {strides[0]} elements is not whole words of {WORD_BYTES} B"
    if strides[0] * array.dtype.itemsize // WORD_BYTES > most.step:
        yield f"an iteration step of {strides[0]} elements; the limit is {most.step} words"
    try:
        linear = word_indices(sizes[1:], strides[1:], array.dtype.itemsize) is None if last < array.elements else True
    except DesignError as error:
        yield str(error)
        return
    if not linear:
        yield from _field_problems(sizes[1:], strides[1:], array.dtype.itemsize, most)
