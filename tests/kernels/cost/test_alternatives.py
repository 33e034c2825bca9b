"""A pipeline of layers and weights of 4 bits, priced beside the whole array."""

from __future__ import annotations

import pytest

from amanuensis.kernels.cost.alternatives import INT4_SHARE, Alternatives, alternatives
from amanuensis.kernels.cost.parameters import MODELS, Model
from amanuensis.kernels.cost.price import price
from amanuensis.kernels.operands import Buffer, Epilogue, Parameter, Region
from amanuensis.kernels.operators import Attention, GemmBf16, GemmInt8, Nop, Operator
from amanuensis.kernels.program import ARCHITECTURES, Architecture
from amanuensis.kernels.words import OpError

AT = Region(Buffer.SCRATCH, 0)
ROWS = Parameter(0)
WIDTH, LAYERS = 512, 6  # of Whisper base


def gemm(k: int, n: int, *, gelu: bool = False) -> GemmInt8:
    """Return an int8 product."""
    return GemmInt8(AT, AT, AT, AT, AT, AT, ROWS, k, n, Epilogue(gelu=gelu))


def layers(keys: int = 250) -> list[Operator]:
    """Return the products and the attention of the encoder of Whisper base."""
    one: list[Operator] = [
        gemm(WIDTH, 3 * WIDTH),
        Attention(AT, AT, AT, AT, ROWS, keys, 8, 64, False, 0, 0.125),
        gemm(WIDTH, WIDTH),
        gemm(WIDTH, 4 * WIDTH, gelu=True),
        gemm(4 * WIDTH, WIDTH),
    ]
    return one * LAYERS


def costed(rows: int, operators: list[Operator] | None = None, model: Model = MODELS["npu1"]) -> Alternatives:
    """Return the plans at so many rows."""
    return alternatives(layers() if operators is None else operators, {0: rows}, model, LAYERS)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("rows", [1, 16, 256, 1500])
def test_the_whole_array_costs_what_its_operators_do(architecture: Architecture, rows: int) -> None:
    """The first plan is the sum of the prices and the dispatch, at each end of the band."""
    model = MODELS[architecture]
    prices = [price(operator, {0: rows}, model).time for operator in layers()]
    whole = costed(rows, model=model).whole_array
    for end in ("low", "middle", "high"):
        expected = sum(getattr(band, end) for band in prices) + getattr(model.dispatch_us, end)
        assert getattr(whole, end) == pytest.approx(expected)


def test_weights_of_four_bits_help_where_weights_are_the_traffic(capsys: pytest.CaptureFixture[str]) -> None:
    """A token gains a quarter or more, an encoding little; none gains more than the bytes that are saved."""
    shares = {}
    for rows in (1, 256):
        made = costed(rows)
        shares[rows] = made.int4.middle / made.whole_array.middle
        with capsys.disabled():
            print(f"\n{rows} rows of base's encoder layers on npu1, modelled: 4 bits take {shares[rows]:.2f} of 8 bits")
    assert INT4_SHARE < shares[1] < 0.75
    assert 0.9 < shares[256] <= 1


def test_only_int8_weights_change() -> None:
    """Attention and bf16 products cost the same in the plan of 4 bits."""
    others: list[Operator] = [layers()[1], GemmBf16(AT, AT, AT, AT, ROWS, 256, 512), Nop()]
    made = costed(256, others)
    assert made.int4 == made.whole_array


@pytest.mark.parametrize("rows", [1, 256, 1500])
def test_a_window_goes_through_a_pipeline_more_slowly(rows: int) -> None:
    """At every end of the band a window takes longer than on the whole array, and windows follow one another faster."""
    made = costed(rows)
    for end in ("low", "middle", "high"):
        assert getattr(made.pipeline, end) > getattr(made.whole_array, end)
        assert getattr(made.pipeline_period, end) < getattr(made.whole_array, end)


def test_a_pipeline_of_one_layer_is_the_whole_array_at_its_best() -> None:
    """With nothing to share out, the bound is that of the slowest resource: no launches, no activations."""
    made = alternatives(layers(), {0: 256}, MODELS["npu1"], 1)
    assert made.pipeline.middle <= made.whole_array.middle
    assert made.pipeline == made.pipeline_period


def test_a_pipeline_streams_weights_over_its_share_of_the_channels() -> None:
    """One row on npu1: all 8 channels carry 32 bytes a nanosecond, those of one layer of six a sixth of that."""
    operators: list[Operator] = [gemm(WIDTH, WIDTH)]
    made = costed(1, operators)
    whole_us = WIDTH * WIDTH / (8 * 4 * 1.0) / 1e3  # 8 channels, 4 bytes a cycle, 1 GHz
    assert made.pipeline.middle - MODELS["npu1"].dispatch_us.middle == pytest.approx(LAYERS * whole_us)


def test_no_rows_are_no_traffic() -> None:
    """A pipeline then costs its dispatch, and 4 bits save nothing of the operators' fixed cost."""
    made = costed(0)
    assert made.pipeline == MODELS["npu1"].dispatch_us
    assert made.int4 == made.whole_array


def test_parameters_without_a_value_are_named() -> None:
    """The operator and the parameter are named."""
    with pytest.raises(OpError, match=r"GemmInt8\.rows is parameter 0, which was given no value"):
        alternatives(layers(), {}, MODELS["npu1"], LAYERS)
