"""The entry points of the C++ kernels: where each is, what it takes at which tile sizes, and what it needs of a core.

Designs and the simulator reach the kernels by this table only. Array arguments are given as IRON names them,
`np.ndarray[(size,), np.dtype[T]]`, flat; scalars are `np.int32`. What each entry point computes is defined by a
function of `amanuensis.kernels.reference` that its source names; packed operands lie as `kernels.layout` says.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_args

import numpy as np

from amanuensis.kernels.entries_rows import ROW_KERNELS
from amanuensis.kernels.entry_table import Argument, Kernel, Point, Size, bf16, f32, i8, i32
from amanuensis.kernels.reference.attention import KEY_BLOCK

SOURCES: Final = Path(__file__).resolve().parent / "aie2"
L1_BYTES: Final = 65536  # data memory of a core: mlir-aie `AIETargetModel.h`, commit 3ca0193
MODE_GELU: Final = 1  # bits of the mode that ends a matrix product, as in aie2/epilogue.h
MODE_RESIDUAL: Final = 2


class EntryError(ValueError):
    """An entry point that does not exist, or not at these sizes."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry point at given tile sizes.

    Attributes:
        name: the `extern "C"` function.
        source: the C++ file.
        arguments: the type of each argument, in order.
        flags: what the compiler must be told.
        stack_bytes: of a core's stack that it may take; a test holds the host's build to it.

    """

    name: str
    source: Path
    arguments: tuple[Argument, ...]
    flags: tuple[str, ...]
    stack_bytes: int

    @property
    def argument_bytes(self) -> int:
        """Bytes of the arrays that it takes, each once."""
        return sum(size_of(argument) * dtype_of(argument).itemsize for argument in self.arguments if is_array(argument))


def is_array(argument: Argument) -> bool:
    """Return whether an argument is an array; else it is a scalar, np.int32."""
    return argument is not np.int32


def size_of(argument: Argument) -> int:
    """Return the number of elements of an array argument."""
    shape: tuple[int, ...] = get_args(argument)[0]
    return int(np.prod(shape))


def dtype_of(argument: Argument) -> np.dtype[Any]:
    """Return the dtype of an array argument's elements."""
    element: type[Any] = get_args(get_args(argument)[1])[0]
    return np.dtype(element)


_TILE: Final = {"m": Size("DIM_M", 4), "k": Size("DIM_K", 8), "n": Size("DIM_N", 16)}
_ROWS: Final = {"m": Size("DIM_M", 1), "n": Size("DIM_N", 16)}
_HEAD: Final = {"m": Size("DIM_M", 4), "d": Size("DIM_D", 16)}

# (sums, scales of rows, scales and bias of columns, residual, result, mode); with bf16 operands there are no scales.
_INT8_ENDS: Final = (i32("m", "n"), f32("m"), f32("n", factor=2), f32("m", "n"))
_BF16_ENDS: Final = (f32("m", "n"), f32("n"), f32("m", "n"))
_STATE: Final = (f32("m", factor=2), f32("m", "d"))
_KEYS: Final = bf16("d", factor=KEY_BLOCK)
_SCORES: Final = f32("m", factor=KEY_BLOCK)

_KERNELS: Final = (
    Kernel(
        "gemm_int8.cc",
        _TILE,
        {
            "gemm_int8_zero": Point((i32("m", "n"),), 0, 512),
            "gemm_int8_mac": Point((i8("m", "k"), i8("k", "n"), i32("m", "n")), 0, 2048),
            "gemm_int8_finish_bf16": Point((*_INT8_ENDS, bf16("m", "n")), 1, 1024),
            "gemm_int8_finish_f32": Point((*_INT8_ENDS, f32("m", "n")), 1, 1024),
            "gemm_int8_requantise": Point((i32("m", "n"), i32("n", factor=2), i8("m", "n")), 1, 1536),
        },
    ),
    Kernel(
        "gemm_bf16.cc",
        _TILE,
        {
            "gemm_bf16_zero": Point((f32("m", "n"),), 0, 512),
            "gemm_bf16_mac": Point((bf16("m", "k"), bf16("k", "n"), f32("m", "n")), 0, 2048),
            "gemm_bf16_finish_bf16": Point((*_BF16_ENDS, bf16("m", "n")), 1, 1024),
            "gemm_bf16_finish_f32": Point((*_BF16_ENDS, f32("m", "n")), 1, 1024),
        },
    ),
    Kernel(
        "quantise_rows.cc",
        {**_ROWS, "m": Size("DIM_M", 4)},
        {"quantise_rows": Point((bf16("m", "n"), f32("n"), i8("m", "n"), f32("m")), 1, 1024)},
    ),
    Kernel(
        "layer_norm.cc",
        _ROWS,
        {"layer_norm": Point((f32("m", "n"), f32("n", factor=2), bf16("m", "n")), 0, 1024)},
    ),
    Kernel(
        "softmax.cc",
        _ROWS,
        {"softmax": Point((bf16("m", "n"), f32("n"), bf16("m", "n")), 2, 1024)},
    ),
    Kernel(
        "attention.cc",
        _HEAD,
        {
            "attention_begin": Point(_STATE, 0, 512),
            "attention_block": Point((bf16("m", "d"), _KEYS, _KEYS, _SCORES, *_STATE), 3, 2048),
            "attention_finish": Point((*_STATE, bf16("m", "d")), 0, 1024),
            "attention_weights": Point((bf16("m", "d"), _KEYS, _STATE[0], _SCORES, _SCORES), 3, 2048),
        },
    ),
    Kernel(
        "attention_query.cc",
        _HEAD,
        {"attention_query": Point((_KEYS, bf16("m", "d")), 1, 512)},
    ),
    Kernel(
        "gelu.cc",
        {"n": Size("DIM_N", 16, 32768)},
        {"gelu": Point((bf16("n"), bf16("n")), 0, 1024)},
    ),
    Kernel(
        "rows.cc",
        {"n": Size("DIM_N", 32, 32768)},
        {
            "add_rows": Point((f32("n"), f32("n"), f32("n")), 0, 512),
            "copy_rows": Point((i8("n"), i8("n")), 0, 512),
        },
    ),
    *ROW_KERNELS,
)

NAMES: Final = tuple(name for kernel in _KERNELS for name in kernel.points)


def entry(name: str, **sizes: int) -> Entry:
    """Return an entry point at tile sizes, for example `entry("gemm_int8_mac", m=32, k=64, n=64)`.

    Raises:
        EntryError: no such entry point, a size that it does not have or lacks, a size that is no multiple or above the
            limit, or arguments that do not fit the memory of a core.

    """
    kernel = next((kernel for kernel in _KERNELS if name in kernel.points), None)
    if kernel is None:
        raise EntryError(f"there is no entry point {name}; there are {', '.join(NAMES)}")
    if sizes.keys() != kernel.sizes.keys():
        raise EntryError(f"{name} takes the sizes {', '.join(kernel.sizes)}; given are {', '.join(sizes) or 'none'}")
    for key, size in kernel.sizes.items():
        if not 0 < sizes[key] <= size.limit or sizes[key] % size.multiple:
            raise EntryError(
                f"{name}: {key} is {sizes[key]}; allowed are multiples of {size.multiple} up to {size.limit}"
            )
    point = kernel.points[name]
    flags = tuple(f"-D{size.macro}={sizes[key]}" for key, size in kernel.sizes.items())
    arguments = (*(array.type_at(sizes) for array in point.arrays), *(np.int32,) * point.scalars)
    made = Entry(name, SOURCES / kernel.source, arguments, flags, point.stack_bytes)
    needed = made.argument_bytes + made.stack_bytes
    if needed > L1_BYTES:
        raise EntryError(f"{name} at {sizes} needs {needed} bytes of a core's memory, which has {L1_BYTES}")
    return made


def sizes_of(name: str) -> tuple[str, ...]:
    """Return the names of the sizes of an entry point.

    Raises:
        EntryError: no such entry point.

    """
    for kernel in _KERNELS:
        if name in kernel.points:
            return tuple(kernel.sizes)
    raise EntryError(f"there is no entry point {name}; there are {', '.join(NAMES)}")
