"""Entry points of the kernels as functions of NumPy arrays."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.entries import Entry, dtype_of, is_array, size_of
from amanuensis.kernels.host.build import ARCHITECTURE_FLAGS, load

Bound: TypeAlias = Callable[..., None]


class CallError(ValueError):
    """Arguments that an entry point does not take."""


def bind(entry: Entry, architecture: str = "npu1", *, sanitize: bool = False) -> Bound:
    """Return a function that calls an entry point, built for this machine.

    The function takes contiguous arrays of the dtypes and sizes that the entry point names, of any shape, which it
    writes in place, and ints for scalars. Each thread is a core: its rounding and saturation are kept from call to
    call; `power_up` resets them.

    Raises:
        BuildError: it cannot be built.
        CallError: (by the function) an argument of another dtype, size or order, or too many or few.

    """
    library = load(entry.source, (*ARCHITECTURE_FLAGS[architecture], *entry.flags), sanitize=sanitize)
    function = getattr(library, entry.name)
    function.restype = None

    def call(*arguments: NDArray[Any] | int) -> None:
        if len(arguments) != len(entry.arguments):
            raise CallError(f"{entry.name} takes {len(entry.arguments)} arguments; {len(arguments)} were given")
        function(*(_passed(entry, place, argument) for place, argument in enumerate(arguments)))

    return call


def power_up(entry: Entry, architecture: str = "npu1", *, rounding: int = 0, saturation: int = 0) -> None:
    """Bring the modes of the calling thread's core to what they are after power-up (floor, no saturation), or others.

    Args:
        entry: whose library.
        architecture: that it was bound for.
        rounding: a value of `aie::rounding_mode`, as `include/aie_api/modes.hpp` counts them.
        saturation: a value of `aie::saturation_mode`.

    """
    load(entry.source, (*ARCHITECTURE_FLAGS[architecture], *entry.flags)).shim_set_modes(rounding, saturation)


def _passed(entry: Entry, place: int, argument: NDArray[Any] | int) -> ctypes.c_void_p | ctypes.c_int32:
    expected = entry.arguments[place]
    where = f"argument {place} of {entry.name}"
    if not is_array(expected):
        if not isinstance(argument, int | np.integer) or not -(1 << 31) <= argument < 1 << 31:
            raise CallError(f"{where} is {argument!r}; an int32 was expected")
        return ctypes.c_int32(int(argument))
    dtype, size = dtype_of(expected), size_of(expected)
    if not isinstance(argument, np.ndarray):
        raise CallError(f"{where} is a {type(argument).__name__}; an array of {size} {dtype} was expected")
    if argument.dtype != dtype or argument.size != size or not argument.flags.c_contiguous:
        kind = "contiguous" if argument.flags.c_contiguous else "strided"
        raise CallError(f"{where} is {argument.size} {kind} {argument.dtype}; {size} contiguous {dtype} were expected")
    return ctypes.c_void_p(argument.ctypes.data)
