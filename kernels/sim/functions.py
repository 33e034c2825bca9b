"""Kernels as functions of arrays: the x86 build of their C++, or a Python function in its place."""

from __future__ import annotations

import ctypes
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from amanuensis.kernels.host.build import ARCHITECTURE_FLAGS, load
from amanuensis.kernels.sim.device import AIEArch, Device
from amanuensis.kernels.sim.errors import DesignError
from amanuensis.kernels.sim.kernel import BaseKernel, ExternalFunction, Kernel
from amanuensis.kernels.sim.types import Array

Function = Callable[..., None]
_SCALARS: Final[dict[np.dtype[Any], Any]] = {
    np.dtype(np.int8): ctypes.c_int8,
    np.dtype(np.uint8): ctypes.c_uint8,
    np.dtype(np.int16): ctypes.c_int16,
    np.dtype(np.uint16): ctypes.c_uint16,
    np.dtype(np.int32): ctypes.c_int32,
    np.dtype(np.uint32): ctypes.c_uint32,
    np.dtype(np.float32): ctypes.c_float,
}


class Functions:
    """Finds the function of a kernel, once."""

    def __init__(self, device: Device, kernels: Iterable[BaseKernel], given: Mapping[str, Function]) -> None:
        """Take the kernels of a design: a Kernel of an object file is found in the source that is compiled to it."""
        self._flags = architecture_flags(device)
        self._objects = {k.object_file_name: k for k in kernels if isinstance(k, ExternalFunction)}
        self._given = given
        self._found: dict[BaseKernel, Function] = {}

    def of(self, kernel: BaseKernel) -> Function:
        """Return the function that a kernel stands for.

        Raises:
            DesignError: a Kernel of an object file for which no function was given, or a name its source lacks.
            BuildError: its source does not compile.

        """
        if kernel not in self._found:
            self._found[kernel] = self._given.get(kernel._name) or self._built(kernel)
        return self._found[kernel]

    def _built(self, kernel: BaseKernel) -> Function:
        source = kernel if isinstance(kernel, ExternalFunction) else self._objects.get(object_file(kernel))
        if source is None:
            raise DesignError(
                f"kernel {kernel._name} comes from {object_file(kernel)}, which no ExternalFunction of the design is "
                "compiled to; give its function to the simulation"
            )
        library = _library(source, self._flags)
        try:
            entry = getattr(library, kernel._name)
        except AttributeError:
            raise DesignError(f'kernel {kernel._name} is no extern "C" function of its source') from None
        return _callable(kernel, entry)


def object_file(kernel: BaseKernel) -> str:
    """Return the object file of a kernel, empty if it has none."""
    return kernel.object_file_name if isinstance(kernel, Kernel) else ""


def architecture_flags(device: Device) -> tuple[str, ...]:
    """Return what tells a kernel's source for which cores it is compiled."""
    return ARCHITECTURE_FLAGS["npu1" if device.arch is AIEArch.AIE2 else "npu2"]


def compile_flags(kernel: ExternalFunction, architecture: tuple[str, ...]) -> tuple[str, ...]:
    """Return the compiler's flags for a kernel."""
    return (*architecture, *kernel._compile_flags, *(f"-I{folder}" for folder in kernel._include_dirs))


def _library(kernel: ExternalFunction, architecture: tuple[str, ...]) -> ctypes.CDLL:
    flags = compile_flags(kernel, architecture)
    if kernel._source_file is not None:
        return load(kernel._source_file, flags)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / f"{kernel._name}.cc"
        source.write_text(kernel._source_string or "")
        return load(source, flags)


def _callable(kernel: BaseKernel, entry: Any) -> Function:
    """Return a function that passes arrays as pointers to their own memory."""
    entry.restype = None
    kinds = []
    for i, parameter in enumerate(kernel._parameters):
        if not isinstance(parameter, Array) and parameter not in _SCALARS:
            raise DesignError(f"kernel {kernel._name}: argument {i} is a scalar of {parameter}, which C++ cannot take")
        kinds.append(ctypes.c_void_p if isinstance(parameter, Array) else _SCALARS[parameter])
    entry.argtypes = kinds

    convert = [float if kind is ctypes.c_float else int for kind in kinds]

    def call(*args: Any) -> None:
        entry(*(a.ctypes.data if isinstance(a, np.ndarray) else to(a) for a, to in zip(args, convert, strict=True)))

    return call
