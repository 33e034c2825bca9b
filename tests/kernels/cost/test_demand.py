"""What operators ask of the array: the streams of the designs, as their simulator counted them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from amanuensis.kernels.cost.arrays import ARRAYS, Array
from amanuensis.kernels.cost.demand import Demand, demand
from amanuensis.kernels.loads import load_of
from amanuensis.kernels.operands import Buffer, Epilogue, Region
from amanuensis.kernels.operators import (
    Attention,
    EnergyGate,
    GemmBf16,
    GemmInt8,
    LayerNorm,
    Operator,
    Select,
)
from amanuensis.kernels.program import Architecture

AT = Region(Buffer.SCRATCH, 0)
ROWS, WIDTH, FFN = 1536, 512, 2048  # of Whisper base
SUM = Epilogue(residual=AT, out="f32")


def asked(operator: Operator, array: Array = ARRAYS["npu1"]) -> Demand:
    """Return what an operator asks."""
    return demand(operator, {}, load_of(operator, {}), array)


def gemm(k: int, n: int, epilogue: Epilogue = Epilogue(), rows: int = ROWS) -> GemmInt8:  # noqa: B008 - it is frozen
    """Return an int8 product."""
    return GemmInt8(AT, AT, AT, AT, AT, AT, rows, k, n, epilogue)


@pytest.mark.parametrize(
    ("operator", "words"),  # thousands on the busiest channel, counted in the simulator: docs/kernels.md, products
    [
        (gemm(WIDTH, 3 * WIDTH), {"npu1": 295, "npu2": 148}),
        (gemm(WIDTH, WIDTH, SUM), {"npu1": 295, "npu2": 148}),
        (gemm(WIDTH, FFN, Epilogue(gelu=True)), {"npu1": 394, "npu2": 197}),
        (gemm(FFN, WIDTH, SUM), {"npu1": 590, "npu2": 295}),
        (GemmBf16(AT, AT, AT, AT, ROWS, 3 * WIDTH, WIDTH, SUM), {"npu1": 787, "npu2": 394}),
        (LayerNorm(AT, AT, AT, AT, ROWS, WIDTH), {"npu1": 196, "npu2": 98}),
    ],
    ids=["qkv", "out_proj", "fc1", "fc2", "conv2", "norm"],
)
def test_products_stream_what_was_counted(operator: Operator, words: dict[Architecture, int]) -> None:
    """Words on the busiest channel, within a hundredth."""
    for architecture, thousands in words.items():
        assert asked(operator, ARRAYS[architecture]).streamed / 4 == pytest.approx(1e3 * thousands, rel=0.01)


def test_a_layer_of_the_decoder_streams_what_its_tiles_say() -> None:
    """Of base with one token and a window of 130 frames: 1.05 MB of weights on the busiest channel."""
    products = [gemm(WIDTH, 3 * WIDTH, rows=1), gemm(WIDTH, WIDTH, rows=1), gemm(WIDTH, FFN, rows=1)]
    products += [gemm(WIDTH, WIDTH, SUM, 1)] * 2 + [gemm(FFN, WIDTH, SUM, 1)]
    busiest = (2 + 1 + 2) * 256 * WIDTH + 2 * 128 * WIDTH + 128 * FFN  # tiles of 256 columns, or of 128 where narrow
    assert sum(asked(product).streamed for product in products) == busiest
    cross = Attention(AT, AT, AT, AT, 1, 130, 8, 64, False, 0, 0.125)
    assert asked(cross).streamed == 2 * 4 * 130 * 64 * 2  # keys and values of the four heads of a column


def test_a_wide_decoder_streams_less() -> None:
    """Both channels bring weights, and heads go round the columns; what is kept brings its keys once more."""
    wide = replace(ARRAYS["npu1"], weight_channels=2, spreads_heads=True)
    assert asked(gemm(WIDTH, FFN, rows=1), wide).streamed == asked(gemm(WIDTH, FFN, rows=1)).streamed / 2
    cross = Attention(AT, AT, AT, AT, 1, 130, 8, 64, False, 0, 0.125)
    assert asked(cross, wide).streamed == asked(cross).streamed / 2
    kept = replace(cross, probabilities=AT, kept_heads=(0, 1, 2, 3, 4), pitch=256)
    assert asked(kept).streamed - asked(cross).streamed == 2 * 130 * 64 * 2


@pytest.mark.parametrize(("rows", "rounds"), [(1, 1), (3, 1), (4, 2), (32, 11)])
def test_a_row_of_logits_passes_one_channel(rows: int, rounds: int) -> None:
    """Six bitmaps of base in quarters first, then 53 thousand words a row; three columns choose."""
    found = asked(Select(AT, AT, AT, AT, rows, 51865, 51968, 6, 51864, 0, -1))
    assert found.streamed == 6 * 4 * 2112 + rounds * 53_248 * 4
    assert (found.cores, found.lanes) == (12, pytest.approx(3 * rounds / rows))


def test_frames_are_measured_by_one_core() -> None:
    """A window of 3000 frames of 80 mels is 240 thousand words on one channel."""
    found = asked(EnergyGate(AT, AT, 3000, 80))
    assert (found.cores, found.streamed) == (1, 4 * 240_000)
