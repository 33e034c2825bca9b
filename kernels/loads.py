"""What an operator asks of the device: arithmetic and traffic, from the operator and its run-time parameters alone.

The machine counts what it executes with this, and plans count what nobody executes, so both say the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from amanuensis.kernels import operators as kinds
from amanuensis.kernels.layout import INT8_A, padded
from amanuensis.kernels.operands import Count, Dtype
from amanuensis.kernels.operators import Operator
from amanuensis.kernels.records import RULES, SCORES
from amanuensis.kernels.reference.conv1d import out_rows
from amanuensis.kernels.words import OpError

Counts: TypeAlias = Mapping[int, int] | Callable[[int], int]  # values of the run-time parameters by index

LANES: Final = 16  # float32 lanes of a core's vector unit

# Cycles for LANES elements, estimates: an exponential by table takes 12, a division or a rounding a few.
NORM_CYCLES: Final = 12.0
QUANTISE_CYCLES: Final = 8.0
GELU_CYCLES: Final = 60.0  # float32 multiply-adds are emulated through bf16
SOFTMAX_CYCLES: Final = 20.0
COPY_CYCLES: Final = 2.0
SELECT_CYCLES: Final = 40.0

_BYTES: Final[dict[Dtype, int]] = {"bf16": 2, "f32": 4}
_WORD: Final = 4  # bytes of a float32 or an int32


@dataclass(frozen=True, slots=True)
class Load:
    """What an operator asks of the device; each operand crosses the memory once.

    Attributes:
        int8_macs: multiply-adds on int8.
        bf16_macs: multiply-adds on bf16.
        lane_cycles: cycles of one core for all elements that are not multiply-adds.
        bytes_read: from device memory.
        bytes_written: to device memory.

    """

    int8_macs: int = 0
    bf16_macs: int = 0
    lane_cycles: float = 0.0
    bytes_read: int = 0
    bytes_written: int = 0

    @property
    def macs(self) -> int:
        """Multiply-adds of both kinds."""
        return self.int8_macs + self.bf16_macs

    @property
    def n_bytes(self) -> int:
        """Bytes both ways."""
        return self.bytes_read + self.bytes_written


def load_of(operator: Operator, counts: Counts) -> Load:
    """Return what an operator asks.

    Args:
        operator: any.
        counts: the values of the run-time parameters, by index or by a function of it.

    Raises:
        OpError: a parameter that the operator reads has no value, or one out of its limits.

    """
    if isinstance(operator, kinds.Nop):
        return Load()
    rows = count_of(operator, "rows", operator.rows, counts)
    return _LOADS[type(operator)](operator, rows, counts) if rows else Load()


def cycles(elements: int, cycles_per_vector: float) -> float:
    """Return the cycles of one core for so many elements."""
    return elements / LANES * cycles_per_vector


def count_of(operator: Operator, name: str, count: Count, counts: Counts) -> int:
    """Return a size; OpError when it is a parameter that has no value, or one out of its limits.

    Args:
        operator: that has the size, for the message.
        name: of the size, for the message.
        count: the size.
        counts: values of the run-time parameters.

    """
    if isinstance(count, int):
        return count
    what = f"{type(operator).__name__}.{name} is parameter {count.index}"
    try:
        value = counts[count.index] if isinstance(counts, Mapping) else counts(count.index)
    except KeyError:
        raise OpError(f"{what}, which was given no value") from None
    if not 0 <= value <= count.limit:
        raise OpError(f"{what} = {value}; allowed are 0 to {count.limit}")
    return value


def _im2col(op: kinds.Im2col, rows: int, _: Counts) -> Load:
    if out_rows(rows, op.stride) > op.dst_rows:
        raise OpError(f"{rows} rows of src make {out_rows(rows, op.stride)} rows of dst, which has {op.dst_rows}")
    filled = op.dst_rows * op.k_padded
    return Load(
        lane_cycles=cycles(filled, COPY_CYCLES),
        bytes_read=rows * op.width * _BYTES[op.dtype],
        bytes_written=filled * _BYTES["bf16"],
    )


def _layer_norm(op: kinds.LayerNorm, rows: int, _: Counts) -> Load:
    elements = rows * op.width
    return Load(
        lane_cycles=cycles(elements, NORM_CYCLES),
        bytes_read=(elements + 2 * op.width) * _WORD,
        bytes_written=elements * _BYTES["bf16"],
    )


def _quantise_rows(op: kinds.QuantiseRows, rows: int, _: Counts) -> Load:
    elements = rows * op.width
    return Load(
        lane_cycles=cycles(elements, QUANTISE_CYCLES),
        bytes_read=elements * _BYTES["bf16"] + (0 if op.smooth is None else op.width * _WORD),
        bytes_written=padded(rows, INT8_A.rows) * op.width + rows * _WORD,
    )


def _gemm_int8(op: kinds.GemmInt8, rows: int, _: Counts) -> Load:
    whole = padded(rows, INT8_A.rows)
    operands = whole * op.k + op.k * op.n + (rows + op.n) * _WORD
    return Load(
        int8_macs=whole * op.k * op.n,
        lane_cycles=_ending_cycles(op, rows),
        bytes_read=operands + _ending_bytes(op, rows),
        bytes_written=rows * op.n * _BYTES[op.epilogue.out],
    )


def _gemm_bf16(op: kinds.GemmBf16, rows: int, _: Counts) -> Load:
    operands = (rows * op.k + op.k * op.n) * _BYTES["bf16"]
    return Load(
        bf16_macs=padded(rows, INT8_A.rows) * op.k * op.n,
        lane_cycles=_ending_cycles(op, rows),
        bytes_read=operands + _ending_bytes(op, rows),
        bytes_written=rows * op.n * _BYTES[op.epilogue.out],
    )


def _ending_cycles(op: kinds.GemmInt8 | kinds.GemmBf16, rows: int) -> float:
    return cycles(rows * op.n, COPY_CYCLES + (GELU_CYCLES if op.epilogue.gelu else 0))


def _ending_bytes(op: kinds.GemmInt8 | kinds.GemmBf16, rows: int) -> int:
    bias = 0 if op.bias is None else op.n * _WORD
    return bias + (0 if op.epilogue.residual is None else rows * op.n * _WORD)


def _gemm_requantise(op: kinds.GemmRequantise, rows: int, _: Counts) -> Load:
    whole = padded(rows, INT8_A.rows)
    columns = op.n * _WORD * (1 if op.bias is None else 2)
    return Load(
        int8_macs=whole * op.k * op.n,
        lane_cycles=cycles(rows * op.n, QUANTISE_CYCLES),
        bytes_read=whole * op.k + op.k * op.n + columns,
        bytes_written=whole * op.n,
    )


def _add_rows(op: kinds.AddRows, rows: int, _: Counts) -> Load:
    elements = rows * op.width
    return Load(
        lane_cycles=cycles(elements, COPY_CYCLES), bytes_read=2 * elements * _WORD, bytes_written=elements * _WORD
    )


def _embed(op: kinds.Embed, rows: int, _: Counts) -> Load:
    elements = rows * op.width
    return Load(
        lane_cycles=cycles(elements, COPY_CYCLES),
        bytes_read=rows * _WORD + elements * (_BYTES["bf16"] + _WORD),
        bytes_written=elements * _WORD,
    )


def _attention(op: kinds.Attention, rows: int, counts: Counts) -> Load:
    keys = count_of(op, "keys", op.keys, counts)
    scores = op.heads * rows * keys
    row_bytes = op.heads * op.size * _BYTES["bf16"]
    kept = 0 if op.probabilities is None else len(op.kept_heads) * rows * op.pitch * _WORD
    return Load(
        bf16_macs=2 * scores * op.size,
        lane_cycles=cycles(scores, SOFTMAX_CYCLES),
        bytes_read=(rows + 2 * keys) * row_bytes,
        bytes_written=rows * row_bytes + kept,
    )


def _copy_rows(op: kinds.CopyRows, rows: int, _: Counts) -> Load:
    return Load(bytes_read=rows * op.row_bytes, bytes_written=rows * op.row_bytes)


def _select(op: kinds.Select, rows: int, _: Counts) -> Load:
    masks = op.n_masks * -(-op.vocabulary // 8)
    return Load(
        lane_cycles=cycles(rows * op.vocabulary, SELECT_CYCLES),
        bytes_read=rows * (op.vocabulary * _WORD + RULES.itemsize) + masks,
        bytes_written=rows * SCORES.itemsize,
    )


def _energy_gate(op: kinds.EnergyGate, rows: int, _: Counts) -> Load:
    elements = rows * op.n_mels
    return Load(
        lane_cycles=cycles(elements, SOFTMAX_CYCLES), bytes_read=elements * _WORD, bytes_written=rows * 2 * _WORD
    )


_LOADS: Final[dict[type[Operator], Callable[[Any, int, Counts], Load]]] = {
    kinds.Im2col: _im2col,
    kinds.LayerNorm: _layer_norm,
    kinds.QuantiseRows: _quantise_rows,
    kinds.GemmInt8: _gemm_int8,
    kinds.GemmRequantise: _gemm_requantise,
    kinds.GemmBf16: _gemm_bf16,
    kinds.AddRows: _add_rows,
    kinds.Embed: _embed,
    kinds.Attention: _attention,
    kinds.CopyRows: _copy_rows,
    kinds.Select: _select,
    kinds.EnergyGate: _energy_gate,
}
