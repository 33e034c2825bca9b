"""Kernels: functions of C++ that core functions call, after mlir-aie `python/iron/kernel.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from amanuensis.kernels.sim import context
from amanuensis.kernels.sim.core import Buffer
from amanuensis.kernels.sim.errors import DesignError
from amanuensis.kernels.sim.types import Array, ArrayType, array_of, is_array_type, is_scalar_type


class BaseKernel:
    """A function with a name and the types of its arguments."""

    def __init__(self, name: str, arg_types: list[ArrayType] | None = None) -> None:
        if not name:
            raise DesignError("a kernel needs a name")
        self._name = name
        self._arg_types = [] if arg_types is None else list(arg_types)
        for i, kind in enumerate(self._arg_types):
            if not is_array_type(kind) and not is_scalar_type(kind):
                raise DesignError(f"kernel {name}: argument {i} is {kind!r}, neither a type of arrays nor of scalars")
        self._parameters: list[Array | np.dtype[Any]] = [
            array_of(kind) if is_array_type(kind) else np.dtype(kind) for kind in self._arg_types
        ]

    def arg_types(self) -> list[ArrayType]:
        """Return the types of the arguments."""
        return list(self._arg_types)

    def arg_shape(self, arg_index: int = 0) -> tuple[int, ...]:
        """Return the shape of an argument that is an array."""
        return self._array(arg_index).shape

    def arg_dtype(self, arg_index: int = 0) -> np.dtype[Any]:
        """Return the element type of an argument that is an array."""
        return self._array(arg_index).dtype

    def tile_size(self, arg_index: int = 0) -> int:
        """Return the first size of an argument that is an array."""
        return self.arg_shape(arg_index)[0]

    def _array(self, index: int) -> Array:
        if not 0 <= index < len(self._parameters):
            raise DesignError(f"kernel {self._name} has {len(self._parameters)} arguments, not one at {index}")
        found = self._parameters[index]
        if not isinstance(found, Array):
            raise DesignError(f"kernel {self._name}: argument {index} is a scalar and has no shape")
        return found

    def __call__(self, *args: Any) -> None:
        """Call it from a core function.

        Raises:
            DesignError: another number of arguments or other types; a contiguous array of the same size may stand for
                one of one dimension.

        """
        core = context.core(f"kernel {self._name}")
        if len(args) != len(self._parameters):
            raise DesignError(f"kernel {self._name} takes {len(self._parameters)} arguments, {len(args)} were given")
        given = [core.memory(arg) if isinstance(arg, Buffer) else arg for arg in args]
        core.call(self, [self._checked(i, arg) for i, arg in enumerate(given)])

    def _checked(self, index: int, arg: Any) -> Any:
        wanted = self._parameters[index]
        if not isinstance(wanted, Array):
            if isinstance(arg, np.ndarray) and arg.shape == ():
                arg = arg[()]
            if not isinstance(arg, int | float | np.number):
                raise DesignError(f"kernel {self._name}: argument {index} is a number, not {type(arg).__name__}")
            return arg
        if not isinstance(arg, np.ndarray):
            raise DesignError(f"kernel {self._name}: argument {index} is {wanted}, not {type(arg).__name__}")
        flat = len(wanted.shape) == 1 and arg.size == wanted.elements
        if arg.dtype != wanted.dtype or not (arg.shape == wanted.shape or flat) or not arg.flags.c_contiguous:
            raise DesignError(
                f"kernel {self._name}: argument {index} is {wanted}, not {Array(arg.shape, arg.dtype)}"
                + ("" if arg.flags.c_contiguous else " with gaps")
            )
        return arg


class Kernel(BaseKernel):
    """A function of an object file that is compiled elsewhere."""

    def __init__(
        self,
        name: str,
        object_file_name: str,
        arg_types: list[ArrayType] | None = None,
        *,
        link_with_mode: str | None = None,
    ) -> None:
        super().__init__(name, arg_types)
        self._object_file_name = object_file_name
        self._link_with_mode = link_with_mode

    @property
    def object_file_name(self) -> str:
        """The object file."""
        return self._object_file_name

    @property
    def link_with_mode(self) -> str | None:
        """How it is linked: None or `merge`."""
        return self._link_with_mode


class ExternalFunction(Kernel):
    """A function of C++ source that is compiled with the design."""

    def __init__(
        self,
        name: str,
        object_file_name: str | None = None,
        source_file: str | None = None,
        source_string: str | None = None,
        arg_types: list[ArrayType] | None = None,
        include_dirs: list[str] | None = None,
        compile_flags: list[str] | None = None,
        *,
        symbol_prefix: str | None = None,
        use_chess: bool = False,
        inline: bool = False,
    ) -> None:
        """State a function.

        Raises:
            DesignError: no source, both kinds of it, or a prefix, which is not simulated.

        """
        if (source_file is None) == (source_string is None):
            raise DesignError(f"kernel {name}: give a source_file or a source_string")
        if symbol_prefix is not None:
            raise DesignError(f"kernel {name}: symbol_prefix={symbol_prefix!r} is not simulated")
        super().__init__(name, object_file_name or f"{name}.{'ll' if inline else 'o'}", arg_types)
        self._source_file = None if source_file is None else Path(source_file)
        self._source_string = source_string
        self._include_dirs = list(include_dirs or [])
        self._compile_flags = list(compile_flags or [])
        self._use_chess = use_chess
        self._inline = inline
