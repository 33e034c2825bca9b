"""How many arrays NumPy makes, and of how many bytes: its allocator of array data is replaced by one that counts.

Source: NumPy's C API, `PyDataMem_SetHandler` and `PyDataMem_Handler` (NEP 49). Every array that owns its data is
counted, so every copy that makes an array is; writing into an array that exists is not.
"""

from __future__ import annotations

import ctypes
from typing import Any, Final, Self

from numpy._core import multiarray

SET_HANDLER, GET_HANDLER = 304, 305  # places in the table of NumPy's C API, fixed since 1.22
CAPSULE: Final = b"mem_handler"
MALLOC: Final = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)  # the types of its answer and arguments
CALLOC: Final = (*MALLOC, ctypes.c_size_t)


class _Handler(ctypes.Structure):
    """`PyDataMem_Handler`, version 1."""

    _fields_ = [
        ("name", ctypes.c_char * 127),
        ("version", ctypes.c_uint8),
        ("context", ctypes.c_void_p),
        ("malloc", ctypes.c_void_p),
        ("calloc", ctypes.c_void_p),
        ("realloc", ctypes.c_void_p),
        ("free", ctypes.c_void_p),
    ]


class ArrayTally:
    """Counts the arrays that are made in this thread while it is entered as a context.

    Attributes:
        arrays: made so far.
        bytes: of their data.

    """

    def __init__(self) -> None:
        self.arrays = 0
        self.bytes = 0
        self._before: Any = None
        usual = ctypes.cast(_pointer(_get_handler()), ctypes.POINTER(_Handler)).contents
        # PYFUNCTYPE: NumPy's own allocator releases the interpreter's lock, so it must be held when it is called.
        malloc, calloc = ctypes.PYFUNCTYPE(*MALLOC)(usual.malloc), ctypes.PYFUNCTYPE(*CALLOC)(usual.calloc)

        def counting_malloc(context: int | None, size: int) -> int | None:
            self.arrays += 1
            self.bytes += size
            address: int | None = malloc(context, size)
            return address

        def counting_calloc(context: int | None, count: int, size: int) -> int | None:
            self.arrays += 1
            self.bytes += count * size
            address: int | None = calloc(context, count, size)
            return address

        self._callbacks = ctypes.CFUNCTYPE(*MALLOC)(counting_malloc), ctypes.CFUNCTYPE(*CALLOC)(counting_calloc)
        self._capsule = _lasting_capsule(usual, *self._callbacks)

    def __enter__(self) -> Self:
        self._before = _set_handler(self._capsule)
        return self

    def __exit__(self, *_: object) -> None:
        _set_handler(self._before)


def _lasting_capsule(usual: _Handler, malloc: Any, calloc: Any) -> Any:
    """Return a handler that counts what is allocated and frees as usual.

    Its memory is never given back: an array frees its data through the handler that it was made by, if need be after
    everything else of the interpreter is gone. For the same reason nothing that frees is Python.
    """
    handler = _Handler.from_buffer_copy(usual)
    handler.name = b"amanuensis_tally"
    handler.malloc = ctypes.cast(malloc, ctypes.c_void_p).value
    handler.calloc = ctypes.cast(calloc, ctypes.c_void_p).value
    lasting = ctypes.pythonapi.PyMem_RawMalloc
    lasting.restype, lasting.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    place, name = lasting(ctypes.sizeof(handler)), lasting(len(CAPSULE) + 1)
    ctypes.memmove(place, ctypes.byref(handler), ctypes.sizeof(handler))
    ctypes.memmove(name, CAPSULE, len(CAPSULE) + 1)
    new = ctypes.pythonapi.PyCapsule_New
    new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    return new(place, name, None)


def _pointer(capsule: Any, name: bytes | None = CAPSULE) -> int:
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    address: int = get(capsule, name)
    return address


def _function(place: int) -> int:
    """Return the address of a function of NumPy's C API."""
    table = ctypes.cast(_pointer(multiarray._ARRAY_API, None), ctypes.POINTER(ctypes.c_void_p))
    address: int = table[place]
    return address


def _set_handler(capsule: Any) -> Any:
    """Let NumPy allocate by a handler in this thread; return the one before."""
    return ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)(_function(SET_HANDLER))(capsule)


def _get_handler() -> Any:
    return ctypes.PYFUNCTYPE(ctypes.py_object)(_function(GET_HANDLER))()
