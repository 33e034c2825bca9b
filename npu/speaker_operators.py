"""The network of speaker embeddings as a sequence of the device's operators, in bf16.

What `speaker_graph` computes in ONNX Runtime: convolutions are `Im2col` and a product, the pooling is `Attention` whose
queries are weights. One sequence serves windows of any length up to its rows: what lies behind the window counts as
zero in every convolution and is not looked at by the pooling, so the vector is that of the window alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.dtypes import to_bf16
from amanuensis.kernels.layout import SIZE_MULTIPLE, pack_bf16_b, padded
from amanuensis.kernels.operands import Count, Dtype, Epilogue, Region
from amanuensis.kernels.operators import Attention, GemmBf16, Im2col, LayerNorm, Operator
from amanuensis.kernels.reference.conv1d import out_rows, weight_matrix
from amanuensis.npu.speaker_graph import SpeakerShape
from amanuensis.npu.speaker_sound import N_MELS

Float32 = NDArray[np.float32]
Layer: TypeAlias = tuple[str, Float32, Float32]  # name, matrix [k, n] and bias [n]
BF16_BYTES, F32_BYTES = 2, 4


@dataclass(frozen=True, slots=True)
class Places:
    """Where tensors go: `put` places a constant by its name, `room` makes room for so many bytes of an activation."""

    put: Callable[[str, NDArray[Any]], Region]
    room: Callable[[int], Region]


@dataclass(frozen=True, slots=True)
class Span:
    """Rows that are computed, and how many of them are the window's."""

    rows: int
    frames: Count


def counts(frames: int) -> tuple[int, int, int]:
    """Return the rows of a window: its frames, and what is left of them after one convolution of stride 2, and two."""
    halved = out_rows(frames, 2)
    return frames, halved, out_rows(halved, 2)


@dataclass(frozen=True, slots=True)
class SpeakerOperators:
    """Builds the sequence for windows of up to so many frames.

    Attributes:
        weights: as `speaker_graph.read_weights` returns them.
        places: of the tensors.
        rows: frames that are computed.
        frames: how many of them are the window's, of them half, and a quarter, each rounded up: as `counts` tells.

    """

    weights: Mapping[str, Float32]
    places: Places
    rows: int
    frames: tuple[Count, Count, Count]

    @property
    def shape(self) -> SpeakerShape:
        """The sizes of the network."""
        return SpeakerShape.of(self.weights)

    def sequence(self, mel: Region, voice: Region) -> Iterator[Operator]:
        """Yield the operators from features f32 [rows, N_MELS] to the vector f32 [1, dim], not of unit length."""
        shape = self.shape
        whole, halved, quartered = map(Span, counts(self.rows), self.frames)
        first = self.places.room(whole.rows * shape.width * BF16_BYTES)
        yield from self._convolution("conv1", (mel, whole, N_MELS, "f32"), 1, first, Epilogue(gelu=True))
        fast = self.places.room(halved.rows * shape.width * F32_BYTES)
        end = Epilogue(gelu=True, out="f32")
        yield from self._convolution("conv2", (first, whole, shape.width, "bf16"), 2, fast, end)
        yield from self._blocks("fast", shape.fast_blocks, fast, halved)
        slow = self.places.room(quartered.rows * shape.width * F32_BYTES)
        yield from self._convolution("conv3", (fast, halved, shape.width, "f32"), 2, slow, end)
        yield from self._blocks("slow", shape.slow_blocks, slow, quartered)
        yield from self._pool(slow, quartered, voice)

    def _blocks(self, part: str, blocks: int, residual: Region, span: Span) -> Iterator[Operator]:
        width = self.shape.width
        normed = self.places.room(span.rows * width * BF16_BYTES)
        end = Epilogue(gelu=True, residual=residual, out="f32")
        for block in range(blocks):
            name = f"{part}.{block}"
            yield self._norm(f"{name}.norm", residual, normed, span.rows)
            yield from self._convolution(f"{name}.conv", (normed, span, width, "bf16"), 1, residual, end)

    def _convolution(
        self, name: str, source: tuple[Region, Span, int, Dtype], stride: int, dst: Region, end: Epilogue
    ) -> Iterator[Operator]:
        """Yield a convolution of 3 taps of (region, span, width, dtype)."""
        src, span, width, dtype = source
        made = out_rows(span.rows, stride)
        matrix = weight_matrix(self.weights[f"{name}.weight"])
        taps = self.places.room(made * len(matrix) * BF16_BYTES)
        yield Im2col(src, taps, span.frames, made, width, stride, len(matrix), dtype)
        yield self._product(taps, (name, matrix, self.weights[f"{name}.bias"]), dst, made, end)

    def _pool(self, states: Region, span: Span, voice: Region) -> Iterator[Operator]:
        shape, weights, rows = self.shape, self.weights, span.rows
        normed = self.places.room(rows * shape.width * BF16_BYTES)
        keys, values = (self.places.room(rows * shape.inner * BF16_BYTES) for _ in range(2))
        yield self._norm("norm", states, normed, rows)
        for name, dst, end in (("pool.key", keys, Epilogue()), ("pool.value", values, Epilogue(gelu=True))):
            layer = (name, weights[f"{name}.weight"].T, weights[f"{name}.bias"])
            yield self._product(normed, layer, dst, rows, end)
        queries = self.places.put("pool.query", to_bf16(weights["pool.query"].reshape(shape.queries, shape.inner)))
        found = self.places.room(shape.queries * shape.inner * BF16_BYTES)
        sizes = (shape.heads, shape.head_size, False, 0, shape.head_size**-0.5)
        yield Attention(queries, keys, values, found, shape.queries, span.frames, *sizes)
        # The rows of what was found, one after the other, are the one row of the last product.
        yield self._product(found, ("out", weights["out.weight"].T, weights["out.bias"]), voice, 1, Epilogue(out="f32"))

    def _norm(self, name: str, src: Region, dst: Region, rows: int) -> LayerNorm:
        gain, bias = (self.places.put(f"{name}.{part}", self.weights[f"{name}.{part}"]) for part in ("weight", "bias"))
        return LayerNorm(src, dst, gain, bias, rows, self.shape.width)

    def _product(self, src: Region, layer: Layer, dst: Region, rows: int, end: Epilogue) -> GemmBf16:
        name, matrix, bias = layer
        k, n = matrix.shape
        assert k == padded(k, SIZE_MULTIPLE)
        b = self.places.put(f"{name}.weight", pack_bf16_b(to_bf16(np.ascontiguousarray(matrix))))
        return GemmBf16(src, b, self.places.put(f"{name}.bias", bias), dst, rows, k, n, end)
