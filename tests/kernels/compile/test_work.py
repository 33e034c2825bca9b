"""What is compiled for a model: segments of its streams, and the memory in which their launches are laid out."""

from __future__ import annotations

import pytest

from amanuensis.kernels.compile.errors import CompileError
from amanuensis.kernels.compile.template import bound
from amanuensis.kernels.compile.work import DESIGNS, Dispatched, Places, Work, load_designs, wanted
from amanuensis.kernels.operands import PARAMETERS_BYTES, Buffer, Parameter, Region
from amanuensis.kernels.operators import CopyRows, Embed, EnergyGate, LayerNorm

PLACES = [Region(1, n << 10) for n in range(4)]
NORM = LayerNorm(*PLACES, rows=4, width=64)
COPY = CopyRows(PLACES[0], PLACES[1], 4, 16, 16, 16)
COVERS = {"products": frozenset({LayerNorm, CopyRows})}


def test_each_segment_is_wanted_once_and_what_nobody_computes_is_told() -> None:
    """However many sequences have it."""
    gate = EnergyGate(PLACES[0], PLACES[1], 4, 80)
    sequences = Dispatched("encoder", (NORM, COPY)), Dispatched("encoder", (COPY, gate))
    found, lacking = wanted(Work("m", sequences, {}, (64,) * 5), COVERS)
    assert [segment.operators for segment in found] == [(NORM,), (COPY,)]
    assert lacking == ["EnergyGate of the encoder"]


def test_settings_are_in_the_memory_of_a_launch() -> None:
    """Parameters, ids of tokens, and operands where their bases say; sizes have room for their limits."""
    given = Region(Buffer.INPUT, PARAMETERS_BYTES)
    first = Parameter(9, 7)
    embed = Embed(given, PLACES[0], PLACES[1], PLACES[2], 2, first, 128, 50, 20)
    made = bound("decoder", (embed,), {})
    assert made is not None
    kinds = [variable.kind for variable in made.template.variables]
    assert kinds == ["base", "base", "parameter", "id", "id"]
    (there,), memory = Places((1 << 14,) * 5).operands(made.template, (4096, 2048, 5, 11, 12))
    assert isinstance(there, Embed)
    assert there.table == Region(1, 4096)
    assert memory.count(there.first, "first") == 5
    assert memory.read(there.ids, "int32", (2,), "ids").tolist() == [11, 12]
    assert memory.room(there.first) == 7
    with pytest.raises(CompileError, match="2 sizes of buffers; a dispatch has 5"):
        Places((64, 64))


def test_designs_that_are_not_there_are_left_out() -> None:
    """The others are there, with what they cover."""
    assert load_designs({"products": "amanuensis.kernels.designs.nowhere"}) == {}
    for designs in load_designs(DESIGNS).values():
        assert designs.COVERS
        assert callable(designs.launch)
