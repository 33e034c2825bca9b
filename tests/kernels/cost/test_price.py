"""Prices of operators."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from amanuensis.kernels.cost.arrays import ARRAYS
from amanuensis.kernels.cost.parameters import BASIS, MODELS, Model
from amanuensis.kernels.cost.price import Bound, Price, price
from amanuensis.kernels.operands import Buffer, Epilogue, Parameter, Region
from amanuensis.kernels.operators import (
    Attention,
    CopyRows,
    GemmBf16,
    GemmInt8,
    GemmRequantise,
    LayerNorm,
    Nop,
    Operator,
    Select,
)
from amanuensis.kernels.program import ARCHITECTURES, Architecture
from amanuensis.kernels.words import OpError

AT = Region(Buffer.SCRATCH, 0)
ROWS = Parameter(0)


def gemm(k: int = 512, n: int = 2048) -> GemmInt8:
    """Return an int8 product of Whisper base's width."""
    return GemmInt8(AT, AT, AT, AT, AT, AT, ROWS, k, n)


def attention(heads: int = 8) -> Attention:
    """Return the attention of the encoder over 1500 keys."""
    return Attention(AT, AT, AT, AT, ROWS, 1500, heads, 64, False, 0, 0.125)


def priced(operator: Operator, rows: int, model: Model = MODELS["npu1"]) -> Price:
    """Return the price at so many rows."""
    return price(operator, {0: rows}, model)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(
    "operator",
    [
        gemm(),
        GemmBf16(AT, AT, None, AT, ROWS, 512, 2048, Epilogue(gelu=True, out="f32")),
        GemmRequantise(AT, AT, None, AT, AT, ROWS, 512, 2048, 8),
        attention(),
        LayerNorm(AT, AT, AT, AT, ROWS, 512),
        CopyRows(AT, AT, ROWS, 1024, 1024, 1024),
        Select(AT, AT, AT, AT, ROWS, 51865, 51904, 6, 51864, 0, -1),
    ],
    ids=lambda operator: type(operator).__name__,
)
def test_more_rows_never_take_less(operator: Operator, architecture: Architecture) -> None:
    """Bands are in order, and grow with the rows of the decoder and with those of the encoder."""
    for sizes in ((1, 4, 16, 32), (64, 256, 1024)):
        prices = [priced(operator, rows, MODELS[architecture]) for rows in sizes]
        assert all(found.time.low < found.time.middle < found.time.high for found in prices)
        assert all(one.time.middle <= other.time.middle for one, other in pairwise(prices))
        assert all(found.traffic_bytes >= found.load.n_bytes for found in prices)


@pytest.mark.parametrize(
    ("operator", "rows", "bound"),
    [
        (gemm(), 1, "stream"),  # a token reads all weights, over one channel of each column
        (attention(), 1024, "compute"),
        (LayerNorm(AT, AT, AT, AT, ROWS, 512), 1, "launch"),
        (LayerNorm(AT, AT, AT, AT, ROWS, 512), 1024, "DDR"),
    ],
)
def test_bounds_are_those_of_the_shapes(operator: Operator, rows: int, bound: Bound) -> None:
    """A token is bound by the streams, attention by arithmetic, a small operator by its launch."""
    assert priced(operator, rows).bound == bound


def test_weights_of_few_rows_are_read_once() -> None:
    """Up to 32 rows cross the memory once; the whole array reads operands again, tile by tile."""
    assert priced(gemm(), 32).traffic_bytes == priced(gemm(), 32).load.n_bytes
    whole = priced(gemm(), 1024)
    again_a, again_b = 1024 * 512 * (2048 // 256 - 1), 512 * 2048 * (1024 // 256 - 1)
    assert whole.traffic_bytes == whole.load.n_bytes + again_a + again_b


def test_idle_cores_are_paid_for() -> None:
    """Five heads on four columns take as long as eight, and 64 rows of each as long as the 256 that a column holds."""
    case = replace(MODELS["npu1"].cases["middle"], memory_gb_s=1e3, burst_ns=0.0)  # so that nothing else is in the way
    model = replace(MODELS["npu1"], cases={**MODELS["npu1"].cases, "middle": case})
    five, eight = (priced(attention(heads), 256, model) for heads in (5, 8))
    assert 8 * five.load.macs == 5 * eight.load.macs
    cycles = eight.load.macs / case.bf16_macs + eight.load.lane_cycles
    assert five.bound == eight.bound == "compute"
    assert eight.time.middle == pytest.approx(cycles / ARRAYS["npu1"].cores / 1e3 + case.operator_us)
    assert five.time.middle == pytest.approx(eight.time.middle)
    assert priced(attention(), 64, model).time.middle == pytest.approx(eight.time.middle)


def test_a_part_of_the_array_takes_longer() -> None:
    """Half of the columns have half of the cores, and read a again for each of them."""
    half = replace(ARRAYS["npu1"], columns=2)
    for operator in (gemm(), attention(), LayerNorm(AT, AT, AT, AT, ROWS, 512)):
        whole, part = priced(operator, 1024), price(operator, {0: 1024}, MODELS["npu1"], half)
        assert part.parts.compute_us == pytest.approx(2 * whole.parts.compute_us)
        assert part.parts.stream_us > whole.parts.stream_us
        assert part.time.middle > whole.time.middle


def test_each_parameter_moves_a_price() -> None:
    """None of the parameters stands there for nothing."""
    middle = MODELS["npu1"].cases["middle"]
    operators = (gemm(), GemmBf16(AT, AT, None, AT, ROWS, 512, 2048), attention(), LayerNorm(AT, AT, AT, AT, ROWS, 512))

    def sums(**changes: float) -> float:
        cases = {**MODELS["npu1"].cases, "middle": replace(middle, **changes)}
        model = replace(MODELS["npu1"], cases=cases)
        starts = model.dispatch_us.middle
        return starts + sum(priced(operator, rows, model).time.middle for operator in operators for rows in (16, 1024))

    slower = {
        "clock_ghz": 0.5,
        "int8_macs": 0.25,
        "bf16_macs": 0.5,
        "lane_factor": 2.0,
        "memory_gb_s": 0.5,
        "burst_ns": 2.0,
        "operator_us": 2.0,
        "dispatch_us": 2.0,
    }
    assert set(slower) == set(type(middle).__dataclass_fields__)
    for name, factor in slower.items():
        assert sums(**{name: getattr(middle, name) * factor}) > sums(), name


def test_nothing_costs_its_launch() -> None:
    """An operator without rows and one that does nothing still are operators of a sequence."""
    for found in (price(Nop(), {}, MODELS["npu1"]), priced(gemm(), 0)):
        assert (found.time, found.traffic_bytes, found.bound) == (priced(gemm(), 0).time, 0, "launch")
        assert found.time.middle == MODELS["npu1"].cases["middle"].operator_us


def test_a_vocabulary_smaller_than_a_tile_has_a_price() -> None:
    """One core does it all."""
    assert priced(Select(AT, AT, AT, AT, ROWS, 40, 64, 1, 30, 20, -1), 3).time.middle > 0


def test_models_say_what_they_rest_on() -> None:
    """The words go with every figure; a parameter without a value has no price."""
    assert all(model.basis == BASIS == "modelled, not measured on an NPU" for model in MODELS.values())
    with pytest.raises(OpError, match="which was given no value"):
        price(gemm(), {}, MODELS["npu1"])
