"""What `kernels bench` dispatches: small launches that cost hardly more than their start, and layers of Whisper base.

Compiled programs hold what was compiled ahead, so `kernels build` adds these to what the engine dispatches of a model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from amanuensis.kernels.compile.lowering import Part
from amanuensis.kernels.cost.measured import (
    CHAIN_LAUNCHES,
    CHAINED,
    CONFIGURATIONS,
    COPY_BYTES,
    FEW_ROWS,
    FFN,
    GELU,
    HEADS,
    MANY_ROWS,
    MEMORY_COPY,
    WIDTH,
    operator_figure,
)
from amanuensis.kernels.operands import PARAMETERS_BYTES
from amanuensis.kernels.ops import (
    Attention,
    Buffer,
    CopyRows,
    EnergyGate,
    Epilogue,
    GemmBf16,
    GemmInt8,
    LayerNorm,
    Operator,
    QuantiseRows,
    Region,
)

BUFFER_BYTES: Final = 16 << 20  # of each buffer
ROWS: Final = (FEW_ROWS, 32, 512, MANY_ROWS)  # a token, a verification, two audio contexts
HALF: Final = BUFFER_BYTES // 2
HEAD_SIZE: Final = WIDTH // HEADS
LINE_BYTES: Final = 64
COPY_ROW_BYTES: Final = 1 << 16  # long bursts
FEW_KEYS: Final = 32  # the least block
MELS: Final = 80
DECODER_ROWS: Final = 32  # the most that the decoder's design takes


@dataclass(frozen=True, slots=True)
class Timed:
    """A dispatch that is timed.

    Attributes:
        name: of its figure.
        part: of the model whose configurations it runs on.
        operators: in order.
        amount: multiply-adds or bytes that move in it; 0 where neither says anything.

    """

    name: str
    part: Part
    operators: tuple[Operator, ...]
    amount: int = 0


def small(configuration: str) -> Timed:
    """Return the least that a configuration does; KeyError where there is no such configuration."""
    line = CopyRows(Region(Buffer.INPUT, PARAMETERS_BYTES), Region(Buffer.OUTPUT, 0), 1, *3 * (LINE_BYTES,))
    q, k, v = Region(Buffer.SCRATCH, 0), Region(Buffer.CACHE, 0), Region(Buffer.CACHE, BUFFER_BYTES // 4)
    attend = Attention(q, k, v, Region(Buffer.OUTPUT, 0), 1, FEW_KEYS, HEADS, HEAD_SIZE, False, 0, HEAD_SIZE**-0.5)
    gate = EnergyGate(Region(Buffer.INPUT, PARAMETERS_BYTES), Region(Buffer.OUTPUT, 0), 1, MELS)
    made: dict[str, tuple[Part, Operator]] = {
        "products": ("encoder", line),
        "attention": ("encoder", attend),
        "decoder": ("decoder", line),
        "choice": ("encoder", gate),
    }
    part, operator = made[configuration]
    return Timed(configuration, part, (operator,))


def chained() -> Timed:
    """Return many small launches in one dispatch."""
    return Timed(CHAINED, "encoder", small("products").operators * CHAIN_LAUNCHES)


def memory_copy() -> Timed:
    """Return a copy in the device's memory in long bursts; both directions count."""
    pitch = COPY_ROW_BYTES
    copy = CopyRows(Region(Buffer.SCRATCH, 0), Region(Buffer.CACHE, 0), COPY_BYTES // pitch, pitch, pitch, pitch)
    return Timed(MEMORY_COPY, "encoder", (copy,), 2 * COPY_BYTES)


def layer(rows: int) -> Iterator[Timed]:
    """Yield the operators of a layer of Whisper base on a number of rows, each by itself."""
    a, scales, dst = Region(Buffer.SCRATCH, 0), Region(Buffer.SCRATCH, HALF), Region(Buffer.OUTPUT, 0)
    weight, more = Region(Buffer.WEIGHTS, 0), Region(Buffer.WEIGHTS, HALF)
    bias = Region(Buffer.WEIGHTS, HALF + FFN * 4)
    keys = Region(Buffer.CACHE, 0), Region(Buffer.CACHE, BUFFER_BYTES // 4)
    part: Part = "decoder" if rows <= DECODER_ROWS else "encoder"

    def timed(operator: Operator, macs: int = 0, name: str = "") -> Timed:
        return Timed(operator_figure(name or type(operator).__name__, rows), part, (operator,), macs)

    macs = rows * WIDTH * FFN
    product = GemmInt8(a, scales, weight, more, bias, dst, rows, WIDTH, FFN)
    yield timed(LayerNorm(a, dst, more, bias, rows, WIDTH))
    yield timed(QuantiseRows(a, dst, scales, rows, WIDTH))
    yield timed(product, macs)
    yield timed(replace(product, epilogue=Epilogue(gelu=True)), macs, GELU)
    yield timed(GemmBf16(a, weight, bias, dst, rows, WIDTH, FFN), macs)
    attend = Attention(a, *keys, dst, rows, MANY_ROWS, HEADS, HEAD_SIZE, False, 0, HEAD_SIZE**-0.5)
    yield timed(attend, 2 * rows * MANY_ROWS * WIDTH)


def all_timed() -> Iterator[Timed]:
    """Yield everything that is dispatched, for compiling it ahead."""
    yield from map(small, CONFIGURATIONS)
    yield chained()
    yield memory_copy()
    for rows in ROWS:
        yield from layer(rows)
