"""The operators of the device as values.

Tensors are row-major and start at multiples of 64 bytes unless an operator says otherwise; `rows` may be known only at
run time. What each operator computes is defined by the functions in `amanuensis.kernels.reference`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from amanuensis.kernels.operands import MAX_COUNT, Count, Dtype, Epilogue, Region
from amanuensis.kernels.words import OpError

PLAIN: Final = Epilogue()
MAX_SHIFT: Final = 62  # keeps the product of two int32 and its rounding inside int64


def _check_sizes(operator: object, *names: str, multiple: int = 1) -> None:
    for name in names:
        value = getattr(operator, name)
        if not 0 < value <= MAX_COUNT or value % multiple:
            raise OpError(
                f"{type(operator).__name__}.{name} is {value}; allowed are multiples of {multiple} up to {MAX_COUNT}"
            )


def _check_count(operator: object, *names: str) -> None:
    for name in names:
        value = getattr(operator, name)
        if isinstance(value, int) and not 0 <= value <= MAX_COUNT:
            raise OpError(f"{type(operator).__name__}.{name} is {value}; allowed are 0 to {MAX_COUNT}")


@dataclass(frozen=True, slots=True)
class Im2col:
    """The rows of a convolution of 3 taps as a matrix: dst[i] is src[i*stride-1 : i*stride+2], flat.

    src: `dtype` [rows, width]; dst: bf16 [dst_rows, k_padded], of which (rows - 1) // stride + 1 rows and 3 * width
    columns are filled; source rows before 0 and from `rows` on count as zero, and so is the rest of dst.
    """

    src: Region
    dst: Region
    rows: Count
    dst_rows: int
    width: int
    stride: int
    k_padded: int
    dtype: Dtype = "f32"

    def __post_init__(self) -> None:
        _check_sizes(self, "dst_rows", "width", "stride")
        _check_sizes(self, "k_padded", multiple=8)
        _check_count(self, "rows")
        if self.k_padded < 3 * self.width:
            raise OpError(f"Im2col.k_padded is {self.k_padded}; it must hold 3 * {self.width} columns")


@dataclass(frozen=True, slots=True)
class LayerNorm:
    """Layer norm over the last axis; src: f32 [rows, width], dst: bf16 [rows, width], gain and bias: f32 [width]."""

    src: Region
    dst: Region
    gain: Region
    bias: Region
    rows: Count
    width: int

    def __post_init__(self) -> None:
        _check_sizes(self, "width", multiple=8)
        _check_count(self, "rows")


@dataclass(frozen=True, slots=True)
class QuantiseRows:
    """Each row to int8 by its own scale; src: bf16 [rows, width], dst: int8 in 4x8 blocks, scales: f32 [rows].

    `smooth`, f32 [width], is multiplied onto the columns first. Rows that fill the last block up are zero.
    """

    src: Region
    dst: Region
    scales: Region
    rows: Count
    width: int
    smooth: Region | None = None

    def __post_init__(self) -> None:
        _check_sizes(self, "width", multiple=8)
        _check_count(self, "rows")


@dataclass(frozen=True, slots=True)
class GemmInt8:
    """Matrix product with int8 operands, exact int32 sums, and one scale a row of a and a column of b.

    a: int8 [rows, k] in 4x8 blocks, a_scales: f32 [rows]; b: int8 [k, n] in 8x8 blocks, b_scales: f32 [n];
    bias: f32 [n]; dst: [rows, n] as the epilogue says. dst = epilogue(sums * a_scales * b_scales + bias).
    """

    a: Region
    a_scales: Region
    b: Region
    b_scales: Region
    bias: Region | None
    dst: Region
    rows: Count
    k: int
    n: int
    epilogue: Epilogue = PLAIN

    def __post_init__(self) -> None:
        _check_sizes(self, "k", "n", multiple=8)
        _check_count(self, "rows")


@dataclass(frozen=True, slots=True)
class GemmRequantise:
    """Matrix product in integers throughout: dst = saturate(round_half_even((a b + bias) * multipliers / 2**shift)).

    a: int8 [rows, k] in 4x8 blocks; b: int8 [k, n] in 8x8 blocks; bias: int32 [n]; multipliers: int32 [n]; dst: int8
    [rows, n] in 4x8 blocks, so that it is the a of the next product; rows that fill the last block up are zero.
    """

    a: Region
    b: Region
    bias: Region | None
    multipliers: Region
    dst: Region
    rows: Count
    k: int
    n: int
    shift: int

    def __post_init__(self) -> None:
        _check_sizes(self, "k", "n", multiple=8)
        _check_count(self, "rows")
        if not 0 <= self.shift <= MAX_SHIFT:
            raise OpError(f"GemmRequantise.shift is {self.shift}; allowed are 0 to {MAX_SHIFT}")


@dataclass(frozen=True, slots=True)
class GemmBf16:
    """Matrix product with bf16 operands and float32 sums.

    a: bf16 [rows, k] row-major; b: bf16 [k, n] in 8x4 blocks; bias: f32 [n]; dst: [rows, n] as the epilogue says.
    """

    a: Region
    b: Region
    bias: Region | None
    dst: Region
    rows: Count
    k: int
    n: int
    epilogue: Epilogue = PLAIN

    def __post_init__(self) -> None:
        _check_sizes(self, "k", "n", multiple=8)
        _check_count(self, "rows")


@dataclass(frozen=True, slots=True)
class AddRows:
    """dst = src + table, all f32 [rows, width]; dst may be src."""

    src: Region
    table: Region
    dst: Region
    rows: Count
    width: int

    def __post_init__(self) -> None:
        _check_sizes(self, "width")
        _check_count(self, "rows")


@dataclass(frozen=True, slots=True)
class Embed:
    """dst[i] = table[ids[i]] + positions[first + i * step].

    ids: int32 [rows]; table: bf16 [vocabulary, width]; positions: f32 [n_positions, width]; dst: f32 [rows, width].
    A step of 0 is for rows that are different beams at the same position.
    """

    ids: Region
    table: Region
    positions: Region
    dst: Region
    rows: Count
    first: Count
    width: int
    vocabulary: int
    n_positions: int
    step: int = 1

    def __post_init__(self) -> None:
        _check_sizes(self, "width", "vocabulary", "n_positions")
        _check_count(self, "rows", "first", "step")


@dataclass(frozen=True, slots=True)
class Attention:
    """Attention of each head over its keys, streaming with a running maximum and sum.

    q, dst: bf16 [rows, heads * size]; k, v: bf16 [keys, heads * size]. With `causal`, row i sees keys 0 to first + i.
    q_pitch and kv_pitch are the bytes from row to row, 0 for rows without gaps (then heads * size * 2). probabilities:
    f32 [len(kept_heads), rows, pitch], of the heads named, zero from the first key not seen to the pitch (in
    elements), rows known only at run time without gaps.
    """

    q: Region
    k: Region
    v: Region
    dst: Region
    rows: Count
    keys: Count
    heads: int
    size: int
    causal: bool
    first: Count
    scale: float
    probabilities: Region | None = None
    kept_heads: tuple[int, ...] = ()
    pitch: int = 0
    q_pitch: int = 0
    kv_pitch: int = 0

    def __post_init__(self) -> None:
        _check_sizes(self, "heads")
        _check_sizes(self, "size", multiple=8)
        _check_count(self, "rows", "keys", "first", "pitch", "q_pitch", "kv_pitch")
        if not all(0 <= head < self.heads for head in self.kept_heads):
            raise OpError(f"Attention.kept_heads is {self.kept_heads}; there are heads 0 to {self.heads - 1}")
        if self.probabilities is not None and not (self.kept_heads and self.pitch):
            raise OpError("Attention.probabilities needs kept_heads and a pitch above 0")
        if not abs(self.scale) < float("inf"):
            raise OpError(f"Attention.scale is {self.scale}; it must be finite")
        if self.q_pitch % 2 or self.kv_pitch % 2:
            raise OpError(f"Attention has pitches of {self.q_pitch} and {self.kv_pitch} bytes; bf16 takes even ones")


@dataclass(frozen=True, slots=True)
class CopyRows:
    """Copy `rows` rows of `row_bytes`; pitches are the bytes from row to row. Source and destination do not overlap."""

    src: Region
    dst: Region
    rows: Count
    row_bytes: int
    src_pitch: int
    dst_pitch: int

    def __post_init__(self) -> None:
        _check_sizes(self, "row_bytes", "src_pitch", "dst_pitch", multiple=4)
        _check_count(self, "rows")
        if min(self.src_pitch, self.dst_pitch) < self.row_bytes:
            raise OpError(f"CopyRows has rows of {self.row_bytes} bytes at {self.src_pitch} and {self.dst_pitch}")


@dataclass(frozen=True, slots=True)
class Select:
    """What the decoding rules need of the logits: best ids, sums and draws among the ids that each row's rules allow.

    logits: f32 [rows, pitch]; masks: uint8 [n_masks, ceil(vocabulary / 8)], bit i % 8 of byte i // 8 set where id i is
    suppressed, rows without gaps; rules: RULES [rows]; answers: SCORES [rows] (`amanuensis.kernels.records`).
    timestamp_begin may equal the vocabulary (no timestamps); no_speech may be -1.
    """

    logits: Region
    masks: Region
    rules: Region
    answers: Region
    rows: Count
    vocabulary: int
    pitch: int
    n_masks: int
    timestamp_begin: int
    eot: int
    no_speech: int

    def __post_init__(self) -> None:
        _check_sizes(self, "vocabulary", "pitch", "n_masks")
        _check_count(self, "rows")
        if self.pitch < self.vocabulary:
            raise OpError(f"Select.pitch is {self.pitch}, less than the vocabulary of {self.vocabulary}")
        if not 0 <= self.eot < self.timestamp_begin <= self.vocabulary:
            raise OpError(
                f"Select has eot {self.eot}, timestamps from {self.timestamp_begin}, a vocabulary of {self.vocabulary}"
            )
        if not -1 <= self.no_speech < self.vocabulary:
            raise OpError(f"Select.no_speech is {self.no_speech}; allowed are -1 to {self.vocabulary - 1}")


@dataclass(frozen=True, slots=True)
class EnergyGate:
    """Energy in dB and spectral flatness of each frame; src: f32 [rows, n_mels], dst: f32 [rows, 2].

    `kind` says what src holds: mel powers, or Whisper's scaled log-mel features.
    """

    src: Region
    dst: Region
    rows: Count
    n_mels: int
    kind: Literal["log_mel", "power"] = "log_mel"

    def __post_init__(self) -> None:
        _check_sizes(self, "n_mels")
        _check_count(self, "rows")


@dataclass(frozen=True, slots=True)
class Nop:
    """Nothing: keeps the device awake."""


Operator: TypeAlias = (
    Im2col
    | LayerNorm
    | QuantiseRows
    | GemmInt8
    | GemmRequantise
    | GemmBf16
    | AddRows
    | Embed
    | Attention
    | CopyRows
    | Select
    | EnergyGate
    | Nop
)
