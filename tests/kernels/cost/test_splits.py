"""Ways to split a model's work over configurations of the array."""

from __future__ import annotations

from dataclasses import replace

import pytest

from amanuensis.kernels.cost.arrays import ARRAYS
from amanuensis.kernels.cost.band import Band
from amanuensis.kernels.cost.parameters import MODELS, SWITCH_US
from amanuensis.kernels.cost.price import price
from amanuensis.kernels.cost.splits import A_OTHERWISE, Cost, Split, Stream, cost, cpu_choice_us, splits, work_of
from amanuensis.kernels.designs import attention, attention_launch, choice, decoder, products, products_launch
from amanuensis.kernels.designs.launch import LaunchError
from amanuensis.kernels.operands import Buffer, Parameter, Region
from amanuensis.kernels.operators import Attention, CopyRows, EnergyGate, GemmInt8, Nop, Operator, Select
from amanuensis.kernels.program import ARCHITECTURES, Architecture
from amanuensis.kernels.sim.device import NPU1Col1, NPU1Col2, NPU1Col3, NPU2Col3, NPU2Col4, NPU2Col5

AT = Region(Buffer.SCRATCH, 0)
ROWS = Parameter(0)
LAYERS = 3
GEMM = GemmInt8(AT, AT, AT, AT, AT, AT, ROWS, 512, 512)
ATTENTION = Attention(AT, AT, AT, AT, ROWS, 250, 8, 64, False, 0, 0.125)
CHOICE = Select(AT, AT, AT, AT, ROWS, 51865, 51968, 6, 51864, 0, -1)
RECEIPT = CopyRows(AT, AT, 1, 64, 64, 64)
MODEL = MODELS["npu1"]


def encoding() -> Stream:
    """Return an encoder of some layers."""
    return Stream("encoder", [Nop(), *[GEMM, ATTENTION, GEMM] * LAYERS, RECEIPT], {0: 256})


def decoding(rows: int) -> Stream:
    """Return a forward of the decoder."""
    return Stream("decoder", [GEMM, ATTENTION, CHOICE, RECEIPT], {0: rows})


def named(name: str, architecture: Architecture = "npu1") -> Split:
    """Return the split of a name."""
    (found,) = (split for split in splits(architecture) if split.name == name)
    return found


def tick(name: str) -> Cost:
    """Return what an encoding, a verification and three tokens cost."""
    return cost([encoding(), decoding(16), *[decoding(1)] * 3], named(name), MODEL)


def test_each_kind_of_work_has_a_configuration_that_computes_it() -> None:
    """What the split sends there is among what the designs cover."""
    covers = {
        "products": products_launch.COVERS,
        "attention": attention_launch.COVERS,
        "decoder": decoder.COVERS,
        "choice": choice.COVERS,
    }
    for stream in (encoding(), decoding(1)):
        some = [operator for operator in stream.operators if not isinstance(operator, Nop)]
        assert all(type(operator) in covers[work_of(operator, stream.part)] for operator in some)
    assert work_of(EnergyGate(AT, AT, 100, 80), "encoder") == "choice"


@pytest.mark.parametrize(
    ("name", "switches", "dispatches"),
    [
        ("encoder apart, choice apart", 2 * LAYERS + 9, 2 * LAYERS + 1 + 8),
        ("encoder apart, single choices on the CPU", 2 * LAYERS + 4, 2 * LAYERS + 1 + 5),
        ("encoder apart, choices on the CPU", 2 * LAYERS + 2, 2 * LAYERS + 1 + 4),
        ("encoder on 3+1 columns, choice apart", 9, 1 + 8),
        ("encoder on 2+2 columns, choice on a row", 2, 5),
    ],
)
def test_changes_are_counted_along_a_tick(name: str, switches: int, dispatches: int) -> None:
    """Two for each layer, one to the decoder and one back, two for each choice: the choice of a stream comes last."""
    found = tick(name)
    assert (found.switches, found.dispatches) == (switches, dispatches)
    expected = found.work + MODEL.dispatch_us * dispatches + SWITCH_US["npu1"] * switches
    assert found.time == expected


def test_one_configuration_has_no_changes() -> None:
    """An encoder whose products and attention share the array is dispatched once; nothing at all costs nothing."""
    found = cost([encoding()], named("encoder on 3+1 columns, choice apart"), MODEL)
    assert (found.switches, found.dispatches) == (0, 1)
    assert cost([], named("encoder apart, choice apart"), MODEL).time == Band(0.0, 0.0, 0.0)


@pytest.mark.parametrize(("architecture", "columns"), [("npu1", 2), ("npu1", 3), ("npu2", 4), ("npu2", 5)])
def test_products_need_a_column_for_each_row_of_cores(architecture: Architecture, columns: int) -> None:
    """Else columns have to bring a for two rows, or for none, which the graph does not have."""
    device = {("npu1", 2): NPU1Col2, ("npu1", 3): NPU1Col3, ("npu2", 4): NPU2Col4, ("npu2", 5): NPU2Col5}
    left = ARRAYS[architecture].columns - columns
    split = named(f"encoder on {columns}+{left} columns, choice apart", architecture)
    if A_OTHERWISE in split.needs:
        with pytest.raises(LaunchError, match="a multiple of 4 is needed"):
            products.configuration(device[architecture, columns]())
    else:
        assert products.configuration(device[architecture, columns]()).workers
    attention.configuration({1: NPU1Col1, 2: NPU1Col2, 3: NPU2Col3, 4: NPU2Col4}[left]())


def test_work_is_priced_on_its_part_of_the_array() -> None:
    """Products on three columns and attention on one cost what they cost on such arrays."""
    found = cost([encoding()], named("encoder on 3+1 columns, choice apart"), MODEL)
    parts = [(GEMM, 3), (ATTENTION, 1), (GEMM, 3)]
    arrays = [(operator, replace(ARRAYS["npu1"], columns=columns)) for operator, columns in parts * LAYERS]
    arrays.append((RECEIPT, replace(ARRAYS["npu1"], columns=3)))
    expected = sum(price(operator, {0: 256}, MODEL, array).time.middle for operator, array in arrays)
    assert found.work.middle == pytest.approx(expected)


def test_the_cpu_chooses_no_more_rows_than_it_is_given() -> None:
    """Single tokens there, a verification on the array."""
    name = "encoder apart, single choices on the CPU"
    one, many = (cost([decoding(rows)], named(name), MODEL) for rows in (1, 16))
    assert (one.switches, many.switches) == (0, 2)
    operators: list[Operator] = [GEMM, ATTENTION, RECEIPT]
    beside = sum(price(operator, {0: 1}, MODEL).time.middle for operator in operators)
    assert one.work.middle - beside == pytest.approx(cpu_choice_us(1, 51865).middle)


def test_a_break_even_is_where_two_ways_cost_the_same() -> None:
    """With that cost of a change the middles are equal."""
    few, many = tick("encoder on 2+2 columns, choice apart"), tick("encoder apart, choice apart")
    each = few.break_even_us(many)
    even = Band(each, each, each)
    same = (replace(found, switch_us=even).time.middle for found in (few, many))
    assert next(same) == pytest.approx(next(same))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_way_that_is_built_is_the_first_and_others_say_what_they_need(architecture: Architecture) -> None:
    """Names are unique, parts make up the array, and what is not built names what it lacks."""
    found, whole = list(splits(architecture)), ARRAYS[architecture]
    assert (found[0].name, found[0].is_built, found[0].configurations) == ("encoder apart, choice apart", True, 4)
    assert len({split.name for split in found}) == len(found)
    for split in found:
        assert split.is_built == (not split.needs)
        assert split.keeps_cores or not split.is_built
        shares: dict[str, int] = {}
        for place in split.places.values():
            shares[place.configuration] = shares.get(place.configuration, 0) + place.array.cores
        assert set(shares.values()) == {whole.cores}
