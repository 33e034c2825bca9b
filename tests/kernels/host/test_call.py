"""Calling entry points with arrays: what is passed, and what is refused before a pointer leaves Python."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from amanuensis.kernels.entries import entry
from amanuensis.kernels.host.call import CallError, bind
from tests.kernels.cores import empty, needs_compiler, placed

pytestmark = needs_compiler

ADD = entry("add_rows", n=32)
SCALAR = entry("softmax", m=1, n=16)


def floats(size: int = 32) -> Any:
    """Return aligned zeros."""
    return placed(np.zeros(size, np.float32))


def test_arrays_of_any_shape_are_written_in_place() -> None:
    """Only the dtype and the number of elements matter."""
    out = empty((4, 8), np.float32)
    bind(ADD)(placed(np.full((2, 16), 1.5, np.float32)), placed(np.ones(32, np.float32)), out)
    assert (out == 2.5).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((floats(), floats()), "add_rows takes 3 arguments; 2 were given"),
        ((floats(), floats(), floats(33)), "argument 2 of add_rows is 33 contiguous float32; 32 contiguous float32"),
        ((floats(), floats().astype(np.float64), floats()), "argument 1 of add_rows is 32 contiguous float64"),
        ((floats(64)[::2], floats(), floats()), "argument 0 of add_rows is 32 strided float32"),
        ((floats(), floats(), 3), "argument 2 of add_rows is a int; an array of 32 float32 was expected"),
    ],
)
def test_wrong_arrays_are_refused(arguments: tuple[Any, ...], message: str) -> None:
    """The error names the entry point, the argument, what it is and what was expected."""
    with pytest.raises(CallError, match=message):
        bind(ADD)(*arguments)


@pytest.mark.parametrize("scalar", [1.0, 1 << 31, "1"])
def test_wrong_scalars_are_refused(scalar: Any) -> None:
    """Scalars are ints of 32 bits."""
    scores = empty(16, SCALAR.arguments[0].__args__[1].__args__[0])
    with pytest.raises(CallError, match=r"argument 3 of softmax is .*; an int32 was expected"):
        bind(SCALAR)(scores, floats(16), scores, scalar, 0)
