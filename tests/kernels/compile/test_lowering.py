"""Streams as segments: which operators one launch computes, and for which sizes launches are laid out."""

from __future__ import annotations

from amanuensis.kernels.compile.lowering import Segment, configuration_of, rooms_up_to, segments
from amanuensis.kernels.operands import Parameter, Region
from amanuensis.kernels.operators import Attention, CopyRows, LayerNorm, Nop, Operator, Select

PLACES = [Region(1, n << 10) for n in range(4)]
ROWS, KEYS = Parameter(0, 32), Parameter(2, 448)
NORM = LayerNorm(*PLACES, ROWS, 256)
COPY = CopyRows(PLACES[0], PLACES[1], ROWS, 16, 16, 16)
RECEIPT = CopyRows(PLACES[0], PLACES[1], 1, 64, 64, 64)
ATTENTION = Attention(*PLACES, ROWS, KEYS, 4, 64, False, 0, 0.125)
SELECT = Select(*PLACES, ROWS, 100, 128, 1, 80, 70, -1)
COVERS: dict[str, frozenset[type[Operator]]] = {
    "products": frozenset({LayerNorm, CopyRows}),
    "attention": frozenset({Attention}),
    "decoder": frozenset({LayerNorm, CopyRows, Attention}),
    "choice": frozenset({Select}),
}


def names(*operators: Operator, part: str = "decoder") -> list[tuple[tuple[str, ...], tuple[Operator, ...]]]:
    """Return configurations and operators of each segment."""
    found, lacking = segments(operators, part, COVERS)  # type: ignore[arg-type]
    assert not lacking
    return [(segment.configurations, segment.operators) for segment in found]


def test_operators_of_the_decoder_with_the_same_sizes_are_one_launch() -> None:
    """An attention, whose keys vary too, is one by itself, so sizes need not be combined."""
    found = names(NORM, Nop(), COPY, ATTENTION, NORM)
    assert found == [
        (("decoder", "products"), (NORM, COPY)),
        (("decoder",), (ATTENTION,)),
        (("decoder", "products"), (NORM,)),
    ]


def test_the_choice_of_tokens_goes_last() -> None:
    """What follows it in the stream needs no second change to the decoder and back."""
    assert names(NORM, SELECT, RECEIPT) == [
        (("decoder", "products"), (NORM,)),
        (("decoder", "products"), (RECEIPT,)),
        (("choice",), (SELECT,)),
    ]


def test_the_encoder_s_operators_are_launches_alone() -> None:
    """Its attention has a configuration of its own."""
    found = names(NORM, COPY, ATTENTION, part="encoder")
    assert found == [(("products",), (NORM,)), (("products",), (COPY,)), (("attention",), (ATTENTION,))]
    assert configuration_of(ATTENTION, "encoder", COVERS) == "attention"
    assert configuration_of(SELECT, "encoder", {}) is None


def test_an_operator_of_no_part_may_run_wherever_it_is_computed() -> None:
    """In this order, for its sizes may be too small for one of them."""
    assert names(NORM, NORM, part="any") == [(("decoder", "products"), (NORM,))] * 2
    alone, together = (Segment(("decoder", "products"), (NORM,) * count) for count in (1, 2))
    assert [made.template.configuration for made in alone.bound({0: 8})] == ["decoder", "products"]
    assert [made.template.configuration for made in together.bound({0: 8})] == ["decoder"]


def test_what_no_configuration_computes_is_told() -> None:
    """The others are segments."""
    found, lacking = segments([NORM, SELECT], "decoder", {"decoder": frozenset({LayerNorm})})
    assert ([segment.operators for segment in found], lacking) == ([(NORM,)], [SELECT])


def test_rooms_of_a_segment_are_all_combinations_of_those_of_its_sizes() -> None:
    """Those below the limit and the limit; a size without rooms has its limit alone."""
    assert rooms_up_to((1, 8, 64), 32) == [1, 8, 32]
    variants = list(Segment(("decoder",), (ATTENTION,)).variants({0: (1, 8), 2: (64,)}))
    assert variants == [{0: rows, 2: keys} for rows in (1, 8, 32) for keys in (64, 448)]
    assert list(Segment(("decoder",), (RECEIPT,)).variants({})) == [{}]
    assert len(Segment(("decoder",), (ATTENTION,)).bound({0: 8, 2: 64})) == 1
    assert Segment(("decoder",), (ATTENTION,)).bound({0: 0, 2: 64}) == []
