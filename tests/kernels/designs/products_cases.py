"""Operators of the configuration `products` over device memory, and how their launches are held to the machine."""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.designs._iron import Device
from amanuensis.kernels.designs.launch import run_launch
from amanuensis.kernels.designs.products_launch import launch
from amanuensis.kernels.dtypes import BFLOAT16, to_bf16
from amanuensis.kernels.layout import INT8_A, pack, pack_bf16_b, pack_int8_b, pad
from amanuensis.kernels.machine import run_operator
from amanuensis.kernels.memory import Memory
from amanuensis.kernels.operands import Buffer, Epilogue, Region
from amanuensis.kernels.operators import (
    AddRows,
    CopyRows,
    GemmBf16,
    GemmInt8,
    GemmRequantise,
    Im2col,
    LayerNorm,
    Operator,
    QuantiseRows,
)
from amanuensis.kernels.sim.engine import Speed
from amanuensis.kernels.sim.trace import Trace
from tests.kernels.device import Device as DeviceMemory

Kind: TypeAlias = Literal["int8", "bf16", "requantise"]
SHIFT: Final = 28
NRMSE: Final = 0.005  # of results in floating point, by issue 4


def noise(*shape: int) -> NDArray[np.float32]:
    """Return normal noise, the same for each shape."""
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def integers(*shape: int) -> NDArray[np.int8]:
    """Return int8 of the full symmetric range, the same for each shape."""
    return np.random.default_rng(sum(shape)).integers(-127, 128, shape, np.int8)


def memory_for(n_bytes: int) -> DeviceMemory:
    """Return device memory with room for so many bytes in each buffer."""
    return DeviceMemory((n_bytes + (1 << 16)) // 64 * 64)


def product(
    memory: DeviceMemory, kind: Kind, rows: int, k: int, n: int, *, biased: bool = True, **ending: Any
) -> GemmInt8 | GemmBf16 | GemmRequantise:
    """Return a product of random matrices; `ending` as of `Epilogue`, with `residual` "apart" or "in_place"."""
    epilogue, dst = _epilogue(memory, rows, n, **ending)
    if kind == "bf16":
        a = memory.put(to_bf16(noise(rows, k)), Buffer.SCRATCH)
        b = memory.put(pack_bf16_b(to_bf16(noise(k, n) / np.float32(np.sqrt(k)))))
        return GemmBf16(a, b, memory.put(noise(n)) if biased else None, dst, rows, k, n, epilogue)
    a = memory.put(pack(pad(integers(rows, k), INT8_A.rows, INT8_A.columns), INT8_A), Buffer.SCRATCH)
    b, random = memory.put(pack_int8_b(integers(k, n))), np.random.default_rng(n)
    if kind == "requantise":
        bias = memory.put(random.integers(-5000, 5000, n, np.int32)) if biased else None
        return GemmRequantise(
            a, b, bias, memory.put(random.integers(1 << 17, 1 << 18, n, np.int32)), dst, rows, k, n, SHIFT
        )
    scales = memory.put(random.uniform(0.5, 1.5, rows).astype(np.float32) / 500, Buffer.SCRATCH)
    columns = memory.put(random.uniform(0.5, 1.5, n).astype(np.float32) / 50)
    return GemmInt8(a, scales, b, columns, memory.put(noise(n)) if biased else None, dst, rows, k, n, epilogue)


def _epilogue(
    memory: DeviceMemory,
    rows: int,
    n: int,
    *,
    residual: str = "",
    gelu: bool = False,
    out: Literal["bf16", "f32"] = "bf16",
) -> tuple[Epilogue, Region]:
    added = memory.put(noise(rows, n), Buffer.SCRATCH) if residual else None
    dst = added if added is not None and residual == "in_place" else memory.room(Buffer.OUTPUT, rows * n * 4)
    return Epilogue(gelu=gelu, residual=added, out=out), dst


def norm(memory: DeviceMemory, rows: int, width: int) -> LayerNorm:
    """Return a layer norm of rows that are not centred."""
    src = memory.put(3 + 2 * noise(rows, width), Buffer.SCRATCH)
    gain, bias = memory.put(noise(width)), memory.put(noise(width, 1))
    return LayerNorm(src, memory.room(Buffer.SCRATCH, 2 * rows * width), gain, bias, rows, width)


def quantised(memory: DeviceMemory, rows: int, width: int, *, smooth: bool = False) -> QuantiseRows:
    """Return a quantisation, of which one row is zero."""
    values = noise(rows, width)
    values[rows // 2] = 0
    src = memory.put(to_bf16(values), Buffer.SCRATCH)
    factors = memory.put(np.abs(noise(width)) + np.float32(0.5)) if smooth else None
    dst = memory.room(Buffer.SCRATCH, (rows + 3) * width)
    return QuantiseRows(src, dst, memory.room(Buffer.SCRATCH, 4 * rows), rows, width, factors)


def summed(memory: DeviceMemory, rows: int, width: int) -> AddRows:
    """Return a sum in the place of its first operand."""
    src = memory.put(noise(rows, width), Buffer.SCRATCH)
    return AddRows(src, memory.put(noise(rows, width, 1)), src, rows, width)


def copied(memory: DeviceMemory, rows: int, row_bytes: int, *, gap: int = 0) -> CopyRows:
    """Return a copy of rows, with gaps of so many bytes in the destination and half of them in the source."""
    src = memory.put(noise(rows, (row_bytes + gap // 2) // 4), Buffer.SCRATCH)
    dst = memory.room(Buffer.OUTPUT, rows * (row_bytes + gap))
    return CopyRows(src, dst, rows, row_bytes, row_bytes + gap // 2, row_bytes + gap)


def columns(
    memory: DeviceMemory,
    rows: int,
    dst_rows: int,
    width: int,
    stride: int,
    k_padded: int,
    dtype: Literal["bf16", "f32"],
) -> Im2col:
    """Return the matrix of a convolution."""
    values: NDArray[Any] = noise(rows, width) if dtype == "f32" else to_bf16(noise(rows, width))
    src, dst = memory.put(values, Buffer.INPUT), memory.room(Buffer.SCRATCH, 2 * dst_rows * k_padded)
    return Im2col(src, dst, rows, dst_rows, width, stride, k_padded, dtype)


def held(
    operator: Operator, memory: DeviceMemory, device: Device, speed: Speed = "object", *, floating: Any = None
) -> Trace:
    """Hold a launch to the machine: every byte of all buffers alike, but for a result in `floating` (a dtype).

    Such a result is within NRMSE, and its largest error is a step of bf16 or, of float32, 1e-4 of the largest value.
    """
    expected, made = ([buffer.copy() for buffer in memory.buffers] for _ in range(2))
    run_operator(operator, Memory(expected))
    assert any(not np.array_equal(a, b) for a, b in zip(expected, memory.buffers, strict=True))
    trace = run_launch(launch(operator, Memory(made), device), made, speed)
    if floating is not None:
        results = [_taken(operator, buffers, floating) for buffers in (made, expected)]
        step = 1 / 128 if np.dtype(floating) == BFLOAT16 else 1e-4
        error, largest = np.abs(results[0] - results[1]), np.abs(results[1]).max()
        assert np.sqrt(np.square(error).mean() / np.square(results[1]).mean()) <= NRMSE
        assert error.max() <= step * largest
    if isinstance(operator, QuantiseRows):
        for buffers in (made, expected):  # the scale of a row of zeros may be 0 or -0
            _tensor(buffers, operator.scales, np.float32, operator.rows)[:] += 0.0
    for buffer in Buffer:
        assert np.array_equal(made[buffer], expected[buffer]), buffer.name
    return trace


def _taken(operator: Any, buffers: list[NDArray[np.uint8]], dtype: Any) -> NDArray[np.float64]:
    """Return a result, and blank it in its buffer."""
    columns = operator.width if isinstance(operator, LayerNorm) else operator.n
    result = _tensor(buffers, operator.dst, dtype, operator.rows * columns)
    values: NDArray[np.float64] = result.astype(np.float64)
    result[:] = 0
    return values


def _tensor(buffers: list[NDArray[np.uint8]], region: Region, dtype: Any, count: Any) -> NDArray[Any]:
    """Return a view of a tensor."""
    n_bytes = count * np.dtype(dtype).itemsize
    return buffers[region.buffer][region.offset : region.offset + n_bytes].view(dtype)
