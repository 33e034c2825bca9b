"""Memory of a core for tests of the C++ kernels: aligned arrays that end where their last element does."""

from __future__ import annotations

import ctypes
import shutil
import weakref
from typing import Any, Final

import numpy as np
import pytest
from numpy.typing import NDArray

from amanuensis.kernels.dtypes import BFLOAT16, to_bf16
from amanuensis.kernels.entries import NAMES, Entry, dtype_of, entry, is_array, size_of, sizes_of
from amanuensis.kernels.host.call import bind, power_up

needs_compiler: Final = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
exact_too: Final = pytest.mark.parametrize("speed", ["object", pytest.param("exact", marks=pytest.mark.long)])
ARCHITECTURES: Final = ("npu1", "npu2")
ALIGNMENT_BYTES: Final = 64
POISON: Final = 0xCD
SMALLEST: Final = {"m": 4, "k": 8, "n": 32, "d": 16}
USUAL: Final = {"m": 16, "k": 64, "n": 64, "d": 64}  # as many accumulators as the kernels hold at a time
ODD: Final = {"m": 12, "k": 24, "n": 96, "d": 48}
SCALARS: Final = {
    "gemm_int8_finish_bf16": (3,),
    "gemm_int8_finish_f32": (3,),
    "gemm_int8_requantise": (20,),
    "gemm_bf16_finish_bf16": (3,),
    "gemm_bf16_finish_f32": (3,),
    "quantise_rows": (1,),
    "softmax": (5, 1),
    "attention_block": (30, 1, 32),
    "attention_weights": (30, 1, 32),
    "attention_query": (0,),
    "energy": (1,),
    "energy_frames": (1, 16, 0x3D800000, 0),
    "select_keep": (0,),
    "log_mel_frames": (0,),
    "log_mel_transform": (1,),
    "log_mel_begin": (7,),
}
_LIBC: Final = ctypes.CDLL(None)


def empty(shape: int | tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Return a poisoned array at a multiple of 64 bytes, from the C library, so that sanitizers know where it ends."""
    count = int(np.prod(shape))
    n_bytes = count * np.dtype(dtype).itemsize
    place = ctypes.c_void_p()
    assert _LIBC.posix_memalign(ctypes.byref(place), ctypes.c_size_t(ALIGNMENT_BYTES), ctypes.c_size_t(n_bytes)) == 0
    assert place.value is not None
    memory = (ctypes.c_uint8 * n_bytes).from_address(place.value)
    weakref.finalize(memory, _LIBC.free, ctypes.c_void_p(place.value))
    memory_bytes = np.frombuffer(memory, np.uint8)
    memory_bytes[:] = POISON
    return memory_bytes.view(dtype).reshape(shape)


def placed(values: NDArray[Any]) -> NDArray[Any]:
    """Return a copy of an array in such memory."""
    copy = empty(values.shape, values.dtype)
    copy[...] = values
    return copy


def fresh(name: str, architecture: str = "npu1", **sizes: int) -> Any:
    """Return an entry point that is called as the first of a core after power-up."""
    point = entry(name, **sizes)
    call = bind(point, architecture)

    def first(*arguments: NDArray[Any] | int) -> None:
        power_up(point, architecture)
        call(*arguments)

    return first


def sizes_for(name: str, sizes: dict[str, int]) -> dict[str, int]:
    """Return those sizes that an entry point takes."""
    return {key: sizes[key] for key in sizes_of(name)}


def every_point(sizes: dict[str, int]) -> list[Entry]:
    """Return every entry point at given sizes."""
    return [entry(name, **sizes_for(name, sizes)) for name in NAMES]


def run_every_kernel(architecture: str, sizes: dict[str, int], *, sanitize: bool) -> None:
    """Call every entry point with arrays of exactly its sizes."""
    for point in every_point(sizes):
        bind(point, architecture, sanitize=sanitize)(*random_arrays(point), *SCALARS.get(point.name, ()))


def random_arrays(point: Entry) -> list[NDArray[Any]]:
    """Return arrays for an entry point, the same for each call: integers of the full range, floats above 0."""
    random = np.random.default_rng(0)
    return [placed(_some(random, argument)) for argument in point.arguments if is_array(argument)]


def _some(random: np.random.Generator, argument: Any) -> NDArray[Any]:
    dtype, size = dtype_of(argument), size_of(argument)
    if np.issubdtype(dtype, np.integer):
        return random.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, size, dtype, endpoint=True)
    values = random.uniform(0.5, 2, size).astype(np.float32)
    return to_bf16(values) if dtype == BFLOAT16 else values
