"""Launches without their places: which operators share one, and what varies."""

from __future__ import annotations

from dataclasses import replace

import pytest

from amanuensis.kernels.compile.template import FIRST_BYTES, Template, bound, placed
from amanuensis.kernels.operands import Parameter, Region
from amanuensis.kernels.operators import Attention, CopyRows, Im2col, LayerNorm, Nop, Operator
from amanuensis.kernels.reference.conv1d import TAPS, cut_tap, out_rows

SRC, DST, GAIN, BIAS = (Region(1, 640), Region(1, 4096), Region(0, 512), Region(0, 1024))
ROWS, KEYS, FIRST = Parameter(0, 32), Parameter(2, 448), Parameter(1, 447)
NORM = LayerNorm(SRC, DST, GAIN, BIAS, ROWS, 256)


def attention(rows: int | Parameter = ROWS, slot: int = 6) -> Attention:
    """Return a causal attention over a cache that a parameter names."""
    k, v = (Region(2, skip, Parameter(slot, 15), 1 << 16) for skip in (0, 512))
    return Attention(SRC, k, v, DST, rows, KEYS, 4, 64, True, FIRST, 0.125)


def template(*operators: Operator, rooms: dict[int, int] | None = None) -> Template:
    """Return the template of operators."""
    made = bound("decoder", operators, rooms or {0: 8, 2: 64})
    assert made is not None
    return made.template


def test_the_same_elsewhere_is_the_same_launch() -> None:
    """Layers differ in where their weights begin, rows of a batch in their parameters."""
    moved = replace(NORM, gain=Region(0, 512 + 9 * 64), bias=Region(0, 1024 + 9 * 64))
    assert template(NORM).key == template(moved).key
    assert template(attention(1)).key == template(attention(1, slot=17)).key
    made = bound("decoder", (moved,), {0: 8})
    assert made is not None
    assert made.sources == (512 + 9 * 64, 640)


def test_another_size_order_or_distance_is_another_launch() -> None:
    """So are other rooms, and another configuration."""
    apart = replace(NORM, bias=Region(0, 2048))
    keys = {template(*each).key for each in ([NORM], [apart], [NORM, apart], [apart, NORM])}
    keys |= {template(NORM, rooms={0: rows}).key for rows in (8, 16)}
    assert len(keys) == 5
    assert template(NORM).name == f"decoder/{template(NORM).key}"


def test_what_varies_of_an_attention() -> None:
    """Bases, the cache, keys from one to the room, and the first row; rows are those that there is room for."""
    made = template(attention())
    (op,) = made.operators
    assert isinstance(op, Attention)
    assert (op.rows, op.keys) == (8, Parameter(1, 64))
    varying = {str(variable): (variable.least, variable.most) for variable in made.variables}
    assert varying["parameter 0"] == (0, 15)
    assert varying["parameter 1"] == (1, 64)
    assert varying["parameter 2"] == (0, 447)
    assert {name for name in varying if name.startswith("base")} == {"base 1", "base 2"}


def test_a_region_that_rows_move_lies_where_the_room_ends() -> None:
    """Answers of one head follow those of another, each of as many rows as are computed."""
    copy = CopyRows(SRC, Region(4, 64, ROWS, 1024), ROWS, 64, 64, 64)
    made = bound("decoder", (copy,), {0: 8})
    assert made is not None
    assert [variable.kind for variable in made.template.variables] == ["base", "base"]
    assert made.sources[1] == 64 + 8 * 1024


def test_operators_are_put_where_bases_say() -> None:
    """Everything of a buffer moves together."""
    made = template(NORM)
    (there,) = placed(made, (64, FIRST_BYTES + 128))
    assert isinstance(there, LayerNorm)
    assert (there.gain, there.bias) == (Region(0, 64), Region(0, 64 + 512))
    assert (there.src, there.dst) == (Region(1, FIRST_BYTES + 128), Region(1, FIRST_BYTES + 128 + 4096 - 640))


def test_nothing_to_do_is_no_launch() -> None:
    """No rows, or no operator."""
    assert bound("decoder", (NORM,), {0: 0}) is None
    assert bound("decoder", (Nop(),), {}) is None


@pytest.mark.parametrize("stride", [1, 2])
def test_the_tap_that_the_end_of_the_sound_cuts_off(stride: int) -> None:
    """It is the only one of the rows that count that would be the row behind; else it is one that is zero anyway."""
    op = Im2col(SRC, DST, Parameter(4, 40), 40 // stride, 16, stride, 48, "bf16")
    made = template(op)
    variable = next(variable for variable in made.variables if variable.kind == "tap")
    assert (variable.least, variable.most) == (1, 40)
    for rows in range(1, 41):
        behind = [
            (row, tap) for row in range(out_rows(rows, stride)) for tap in range(TAPS) if row * stride - 1 + tap == rows
        ]
        assert [cut_tap(rows, stride)] == (behind or [(0, 0)])
        row, tap = cut_tap(rows, stride)
        assert made.value(variable, rows) == 2 * (row * 48 + tap * 16)
