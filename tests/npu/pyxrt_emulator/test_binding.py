"""Overloads are tried in order and convert as pybind11 does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from amanuensis.npu.pyxrt_emulator.binding import (
    CONFIGURATION,
    INT32,
    SIZE,
    TEXT,
    UINT32,
    BoundEnum,
    Cast,
    CastError,
    Overloads,
    Parameter,
)


class Number(BoundEnum):
    """Has one member."""

    ONE = 1


class Thing:
    """Has a method with three overloads."""

    call = Overloads()

    @call.add(Parameter(INT32))
    def _number(self, number: int) -> Any:
        return "number", number

    @call.add(Parameter(TEXT, "text"))
    def _text(self, text: str) -> Any:
        return "text", text

    @call.add(Parameter(INT32), Parameter(TEXT, "text"))
    def _both(self, number: int, text: str) -> Any:
        return "both", number, text


def test_first_fitting_overload_is_called() -> None:
    """Number and types of the arguments choose the overload; named parameters may be given by name."""
    thing = Thing()
    assert thing.call(np.int16(3)) == ("number", 3)
    assert thing.call("a") == thing.call(text="a") == ("text", "a")
    assert thing.call(1, text="b") == ("both", 1, "b")


@pytest.mark.parametrize(
    ("args", "kwargs"), [((), {}), ((1.0,), {}), ((1, 2), {}), ((1,), {"word": "a"}), ((1, "a", 2), {})]
)
def test_nothing_that_fits_raises(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """TypeError names what was given and what would be taken."""
    with pytest.raises(TypeError, match=r"pyxrt\.Thing\.call: incompatible arguments.*\(int\); \(text: std::string\)"):
        Thing().call(*args, **kwargs)


@pytest.mark.parametrize(
    ("cast", "low", "high"),
    [(INT32, -(1 << 31), (1 << 31) - 1), (UINT32, 0, (1 << 32) - 1), (SIZE, 0, (1 << 64) - 1)],
)
def test_integers_have_the_range_of_their_c_type(cast: Cast, low: int, high: int) -> None:
    """Whole numbers in range are taken, also NumPy's and bool; floats, enumerations and what lies beyond are not."""
    assert [cast.take(value) for value in (low, high, np.uint8(7), True)] == [low, high, 7, 1]
    for wrong in (low - 1, high + 1, 1.0, np.float32(1), "1", None, Number.ONE, [1]):
        with pytest.raises(CastError):
            cast.take(wrong)


def test_enumerations_equal_only_their_own_kind() -> None:
    """A member converts to int, and does not equal it."""
    assert int(Number.ONE) == 1
    assert [10, 20][Number.ONE] == 20
    assert Number.ONE != 1


def test_configurations_map_text_to_numbers() -> None:
    """A configuration is a dict of text to unsigned int, and nothing else."""
    assert CONFIGURATION.take({"priority": 3}) == {"priority": 3}
    for wrong in ({"priority": -1}, {1: 1}, [("priority", 1)], "priority"):
        with pytest.raises(CastError):
            CONFIGURATION.take(wrong)
