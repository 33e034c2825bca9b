"""Whole layers of Whisper as one stream of operators, int8 and bf16, against float32."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from amanuensis.kernels.dtypes import to_bf16
from amanuensis.kernels.layout import pack_bf16_b, pack_int8_b
from amanuensis.kernels.operands import Buffer
from amanuensis.kernels.ops import (
    Attention,
    CopyRows,
    Epilogue,
    GemmBf16,
    GemmInt8,
    LayerNorm,
    Operator,
    QuantiseRows,
    Region,
)
from amanuensis.kernels.reference.attention import attention, join_heads, split_heads
from amanuensis.kernels.reference.gelu import gelu
from amanuensis.kernels.reference.layer_norm import layer_norm
from amanuensis.kernels.reference.requantise import quantise_rows
from tests.kernels.device import Device
from tests.kernels.figures import nrmse

WIDTH, HEADS, SIZE = 128, 2, 64
ROW_BYTES = 2 * WIDTH
ONES, ZEROS = np.ones(WIDTH, np.float32), np.zeros(WIDTH, np.float32)
MAX_NRMSE = {"int8": 0.03, "bf16": 0.01}
MIN_COSINE = 0.999


def weight(k: int, n: int, seed: int) -> np.ndarray:
    """Return a weight that keeps the size of what it multiplies."""
    return np.random.default_rng(seed).standard_normal((k, n)).astype(np.float32) / np.float32(np.sqrt(k))


QKV, OUT = weight(WIDTH, 3 * WIDTH, 1), weight(WIDTH, WIDTH, 2)
UP, DOWN = weight(WIDTH, 4 * WIDTH, 3), weight(4 * WIDTH, WIDTH, 4)


class Layer:
    """The operators of one layer on a device."""

    def __init__(self, device: Device, precision: str, x: np.ndarray) -> None:
        self.device, self.precision, self.rows = device, precision, len(x)
        self.x = device.put(x, Buffer.SCRATCH)
        self.normed, self.mixed = (device.room(Buffer.SCRATCH, self.rows * ROW_BYTES) for _ in range(2))
        self.qkv = device.room(Buffer.SCRATCH, 3 * self.rows * ROW_BYTES)
        self.hidden = device.room(Buffer.SCRATCH, 4 * self.rows * ROW_BYTES)
        self.blocks = device.room(Buffer.SCRATCH, 4 * (self.rows + 3) * WIDTH)
        self.scales = device.room(Buffer.SCRATCH, 4 * self.rows)
        self.gain, self.bias = device.put(ONES), device.put(ZEROS)

    def norm(self) -> LayerNorm:
        """Normalise the residual stream."""
        return LayerNorm(self.x, self.normed, self.gain, self.bias, self.rows, WIDTH)

    def linear(self, src: Region, matrix: np.ndarray, dst: Region, epilogue: Epilogue) -> Iterator[Operator]:
        """Multiply by a weight in the precision of the layer."""
        k, n = matrix.shape
        if self.precision == "bf16":
            b = self.device.put(pack_bf16_b(to_bf16(matrix)))
            yield GemmBf16(src, b, None, dst, self.rows, k, n, epilogue)
            return
        values, scales = quantise_rows(matrix.T)
        b, b_scales = self.device.put(pack_int8_b(values.T)), self.device.put(scales)
        yield QuantiseRows(src, self.blocks, self.scales, self.rows, k)
        yield GemmInt8(self.blocks, self.scales, b, b_scales, None, dst, self.rows, k, n, epilogue)

    def attend(self, keys: Region, n_keys: int, pitch: int, first: int | None) -> Attention:
        """Attend to keys that lie before their values in rows of the pitch."""
        values = Region(keys.buffer, keys.offset + ROW_BYTES)
        causal = first is not None
        size = (HEADS, SIZE, causal, first or 0, SIZE**-0.5)
        return Attention(
            self.qkv, keys, values, self.mixed, self.rows, n_keys, *size, q_pitch=3 * ROW_BYTES, kv_pitch=pitch
        )

    def finish(self) -> Iterator[Operator]:
        """Project what was attended to and run the feed-forward part."""
        add = Epilogue(residual=self.x, out="f32")
        yield from self.linear(self.mixed, OUT, self.x, add)
        yield self.norm()
        yield from self.linear(self.normed, UP, self.hidden, Epilogue(gelu=True))
        yield from self.linear(self.hidden, DOWN, self.x, add)


def in_float32(x: np.ndarray, *, causal: bool) -> np.ndarray:
    """Return the layer's output."""
    q, k, v = (split_heads(part, HEADS) for part in np.split(layer_norm(x, ONES, ZEROS) @ QKV, 3, axis=1))
    x = x + join_heads(attention(q, k, v, SIZE**-0.5, 0 if causal else None)) @ OUT
    return x + gelu(layer_norm(x, ONES, ZEROS) @ UP) @ DOWN


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    """Return the cosine between two tensors."""
    return float(np.vdot(one, other) / np.linalg.norm(one) / np.linalg.norm(other))


@pytest.mark.parametrize("precision", ["int8", "bf16"])
def test_an_encoder_layer_is_near_float32(precision: str) -> None:
    """Attention over all rows and the feed-forward part, in one stream."""
    x = np.random.default_rng(5).standard_normal((70, WIDTH)).astype(np.float32)
    layer = Layer(Device(1 << 21), precision, x)
    keys = Region(layer.qkv.buffer, layer.qkv.offset + ROW_BYTES)
    layer.device.run(
        layer.norm(),
        *layer.linear(layer.normed, QKV, layer.qkv, Epilogue()),
        layer.attend(keys, 70, 3 * ROW_BYTES, None),
        *layer.finish(),
    )
    found = layer.device.get(layer.x, np.float32, x.shape)
    truth = in_float32(x, causal=False)
    assert nrmse(found, truth) < MAX_NRMSE[precision]
    assert cosine(found, truth) > MIN_COSINE


@pytest.mark.parametrize("precision", ["int8", "bf16"])
def test_a_decoder_layer_with_a_cache_is_near_float32(precision: str) -> None:
    """Rows appended to a cache in three dispatches come out as if all had been there at once."""
    x = np.random.default_rng(6).standard_normal((45, WIDTH)).astype(np.float32)
    device = Device(1 << 22)
    cache = device.room(Buffer.CACHE, 64 * 2 * ROW_BYTES)
    found = []
    for start, stop in ((0, 30), (30, 31), (31, 45)):
        layer = Layer(device, precision, x[start:stop])
        new = Region(layer.qkv.buffer, layer.qkv.offset + ROW_BYTES)
        place = Region(cache.buffer, cache.offset + start * 2 * ROW_BYTES)
        device.run(
            layer.norm(),
            *layer.linear(layer.normed, QKV, layer.qkv, Epilogue()),
            CopyRows(new, place, stop - start, 2 * ROW_BYTES, 3 * ROW_BYTES, 2 * ROW_BYTES),
            layer.attend(cache, stop, 2 * ROW_BYTES, start),
            *layer.finish(),
        )
        found.append(device.get(layer.x, np.float32, (stop - start, WIDTH)))
    truth = in_float32(x, causal=True)
    assert nrmse(np.concatenate(found), truth) < MAX_NRMSE[precision]
    assert cosine(np.concatenate(found), truth) > MIN_COSINE
