"""A Whisper model in float32 NumPy: what calibration and quality reports measure against.

Slow and plain; it shares no code with any back end. Architecture: openai/whisper `whisper/model.py`, tensor names of
Hugging Face.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from amanuensis.npu.device_layers import CROSS, UNEMBEDDING
from amanuensis.npu.model_files import TOKEN_EMBEDDING, ModelFiles

Float32 = NDArray[np.float32]
Watch = Callable[[str, Float32], None]  # name, rows float32 [n, channels]
NORM_EPSILON = 1e-5  # torch's layer norm
QUERY_BLOCK = 256  # rows of attention at once: bounds the memory of the scores


def ignore(_name: str, _rows: Float32) -> None:
    """Watch nothing."""


class FloatModel:
    """The model; `watch` is told every activation that a linear layer reads, and the residual after each layer."""

    def __init__(self, files: ModelFiles, watch: Watch = ignore) -> None:
        self.files = files
        self._weights = files.weights
        self._watch = watch

    def encode(self, features: Float32) -> Float32:
        """Return the encoder's states, float32 [(n + 1) // 2, width], of log-mel features float32 [n_mels, n]."""
        value = np.ascontiguousarray(features.T)
        for name, stride in (("encoder.conv1", 1), ("encoder.conv2", 2)):
            value = gelu(self._convolution(value, name, stride))
        value = value + self._weights["encoder.embed_positions.weight"][: len(value)]
        self._watch("encoder.positions", value)
        for layer in range(self.files.dimensions.encoder_layers):
            name = f"encoder.layers.{layer}"
            value = self._self_attention(value, name, self.files.dimensions.encoder_heads, causal=False)
            value = self._feed_forward(value, name)
            self._watch(name, value)
        states = self._norm(value, "encoder.layer_norm")
        self._watch("encoder.layer_norm", states)
        return states

    def decode(self, states: Float32, tokens: Sequence[int]) -> Float32:
        """Return the logits, float32 [n, vocabulary], after each of the tokens, which are given all at once."""
        self._watch(f"{CROSS}.input", states)
        positions = self._weights["decoder.embed_positions.weight"][: len(tokens)]
        value = self._weights[TOKEN_EMBEDDING][list(tokens)] + positions
        for layer in range(self.files.dimensions.decoder_layers):
            name = f"decoder.layers.{layer}"
            value = self._self_attention(value, name, self.files.dimensions.decoder_heads, causal=True)
            value = self._cross_attention(value, states, f"{name}.encoder_attn")
            value = self._feed_forward(value, name)
            self._watch(name, value)
        value = self._norm(value, "decoder.layer_norm")
        self._watch(f"{UNEMBEDDING}.input", value)
        return np.asarray(value @ self._weights[self.files.output_embedding].T)

    def _convolution(self, value: Float32, name: str, stride: int) -> Float32:
        """Convolve over time with three taps, zeros beyond the ends: float32 [n, c] -> [ceil(n / stride), width]."""
        weight = self._weights[f"{name}.weight"]  # [width, c, 3]
        padded = np.pad(value, [(1, 1), (0, 0)])
        count = -(-len(value) // stride)
        taps = [padded[tap : tap + stride * count : stride][:count] @ weight[:, :, tap].T for tap in range(3)]
        return np.asarray(sum(taps) + self._weights[f"{name}.bias"], np.float32)

    def _linear(self, rows: Float32, name: str) -> Float32:
        product: Float32 = rows @ self._weights[f"{name}.weight"].T
        if f"{name}.bias" in self._weights:
            product += self._weights[f"{name}.bias"]
        return product

    def _norm(self, rows: Float32, name: str) -> Float32:
        centred = rows - rows.mean(axis=1, keepdims=True)
        deviation = np.sqrt(np.square(centred).mean(axis=1, keepdims=True) + np.float32(NORM_EPSILON))
        centred /= deviation
        return np.asarray(centred * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"])

    def _self_attention(self, value: Float32, name: str, heads: int, *, causal: bool) -> Float32:
        name = f"{name}.self_attn"
        normed = self._norm(value, f"{name}_layer_norm")
        self._watch(f"{name}.qkv.input", normed)
        query, key, content = (self._linear(normed, f"{name}.{part}_proj") for part in "qkv")
        return value + self._mix(query, key, content, name, heads, causal=causal)

    def _cross_attention(self, value: Float32, states: Float32, name: str) -> Float32:
        normed = self._norm(value, f"{name}_layer_norm")
        self._watch(f"{name}.q_proj.input", normed)
        query = self._linear(normed, f"{name}.q_proj")
        key, content = (self._linear(states, f"{name}.{part}_proj") for part in "kv")
        return value + self._mix(query, key, content, name, self.files.dimensions.decoder_heads, causal=False)

    def _mix(self, query: Float32, key: Float32, content: Float32, name: str, heads: int, *, causal: bool) -> Float32:
        mixed = attention(query, key, content, heads, causal=causal)
        self._watch(f"{name}.out_proj.input", mixed)
        return self._linear(mixed, f"{name}.out_proj")

    def _feed_forward(self, value: Float32, name: str) -> Float32:
        normed = self._norm(value, f"{name}.final_layer_norm")
        self._watch(f"{name}.fc1.input", normed)
        wide = gelu(self._linear(normed, f"{name}.fc1"))
        self._watch(f"{name}.fc2.input", wide)
        return value + self._linear(wide, f"{name}.fc2")


def attention(query: Float32, key: Float32, content: Float32, heads: int, *, causal: bool) -> Float32:
    """Return attention over heads, float32 [rows, width], of queries [rows, width] and keys and values [n, width]."""
    rows, width = query.shape
    size = width // heads
    mixed = np.empty_like(query)
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        for start in range(0, rows, QUERY_BLOCK):
            block = slice(start, min(rows, start + QUERY_BLOCK))
            scores = query[block, part] @ key[:, part].T * np.float32(size**-0.5)
            if causal:
                scores[np.arange(len(key)) > np.arange(rows)[block, None]] = -np.inf
            weights = np.exp(scores - scores.max(axis=1, keepdims=True))
            mixed[block, part] = weights @ content[:, part] / weights.sum(axis=1, keepdims=True)
    return mixed


def gelu(values: Float32) -> Float32:
    """Return x * Phi(x), within 1e-6 of the erf form.

    The error function is that of Abramowitz and Stegun, formula 7.1.26 (|error| <= 1.5e-7): NumPy has none, and that of
    the standard library takes one number at a time.
    """
    scaled = np.abs(values) * np.float32(0.5**0.5)
    t = 1 / (1 + np.float32(0.3275911) * scaled)
    series: Float32 = np.full_like(values, 1.061405429)
    for coefficient in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        series *= t
        series += np.float32(coefficient)
    tail = series * t * np.exp(-scaled * scaled) / 2  # 1 - Phi(|x|)
    return np.asarray(values * np.where(values > 0, 1 - tail, tail))
