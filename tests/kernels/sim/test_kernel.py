"""Kernels are called with what they take, and found where they are compiled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amanuensis.kernels.host.build import BuildError
from amanuensis.kernels.sim.errors import DesignError
from amanuensis.kernels.sim.iron import (
    NPU2,
    Buffer,
    Device,
    ExternalFunction,
    Kernel,
    ObjectFifo,
    ObjectFifoHandle,
    Worker,
)
from amanuensis.kernels.sim.run import simulate
from tests.kernels.sim.small import kind, program

SOURCE = """
#include <cstdint>
extern "C" void scale(const int32_t *a, int32_t *b, int32_t by, float and_by) {
  for (int i = 0; i < 4; ++i) b[i] = static_cast<int32_t>(a[i] * by * and_by) + EXTRA;
}
extern "C" void generation(int32_t *b) { b[0] = __AIEARCH__; }
"""
SCALE_TYPES = [kind(4), kind(4), np.int32, np.float32]


def scaled(*kernels: Kernel, by: Any = 3, device: Device | None = None) -> list[int]:
    """Return what the first kernel makes of 1 to 4."""
    first, last = ObjectFifo(kind(4), name="in"), ObjectFifo(kind(4), name="out")

    def core(a: ObjectFifoHandle, b: ObjectFifoHandle, function: Kernel, *others: Kernel) -> None:
        target = b.acquire(1)
        function(a.acquire(1), target, by, 0.5)
        for other in others:
            other(target)
        a.release(1)
        b.release(1)

    worker = Worker(core, [first.cons(), last.prod(), *kernels])
    result = np.zeros(4, np.int32)
    design = program([worker], [(first.prod(), 4)], [(last.cons(), 4)], device)
    simulate(design, np.arange(1, 5, dtype=np.int32), result)
    return [int(value) for value in result]


def scale(**options: Any) -> ExternalFunction:
    """Return the function `scale`."""
    return ExternalFunction("scale", arg_types=SCALE_TYPES, compile_flags=["-DEXTRA=7"], **options)


def test_functions_are_compiled_and_called(tmp_path: Path) -> None:
    """A file or a string of C++ is compiled with its flags; arrays are passed as they lie, numbers by type."""
    path = tmp_path / "scale.cc"
    path.write_text(SOURCE)
    expected = [8, 10, 11, 13]
    assert scaled(scale(source_file=str(path))) == expected
    assert scaled(scale(source_string=SOURCE), by=np.int32(3)) == expected


def test_kernels_share_an_object_file() -> None:
    """A Kernel of the object file that an ExternalFunction is compiled to is found in its source."""
    one = scale(object_file_name="both.o", source_string=SOURCE)
    other = Kernel("generation", "both.o", [kind(4)])
    assert scaled(one, other)[0] == 20
    assert scaled(one, other, device=NPU2())[0] == 21


def test_sources_that_do_not_compile_are_told() -> None:
    """The compiler's own message comes out."""
    with pytest.raises(BuildError, match="EXTRA"):
        scaled(ExternalFunction("scale", source_string=SOURCE, arg_types=SCALE_TYPES))


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        (Kernel("scale", "lost.o", SCALE_TYPES), "kernel scale comes from lost.o, which no ExternalFunction"),
        (
            ExternalFunction("gone", source_string=SOURCE, arg_types=SCALE_TYPES, compile_flags=["-DEXTRA=7"]),
            'kernel gone is no extern "C" function of its source',
        ),
    ],
)
def test_kernels_that_are_not_there_are_named(kernel: Kernel, message: str) -> None:
    """An object file that nobody makes, or a name that its source lacks, is an error of the design."""
    with pytest.raises(DesignError, match=message):
        scaled(kernel)


def called(call: Callable[[Kernel, Any, Any], None], *types: Any) -> None:
    """Pass over a core function that calls a kernel of some types with an object of 2 x 4 int32 and a buffer."""
    last = ObjectFifo(kind(2, 4), name="out")
    kept = Buffer(kind(4, dtype=np.int8), name="kept")

    def core(b: ObjectFifoHandle, buffer: Buffer) -> None:
        call(Kernel("f", "f.o", list(types)), b.acquire(1), buffer)
        b.release(1)

    program([Worker(core, [last.prod(), kept])], [], [(last.cons(), 8)]).resolve_program()


def test_calls_that_fit() -> None:
    """An array of the same shape, one that is flat in the kernel, a buffer and numbers fit."""
    called(lambda f, a, b: f(a), kind(2, 4))
    called(lambda f, a, b: f(a), kind(8))
    called(lambda f, a, b: f(b, 3, 1.5), kind(4, dtype=np.int8), np.int32, np.float32)
    called(lambda f, a, b: f(a[1]), kind(4))


@pytest.mark.parametrize(
    ("call", "types", "message"),
    [
        (lambda f, a, b: f(a, a), [kind(8)], "kernel f takes 1 arguments, 2 were given"),
        (lambda f, a, b: f(a), [kind(9)], "argument 0 is 9 int32, not 2x4 int32"),
        (lambda f, a, b: f(a), [kind(4, 2)], "argument 0 is 4x2 int32, not 2x4 int32"),
        (lambda f, a, b: f(a), [kind(8, dtype=np.float32)], "argument 0 is 8 float32, not 2x4 int32"),
        (lambda f, a, b: f(a[:, :2]), [kind(4)], "argument 0 is 4 int32, not 2x2 int32 with gaps"),
        (lambda f, a, b: f(3), [kind(8)], "argument 0 is 8 int32, not int"),
        (lambda f, a, b: f(a), [np.int32], "argument 0 is a number, not ndarray"),
    ],
)
def test_calls_that_do_not_fit_are_named(call: Any, types: list[Any], message: str) -> None:
    """Kernel, argument, what it takes and what was given are named when the design is resolved."""
    with pytest.raises(DesignError, match=message):
        called(call, *types)


def test_kernels_tell_their_types() -> None:
    """Shapes and element types of arguments can be asked for."""
    kernel = Kernel("f", "f.o", [kind(2, 4), np.int32])
    assert (kernel.arg_shape(), kernel.arg_dtype(0), kernel.tile_size()) == ((2, 4), np.dtype(np.int32), 2)
    assert (kernel.object_file_name, kernel.link_with_mode, len(kernel.arg_types())) == ("f.o", None, 2)
    with pytest.raises(DesignError, match="argument 1 is a scalar"):
        kernel.arg_shape(1)
    with pytest.raises(DesignError, match="has 2 arguments, not one at 2"):
        kernel.arg_shape(2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Kernel("", "f.o"), "needs a name"),
        (lambda: Kernel("f", "f.o", [3]), "argument 0 is 3, neither"),
        (lambda: ExternalFunction("f"), "give a source_file or a source_string"),
        (lambda: ExternalFunction("f", source_string="", symbol_prefix="x"), "symbol_prefix='x' is not simulated"),
        (lambda: Kernel("f", "f.o", [kind(4, dtype=np.int64)]), "elements of type int64 do not exist on the cores"),
        (lambda: ObjectFifo(kind(0)), "tuple of positive sizes"),
        (lambda: ObjectFifo(np.int32), "is no type of arrays"),
    ],
)
def test_wrong_types_are_refused(make: Callable[[], Any], message: str) -> None:
    """A kernel or fifo of types that cannot be is refused where it is stated."""
    with pytest.raises(DesignError, match=message):
        make()
