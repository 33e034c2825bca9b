"""Operators of the decoder over device memory with random operands, and what the machine makes of the same bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.designs._iron import Device
from amanuensis.kernels.designs.decoder import launch
from amanuensis.kernels.designs.launch import run_launch
from amanuensis.kernels.dtypes import BFLOAT16, to_bf16, to_f32
from amanuensis.kernels.layout import INT8_A, pack, pack_bf16_b, pack_int8_b, pad
from amanuensis.kernels.machine import run_operator
from amanuensis.kernels.memory import Memory
from amanuensis.kernels.operands import Buffer, Epilogue, Region
from amanuensis.kernels.operators import (
    Attention,
    CopyRows,
    Embed,
    GemmBf16,
    GemmInt8,
    LayerNorm,
    Operator,
    QuantiseRows,
)
from amanuensis.kernels.sim.engine import Speed
from amanuensis.kernels.sim.trace import Trace
from tests.kernels.device import Device as DeviceMemory

Bytes = list[NDArray[np.uint8]]


def noise(seed: int, *shape: int) -> NDArray[np.float32]:
    """Return normal noise."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def both(
    operator: Operator, memory: DeviceMemory, device: Device, speed: Speed = "object"
) -> tuple[Bytes, Bytes, Trace]:
    """Return what the design and what the machine make of the same buffers, and what the design did."""
    made = [buffer.copy() for buffer in memory.buffers]
    expected = [buffer.copy() for buffer in memory.buffers]
    run_operator(operator, Memory(expected))
    assert any(not np.array_equal(a, b) for a, b in zip(expected, memory.buffers, strict=True))
    trace = run_launch(launch(operator, Memory(made), device), made, speed)
    return made, expected, trace


def tensor(buffers: Bytes, region: Region, dtype: Any, n_bytes: int) -> NDArray[np.float32]:
    """Return a tensor of the buffers as float32."""
    values = buffers[region.buffer][region.offset : region.offset + n_bytes].view(dtype)
    return to_f32(values) if dtype == BFLOAT16 else values.astype(np.float32)


def clear(buffers: Bytes, region: Region, n_bytes: int) -> None:
    """Blank a tensor, so that the rest can be compared byte by byte."""
    buffers[region.buffer][region.offset : region.offset + n_bytes] = 0


def product_int8(
    rows: int,
    k: int,
    n: int,
    *,
    gelu: bool = False,
    residual: bool = False,
    bias: bool = True,
    f32: bool = False,
    scales_last: bool = True,
) -> tuple[GemmInt8, DeviceMemory]:
    """Return a product of int8; a residual is its own destination."""
    memory, random = DeviceMemory(_size(k * n + 32 * (k + 8 * n))), np.random.default_rng(rows + k + n)
    a = random.integers(-127, 128, (rows, k)).astype(np.int8)
    b = random.integers(-127, 128, (k, n)).astype(np.int8)
    scales = (random.random(n) / 5000).astype(np.float32)
    first = None if scales_last else memory.put(scales)
    moved = memory.put(noise(2, n)) if bias else None
    to = memory.put(noise(3, rows, n), Buffer.SCRATCH) if residual else memory.room(Buffer.SCRATCH, rows * n * 4)
    operator = GemmInt8(
        memory.put(pack(pad(a, INT8_A.rows, 1), INT8_A), Buffer.SCRATCH),
        memory.put(random.random(rows).astype(np.float32), Buffer.SCRATCH),
        memory.put(pack_int8_b(b)),
        first or memory.put(scales),
        moved,
        to,
        rows,
        k,
        n,
        Epilogue(gelu, to if residual else None, "f32" if f32 else "bf16"),
    )
    return operator, memory


def product_bf16(
    rows: int, k: int, n: int, *, gelu: bool = False, residual: bool = False, bias: bool = True, f32: bool = False
) -> tuple[GemmBf16, DeviceMemory]:
    """Return a product of bf16; a residual is its own destination, right behind the activations."""
    memory = DeviceMemory(_size(2 * k * n + 32 * (2 * k + 8 * n)))
    a = memory.put(to_bf16(noise(1, rows, k)), Buffer.SCRATCH)
    to = memory.put(noise(3, rows, n), Buffer.SCRATCH) if residual else memory.room(Buffer.SCRATCH, rows * n * 4)
    b = memory.put(pack_bf16_b(to_bf16(noise(2, k, n) / np.float32(k**0.5))))
    moved = memory.put(noise(4, n)) if bias else None
    epilogue = Epilogue(gelu, to if residual else None, "f32" if f32 else "bf16")
    return GemmBf16(a, b, moved, to, rows, k, n, epilogue), memory


def norm(rows: int, width: int) -> tuple[LayerNorm, DeviceMemory]:
    """Return a layer norm."""
    memory = DeviceMemory(_size(8 * (rows + 2) * width))
    src, dst = memory.put(3 + noise(1, rows, width), Buffer.SCRATCH), memory.room(Buffer.SCRATCH, rows * width * 2)
    return LayerNorm(src, dst, memory.put(noise(2, width)), memory.put(noise(3, width)), rows, width), memory


def quantise(rows: int, width: int, *, smooth: bool = False) -> tuple[QuantiseRows, DeviceMemory]:
    """Return a quantisation; a row is zero."""
    memory, values = DeviceMemory(_size(8 * (rows + 4) * width)), noise(1, rows, width)
    values[rows // 2] = 0
    src, dst = memory.put(to_bf16(values), Buffer.SCRATCH), memory.room(Buffer.SCRATCH, -(-rows // 4) * 4 * width)
    scales = memory.room(Buffer.SCRATCH, rows * 4)
    factors = memory.put(np.abs(noise(2, width))) if smooth else None
    return QuantiseRows(src, dst, scales, rows, width, factors), memory


def copy(rows: int, row: int, src_pitch: int, dst_pitch: int) -> tuple[CopyRows, DeviceMemory]:
    """Return a copy from SCRATCH to CACHE."""
    memory = DeviceMemory(_size(rows * (src_pitch + dst_pitch)))
    values = np.random.default_rng(rows).integers(0, 256, rows * src_pitch).astype(np.uint8)
    src, dst = memory.put(values, Buffer.SCRATCH), memory.room(Buffer.CACHE, rows * dst_pitch)
    return CopyRows(src, dst, rows, row, src_pitch, dst_pitch), memory


def embed(rows: int, width: int, step: int = 1) -> tuple[Embed, DeviceMemory]:
    """Return embeddings of ids, the last one of the table among them."""
    memory, vocabulary, positions = DeviceMemory(_size(100 * width * 8)), 50, 60
    ids = np.random.default_rng(rows).integers(0, vocabulary, rows).astype(np.int32)
    ids[-1] = vocabulary - 1
    table, at = memory.put(to_bf16(noise(1, vocabulary, width))), memory.put(noise(2, positions, width))
    where = memory.put(ids, Buffer.INPUT)
    dst = memory.room(Buffer.SCRATCH, rows * width * 4)
    return Embed(where, table, at, dst, rows, 7, width, vocabulary, positions, step), memory


def attention(
    rows: int, keys: int, heads: int, *, first: int | None = None, kept: tuple[int, ...] = (), tight: bool = False
) -> tuple[Attention, DeviceMemory]:
    """Return attention over keys and values side by side; `tight`: the cache's buffer ends with the last key.

    What lies behind the last key is not a number.
    """
    width, pitch = heads * 64, -(-keys // 128) * 128
    memory = DeviceMemory(_size((rows + keys + 32) * width * 4 + len(kept) * rows * pitch * 4))
    cache = memory.room(Buffer.CACHE, keys * width * 4)
    memory.buffers[Buffer.CACHE][:] = 0xFF
    memory.buffers[Buffer.CACHE][: keys * width * 4] = to_bf16(noise(2, keys, 2 * width)).reshape(-1).view(np.uint8)
    if tight:
        memory.buffers[Buffer.CACHE] = memory.buffers[Buffer.CACHE][: keys * width * 4].copy()
    operator = Attention(
        q=memory.put(to_bf16(2 * noise(1, rows, width)), Buffer.SCRATCH),
        k=cache,
        v=Region(Buffer.CACHE, width * 2),
        dst=memory.room(Buffer.SCRATCH, rows * width * 2),
        rows=rows,
        keys=keys,
        heads=heads,
        size=64,
        causal=first is not None,
        first=first or 0,
        scale=0.125,
        probabilities=memory.room(Buffer.OUTPUT, len(kept) * rows * pitch * 4) if kept else None,
        kept_heads=kept,
        pitch=pitch if kept else 0,
        kv_pitch=width * 4,
    )
    return operator, memory


def _size(n_bytes: int) -> int:
    return -(-n_bytes // 64) * 64 + 65536
