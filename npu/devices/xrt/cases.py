"""Every operator of the device on a small problem, with the answer of its reference: what the self-test runs.

The references are the plain definitions in float32, not the device's own arithmetic, so the errors tell what that
arithmetic costs; integers and copies must agree exactly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels import layout
from amanuensis.kernels.compile.template import mapped
from amanuensis.kernels.dtypes import BFLOAT16, Float32, to_bf16, to_f32
from amanuensis.kernels.operands import ALIGNMENT_BYTES, PARAMETERS_BYTES
from amanuensis.kernels.ops import (
    AddRows,
    Attention,
    Buffer,
    CopyRows,
    Embed,
    EnergyGate,
    Epilogue,
    GemmBf16,
    GemmInt8,
    GemmRequantise,
    Im2col,
    LayerNorm,
    Nop,
    Operator,
    Parameter,
    QuantiseRows,
    Region,
    Select,
)
from amanuensis.kernels.records import SCORES, empty_rules
from amanuensis.kernels.reference.attention import attention, join_heads, probabilities, seen_keys, split_heads
from amanuensis.kernels.reference.attention import attention_streaming as streamed
from amanuensis.kernels.reference.conv1d import im2col
from amanuensis.kernels.reference.embed import embed
from amanuensis.kernels.reference.energy import energy_gate, log_powers
from amanuensis.kernels.reference.gelu import gelu
from amanuensis.kernels.reference.layer_norm import layer_norm
from amanuensis.kernels.reference.requantise import quantise_rows, requantise
from amanuensis.kernels.reference.select import Vocabulary, select

EXACT: Final = 0.0
ROUNDED: Final = 1e-5  # float32 in another order
BF16: Final = 0.01  # bf16 has 8 bits: 0.2 % a rounding, a few of them in a row
ROWS: Final = 9  # no multiple of a block
WIDTH: Final = 256  # of rows, and
COLUMNS: Final = 256  # of products: the least that every design takes
SEED: Final = 7


@dataclass(frozen=True, slots=True)
class Answer:
    """What a case must leave in OUTPUT.

    Attributes:
        offset: bytes.
        expected: of the reference, in the dtype that the device writes.
        limit: largest relative error, root of the mean square error by that of the expected values.

    """

    offset: int
    expected: NDArray[Any]
    limit: float


@dataclass(slots=True)
class Case:
    """One operator with its inputs and answers; `inputs` holds bytes by buffer."""

    name: str
    operators: list[Operator] = field(default_factory=list)
    inputs: dict[Buffer, bytearray] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)
    output_bytes: int = 0

    def __post_init__(self) -> None:
        self.inputs[Buffer.INPUT] = bytearray(PARAMETERS_BYTES)

    def give(self, array: NDArray[Any], buffer: Buffer = Buffer.INPUT) -> Region:
        """Put an array behind the others of its buffer."""
        held = self.inputs.setdefault(buffer, bytearray())
        held += bytes(-len(held) % ALIGNMENT_BYTES)
        region = Region(buffer, len(held))
        held += np.ascontiguousarray(array).tobytes()
        return region

    def weight(self, array: NDArray[Any]) -> Region:
        """Put an array into WEIGHTS."""
        return self.give(array, Buffer.WEIGHTS)

    def take(self, expected: NDArray[Any], limit: float) -> Region:
        """Expect an array in OUTPUT."""
        offset = -(-self.output_bytes // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
        self.answers.append(Answer(offset, expected, limit))
        self.output_bytes = offset + expected.nbytes
        return Region(Buffer.OUTPUT, offset)

    def parameter(self, index: int, value: int) -> Parameter:
        """Set a parameter and return the reference to it."""
        self.inputs[Buffer.INPUT][4 * index : 4 * index + 4] = np.int32(value).tobytes()
        return Parameter(index, limit=4096)


def cases() -> Iterator[Case]:
    """Yield a case for each operator, in the order of their codes."""
    for make in (
        _nop,
        _im2col,
        _layer_norm,
        _quantise_rows,
        _gemm_int8,
        _gemm_requantise,
        _gemm_bf16,
        _add_rows,
        _embed,
        _attention,
        _copy_rows,
        _select,
        _energy_gate,
    ):
        yield make(np.random.default_rng(SEED))


def filled(case: Case) -> list[Operator]:
    """Return the operators of a case with its parameters filled in: compiled launches of such sizes have none."""
    block = np.frombuffer(bytes(case.inputs[Buffer.INPUT][:PARAMETERS_BYTES]), np.int32)

    def number(value: Any) -> Any:
        return int(block[value.index]) if isinstance(value, Parameter) else value

    def region(value: Region) -> Region:
        moved = 0 if value.index is None else number(value.index) * value.stride
        return Region(value.buffer, value.offset + moved)

    found = []
    for operator in case.operators:
        still = mapped(operator, region)
        found.append(replace(still, **{f.name: number(getattr(still, f.name)) for f in fields(still)}))
    return found


def _normal(random: np.random.Generator, *shape: int) -> Float32:
    return random.standard_normal(shape).astype(np.float32)


def _integers(random: np.random.Generator, *shape: int) -> NDArray[np.int8]:
    return random.integers(-127, 128, shape, np.int8)


def _blocks(a: NDArray[np.int8]) -> NDArray[Any]:
    return layout.pack(layout.pad(a, layout.INT8_A.rows, layout.INT8_A.columns), layout.INT8_A)


def _nop(_: np.random.Generator) -> Case:
    return Case("Nop", [Nop()])


def _im2col(random: np.random.Generator) -> Case:
    case, x = Case("Im2col"), _normal(random, ROWS, 16)
    columns = np.zeros((8, 56), np.float32)
    columns[:5] = im2col(x, 2, 56)
    dst = case.take(to_bf16(columns), EXACT)
    case.operators = [Im2col(case.give(x), dst, case.parameter(3, ROWS), 8, 16, 2, 56)]
    return case


def _layer_norm(random: np.random.Generator) -> Case:
    case, x = Case("LayerNorm"), 3 + 2 * _normal(random, ROWS, WIDTH)
    gain, bias = _normal(random, WIDTH), _normal(random, WIDTH)
    dst = case.take(to_bf16(layer_norm(x, gain, bias)), BF16)
    case.operators = [LayerNorm(case.give(x), dst, case.weight(gain), case.weight(bias), ROWS, WIDTH)]
    return case


def _quantise_rows(random: np.random.Generator) -> Case:
    case, x = Case("QuantiseRows"), to_bf16(_normal(random, ROWS, WIDTH))
    values, scales = quantise_rows(to_f32(x))
    dst, at = case.take(_blocks(values), BF16), case.take(scales, ROUNDED)
    case.operators = [QuantiseRows(case.give(x), dst, at, ROWS, WIDTH)]
    return case


def _gemm_int8(random: np.random.Generator) -> Case:
    case, a, b = Case("GemmInt8"), _integers(random, ROWS, WIDTH), _integers(random, WIDTH, COLUMNS)
    a_scales, b_scales = (random.uniform(0.5, 1.5, n).astype(np.float32) / 500 for n in (ROWS, COLUMNS))
    bias, residual = _normal(random, COLUMNS), _normal(random, ROWS, COLUMNS)
    sums = (a * a_scales[:, None]).astype(np.float64) @ (b * b_scales).astype(np.float64)
    dst = case.take((gelu(sums + bias) + residual).astype(np.float32), BF16)
    case.operators = [
        GemmInt8(
            case.give(_blocks(a)),
            case.give(a_scales),
            case.weight(layout.pack_int8_b(b)),
            case.weight(b_scales),
            case.weight(bias),
            dst,
            case.parameter(0, ROWS),
            WIDTH,
            COLUMNS,
            Epilogue(gelu=True, residual=case.give(residual), out="f32"),
        )
    ]
    return case


def _gemm_requantise(random: np.random.Generator) -> Case:
    case, a, b = Case("GemmRequantise"), _integers(random, ROWS, WIDTH), _integers(random, WIDTH, COLUMNS)
    bias = random.integers(-5000, 5000, COLUMNS, np.int32)
    multipliers, shift = random.integers(1 << 19, 1 << 20, COLUMNS, np.int32), 31
    sums = (a.astype(np.int64) @ b.astype(np.int64)).astype(np.int32)
    dst = case.take(_blocks(requantise(sums, bias, multipliers, shift)), EXACT)
    places = (case.give(_blocks(a)), case.weight(layout.pack_int8_b(b)), case.weight(bias), case.weight(multipliers))
    case.operators = [GemmRequantise(*places, dst, ROWS, WIDTH, COLUMNS, shift)]
    return case


def _gemm_bf16(random: np.random.Generator) -> Case:
    case, a, b = Case("GemmBf16"), to_bf16(_normal(random, ROWS, WIDTH)), to_bf16(_normal(random, WIDTH, COLUMNS))
    bias = _normal(random, COLUMNS)
    dst = case.take(to_bf16((to_f32(a).astype(np.float64) @ to_f32(b) + bias).astype(np.float32)), BF16)
    places = (case.give(a), case.weight(layout.pack_bf16_b(b)), case.weight(bias))
    case.operators = [GemmBf16(*places, dst, ROWS, WIDTH, COLUMNS)]
    return case


def _add_rows(random: np.random.Generator) -> Case:
    case, x, table = Case("AddRows"), _normal(random, ROWS, WIDTH), _normal(random, ROWS, WIDTH)
    dst = case.take(x + table, ROUNDED)
    case.operators = [AddRows(case.give(x), case.weight(table), dst, ROWS, WIDTH)]
    return case


def _embed(random: np.random.Generator) -> Case:
    case, table, positions = Case("Embed"), to_bf16(_normal(random, 50, WIDTH)), _normal(random, 20, WIDTH)
    ids = random.integers(0, 50, ROWS, np.int32)
    dst = case.take(embed(ids, table, positions, 5), ROUNDED)
    places = (case.give(ids), case.weight(table), case.weight(positions))
    case.operators = [Embed(*places, dst, ROWS, case.parameter(9, 5), WIDTH, 50, 20)]
    return case


def _attention(random: np.random.Generator) -> Case:
    """Causal, over more keys than one block, with the probabilities of one head."""
    case, heads, size, keys, first, pitch = Case("Attention"), 4, 64, 44, 35, 128
    q, k, v = (to_bf16(_normal(random, n, heads * size)) for n in (ROWS, keys, keys))
    split_q, split_k, split_v = (split_heads(to_f32(each), heads) for each in (q, k, v))
    scale = size**-0.5
    dst = case.take(to_bf16(join_heads(attention(split_q, split_k, split_v, scale, first))), BF16)
    attended = streamed(split_q, split_k, split_v, scale, first)
    kept = np.zeros((1, ROWS, pitch), np.float32)
    kept[0, :, :keys] = probabilities(attended, split_q, split_k, scale, seen_keys(ROWS, keys, first))[1]
    at = case.take(kept, BF16)
    place, cache = case.give(q), (case.give(k, Buffer.CACHE), case.give(v, Buffer.CACHE))
    n_keys, n_first = case.parameter(1, keys), case.parameter(2, first)
    case.operators = [Attention(place, *cache, dst, ROWS, n_keys, heads, size, True, n_first, scale, at, (1,), pitch)]
    return case


def _copy_rows(random: np.random.Generator) -> Case:
    """From pitch to pitch by way of SCRATCH, at a place that a parameter moves."""
    case, rows = Case("CopyRows"), _normal(random, ROWS, 32)
    dst = case.take(rows[:, :16].copy(), EXACT)
    moved = Region(Buffer.SCRATCH, 64, case.parameter(4, 3), 128)
    there = Region(Buffer.SCRATCH, 64 + 3 * 128)
    case.inputs[Buffer.SCRATCH] = bytearray(64 + 3 * 128 + ROWS * 64)
    case.operators = [
        CopyRows(case.give(rows), moved, case.parameter(0, ROWS), 64, 128, 64),
        CopyRows(there, dst, ROWS, 64, 64, 64),
    ]
    return case


def _select(random: np.random.Generator) -> Case:
    """Text with a bonus and timestamps with a draw, under a mask."""
    case, size, pitch = Case("Select"), 200, 208
    logits = 4 * _normal(random, 2, pitch)
    masks = np.packbits(random.random((2, size)) < 0.2, axis=1, bitorder="little")
    rules = empty_rules(2)
    rules["mask"], rules["n_bonuses"], rules["wanted"] = (0, 1), (1, 0), (17, -1)
    rules["bonus_ids"][0, 0], rules["bonus_logits"][0, 0] = 17, 2.5
    rules["time_from"][1], rules["time_to"][1], rules["temperature"][1], rules["seed"][1] = 160, 190, 0.7, 5
    scores = select(logits, masks, rules, Vocabulary(size, 150, 120, 130))
    dst = case.take(scores, ROUNDED)
    places = (case.give(logits), case.weight(masks), case.give(rules), dst)
    case.operators = [Select(*places, 2, size, pitch, 2, 150, 120, 130)]
    return case


def _energy_gate(random: np.random.Generator) -> Case:
    case, features = Case("EnergyGate"), _normal(random, ROWS, 80)
    dst = case.take(energy_gate(log_powers(features)), ROUNDED)
    case.operators = [EnergyGate(case.give(features), dst, ROWS, 80)]
    return case


def as_numbers(array: NDArray[Any]) -> NDArray[np.float64]:
    """Return what an answer holds as numbers, flat; of scores, all fields that mean something."""
    if array.dtype == SCORES:
        names = [name for name in SCORES.names or () if name != "reserved"]
        return np.concatenate([np.asarray(array[name], np.float64).reshape(-1) for name in names])
    if array.dtype == BFLOAT16:
        array = to_f32(array)
    return np.asarray(array, np.float64).reshape(-1)


def relative_error(expected: NDArray[Any], found: NDArray[Any]) -> float:
    """Return the root of the mean square error by that of the expected values; inf where one is not finite."""
    right, got = as_numbers(expected), as_numbers(found)
    agree = right == got  # infinities that belong there
    if not np.isfinite(got[~agree]).all() or not np.isfinite(right[~agree]).all():
        return float("inf")
    size = float(np.sqrt(np.mean(np.square(right[np.isfinite(right)])))) if right.size else 0.0
    difference = np.where(agree, 0.0, 1.0)
    difference[~agree] = right[~agree] - got[~agree]
    return float(np.sqrt(np.mean(np.square(difference)))) / (size or 1.0)
