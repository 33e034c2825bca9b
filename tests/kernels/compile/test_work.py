"""Which operators become which launches."""

from __future__ import annotations

import pytest

from amanuensis.kernels.compile.errors import CompileError
from amanuensis.kernels.compile.work import DESIGNS, Dispatched, Item, Places, Work, items, launch_key, load_designs
from amanuensis.kernels.operands import PARAMETERS_BYTES, Region
from amanuensis.kernels.operators import Attention, CopyRows, EnergyGate, LayerNorm, Nop, Operator

PLACES = [Region(1, n << 10) for n in range(4)]
NORM = LayerNorm(*PLACES, rows=4, width=64)
COPY = CopyRows(PLACES[0], PLACES[1], 4, 16, 16, 16)
ATTENTION = Attention(*PLACES, 4, 4, heads=1, size=16, causal=False, first=0, scale=0.25)


class Alone:
    """Designs that make one operator a launch."""

    def __init__(self, *kinds: type[Operator]) -> None:
        self.COVERS = frozenset(kinds)

    def launch(self, operator: Operator, memory: object, device: object) -> object:
        raise AssertionError("nothing is launched here")


class Together(Alone):
    """Designs that make several operators a launch."""

    def launch_sequence(self, operators: object, memory: object, device: object) -> object:
        raise AssertionError("nothing is launched here")


DESIGN = {
    "products": Alone(LayerNorm, CopyRows, Attention),
    "attention": Alone(Attention),
    "decoder": Together(LayerNorm, CopyRows, Attention),
}


def chosen(*sequences: Dispatched) -> tuple[list[tuple[str, tuple[Operator, ...]]], list[str]]:
    """Return configuration and operators of each launch, and what is lacking."""
    found, lacking = items(Work("m", sequences, (64,) * 5), DESIGN)
    return [(item.configuration, item.operators) for item in found], lacking


def test_the_encoder_s_attention_has_a_configuration_of_its_own() -> None:
    """All else goes to the products, each operator alone and each only once."""
    found, lacking = chosen(Dispatched("encoder", ((NORM, Nop(), ATTENTION, NORM), (COPY,)), {}))
    assert found == [("products", (NORM,)), ("attention", (ATTENTION,)), ("products", (COPY,))]
    assert lacking == []


def test_a_piece_of_the_decoder_is_one_launch() -> None:
    """Without what is nothing to do; an operator that no design has cuts it in two."""
    gate = EnergyGate(PLACES[0], PLACES[1], 4, 80)
    found, lacking = chosen(Dispatched("decoder", ((NORM, Nop(), ATTENTION, gate, COPY), (COPY,)), {}))
    assert found == [("decoder", (NORM, ATTENTION)), ("decoder", (COPY,))]
    assert lacking == ["EnergyGate of the decoder"]


def test_keys_are_those_of_operators_places_and_order() -> None:
    """What runs elsewhere or otherwise is another launch."""
    moved = CopyRows(PLACES[0], PLACES[2], 4, 16, 16, 16)
    keys = {launch_key(each) for each in ([COPY], [moved], [COPY, moved], [moved, COPY])}
    assert len(keys) == 4
    assert Item("decoder", (COPY,), {}).key == launch_key([COPY])
    assert str(Item("decoder", (COPY, NORM, COPY), {})) == "3 operators (CopyRows, LayerNorm)"


def test_parameters_are_seen_by_one_launch_only() -> None:
    """The next one begins with zeros."""
    places = Places((64, 64, 64, PARAMETERS_BYTES, 64))
    assert places.memory({3: 7}).parameter(3) == 7
    assert places.memory({4: 1}).parameter(3) == 0
    with pytest.raises(CompileError, match="2 sizes of buffers; a dispatch has 5"):
        Places((64, 64))


def test_designs_that_are_not_there_are_left_out() -> None:
    """The others are there, with what they cover."""
    assert load_designs({"products": "amanuensis.kernels.designs.nowhere"}) == {}
    for designs in load_designs(DESIGNS).values():
        assert designs.COVERS
        assert callable(designs.launch)
