"""Matrix products and what prepares their operands, on device memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.dtypes import BFLOAT16, Float32, to_bf16, to_f32
from amanuensis.kernels.layout import BF16_B, INT8_A, INT8_B, Block, pack, pad, padded, unpack, unpack_columns
from amanuensis.kernels.memory import Memory, OperandError
from amanuensis.kernels.operands import Dtype, Region
from amanuensis.kernels.operators import GemmBf16, GemmInt8, GemmRequantise, Im2col, QuantiseRows
from amanuensis.kernels.reference.by_row import float_sums
from amanuensis.kernels.reference.conv1d import im2col, out_rows
from amanuensis.kernels.reference.gemm import Ending, exact_sums, scaled
from amanuensis.kernels.reference.requantise import quantise_rows, requantise

CHUNK_ELEMENTS: Final = 1 << 18  # of b, unpacked at a time: as float32 they stay in the cache of a CPU core
_DTYPES: Final[dict[Dtype, np.dtype[Any]]] = {"bf16": BFLOAT16, "f32": np.dtype(np.float32)}


def run_im2col(op: Im2col, memory: Memory, rows: int) -> None:
    """Fill the matrix of a convolution."""
    filled = out_rows(rows, op.stride)
    if filled > op.dst_rows:
        raise OperandError(f"{rows} rows of src make {filled} rows of dst, which has {op.dst_rows}")
    src = memory.read(op.src, _DTYPES[op.dtype], (rows, op.width), "src")
    dst = memory.write(op.dst, BFLOAT16, (op.dst_rows, op.k_padded), "dst")
    dst[:filled] = to_bf16(im2col(src.astype(np.float32), op.stride, op.k_padded))
    dst[filled:] = 0


def run_quantise_rows(op: QuantiseRows, memory: Memory, rows: int) -> None:
    """Quantise activations into the blocks of a product's a."""
    src = memory.read(op.src, BFLOAT16, (rows, op.width), "src")
    smooth = None if op.smooth is None else memory.read(op.smooth, np.float32, (op.width,), "smooth")
    dst = memory.write(op.dst, np.int8, (padded(rows, INT8_A.rows) * op.width,), "dst")
    scales = memory.write(op.scales, np.float32, (rows,), "scales")
    values, scales[:] = quantise_rows(to_f32(src), smooth)
    dst[:] = pack(pad(values, INT8_A.rows, 1), INT8_A).reshape(-1)


def run_gemm_int8(op: GemmInt8, memory: Memory, rows: int) -> None:
    """Multiply int8 matrices with exact sums, scale, finish."""
    a = _int8_a(memory, op.a, rows, op.k)
    a_scales = memory.read(op.a_scales, np.float32, (rows,), "a_scales")
    b = memory.read(op.b, np.int8, (op.k * op.n,), "b")
    b_scales = memory.read(op.b_scales, np.float32, (op.n,), "b_scales")
    result = _Result.of(op, memory, rows)
    for columns, part in _parts(b, op.k, op.n, INT8_B):
        sums = exact_sums(a, part)
        result.dst[:, columns] = scaled(sums, a_scales, b_scales[columns], result.ending(columns))


def run_gemm_bf16(op: GemmBf16, memory: Memory, rows: int) -> None:
    """Multiply bf16 matrices with float32 sums, finish."""
    a = to_f32(memory.read(op.a, BFLOAT16, (rows, op.k), "a"))
    b = memory.read(op.b, BFLOAT16, (op.k * op.n,), "b")
    result = _Result.of(op, memory, rows)
    for columns, part in _parts(b, op.k, op.n, BF16_B):
        result.dst[:, columns] = result.ending(columns).apply(float_sums(a, part))


def run_gemm_requantise(op: GemmRequantise, memory: Memory, rows: int) -> None:
    """Multiply int8 matrices and bring the sums back to int8, in integers throughout."""
    a = _int8_a(memory, op.a, rows, op.k)
    b = memory.read(op.b, np.int8, (op.k * op.n,), "b")
    bias = None if op.bias is None else memory.read(op.bias, np.int32, (op.n,), "bias")
    multipliers = memory.read(op.multipliers, np.int32, (op.n,), "multipliers")
    dst = memory.write(op.dst, np.int8, (padded(rows, INT8_A.rows) * op.n,), "dst")
    sums = np.concatenate([exact_sums(a, part) for _, part in _parts(b, op.k, op.n, INT8_B)], axis=1)
    values = requantise(sums.astype(np.int32), bias, multipliers, op.shift)
    dst[:] = pack(pad(values, INT8_A.rows, 1), INT8_A).reshape(-1)


@dataclass(frozen=True, slots=True)
class _Result:
    """Where a product goes, and what ends it."""

    bias: Float32 | None
    gelu: bool
    residual: Float32 | None
    dst: NDArray[Any]

    @classmethod
    def of(cls, op: GemmInt8 | GemmBf16, memory: Memory, rows: int) -> _Result:
        shape = (rows, op.n)
        residual = op.epilogue.residual
        return cls(
            bias=None if op.bias is None else memory.read(op.bias, np.float32, (op.n,), "bias"),
            gelu=op.epilogue.gelu,
            residual=None if residual is None else memory.read(residual, np.float32, shape, "residual"),
            dst=memory.write(op.dst, _DTYPES[op.epilogue.out], shape, "dst"),
        )

    def ending(self, columns: slice) -> Ending:
        bias = None if self.bias is None else self.bias[columns]
        return Ending(bias, self.gelu, None if self.residual is None else self.residual[:, columns])


def _int8_a(memory: Memory, region: Region, rows: int, k: int) -> Float32:
    whole = padded(rows, INT8_A.rows)
    blocks = memory.read(region, np.int8, (whole * k,), "a")
    return unpack(blocks, whole, k, INT8_A)[:rows].astype(np.float32)


def _parts(b: NDArray[Any], k: int, n: int, block: Block) -> Iterator[tuple[slice, Float32]]:
    """Yield ranges of columns of a packed b with their values, float32 [k, columns]."""
    width = max(block.columns, CHUNK_ELEMENTS // k // block.columns * block.columns)
    for start in range(0, n, width):
        stop = min(start + width, n)
        yield slice(start, stop), unpack_columns(b, k, n, block, range(start, stop)).astype(np.float32)
