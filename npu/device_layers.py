"""Which linear layers a Whisper model has, and which of them the device computes as one matrix product.

Layers that read the same activation are one product: it is quantised once for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from amanuensis.npu.model_config import Dimensions
from amanuensis.npu.model_files import ModelFiles

CROSS = "decoder.cross"  # keys and values of decoder layers, from the encoder's output
CROSS_CHUNK_BYTES: Final = 32 << 20  # of keys and values of a window that one product makes, at the most
UNEMBEDDING = "unembedding"

Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LinearGroup:
    """Linear layers that are computed as one.

    Attributes:
        name: of the product.
        parts: names of the layers, without `.weight`, in the order of their outputs.
        source: name of the activation that it reads, as `FloatModel` tells it.

    """

    name: str
    parts: tuple[str, ...]
    source: str

    def weight(self, files: ModelFiles) -> Float32:
        """Return the weights of the layers, one below the other: float32 [outputs, channels]."""
        return np.concatenate([files.weights[_stored(files, part)] for part in self.parts])

    def bias(self, files: ModelFiles) -> Float32 | None:
        """Return the biases, float32 [outputs], zero for layers that have none; None when no layer has one."""
        if not any(f"{part}.bias" in files.weights for part in self.parts):
            return None
        rows = (files.weights.shapes[_stored(files, part)][0] for part in self.parts)
        return np.concatenate(
            [
                files.weights[f"{part}.bias"] if f"{part}.bias" in files.weights else np.zeros(count, np.float32)
                for part, count in zip(self.parts, rows, strict=True)
            ]
        )


def _stored(files: ModelFiles, part: str) -> str:
    return files.output_embedding if part == UNEMBEDDING else f"{part}.weight"


def encoder_groups(dimensions: Dimensions) -> Iterator[LinearGroup]:
    """Yield the products of the encoder in the order in which they compute."""
    for layer in range(dimensions.encoder_layers):
        name = f"encoder.layers.{layer}"
        yield from _self_attention(name)
        yield from _feed_forward(name)


def decoder_groups(dimensions: Dimensions) -> Iterator[LinearGroup]:
    """Yield the products of the decoder, first those of the encoder's output, last that with the vocabulary."""
    for layers in cross_chunks(dimensions):
        parts = (f"decoder.layers.{layer}.encoder_attn.{part}_proj" for layer in layers for part in "kv")
        yield LinearGroup(cross_name(layers), tuple(parts), f"{CROSS}.input")
    for name in (f"decoder.layers.{layer}" for layer in range(dimensions.decoder_layers)):
        yield from _self_attention(name)
        yield _single(f"{name}.encoder_attn.q_proj")
        yield _single(f"{name}.encoder_attn.out_proj")
        yield from _feed_forward(name)
    yield _single(UNEMBEDDING)


def cross_chunks(dimensions: Dimensions) -> list[range]:
    """Return the decoder layers whose cross-attention keys and values one product makes, of each such product."""
    layer_bytes = 2 * 2 * dimensions.width * dimensions.audio_positions  # keys and values in bf16
    step = max(1, CROSS_CHUNK_BYTES // layer_bytes)
    layers = range(dimensions.decoder_layers)
    return [layers[first : first + step] for first in range(0, len(layers), step)]


def cross_name(layers: range) -> str:
    """Return the name of the product that makes keys and values of decoder layers."""
    return f"{CROSS}.{layers.start}"


def all_groups(dimensions: Dimensions) -> list[LinearGroup]:
    """Return the products of the whole model."""
    return [*encoder_groups(dimensions), *decoder_groups(dimensions)]


def norm_names(dimensions: Dimensions) -> Iterator[str]:
    """Yield the names of the layer norms, without `.weight`."""
    for layer in range(dimensions.encoder_layers):
        yield from (f"encoder.layers.{layer}.{norm}" for norm in ("self_attn_layer_norm", "final_layer_norm"))
    yield "encoder.layer_norm"
    for layer in range(dimensions.decoder_layers):
        for norm in ("self_attn_layer_norm", "encoder_attn_layer_norm", "final_layer_norm"):
            yield f"decoder.layers.{layer}.{norm}"
    yield "decoder.layer_norm"


def _self_attention(name: str) -> Iterator[LinearGroup]:
    name = f"{name}.self_attn"
    yield LinearGroup(f"{name}.qkv", tuple(f"{name}.{part}_proj" for part in "qkv"), f"{name}.qkv.input")
    yield _single(f"{name}.out_proj")


def _feed_forward(name: str) -> Iterator[LinearGroup]:
    yield _single(f"{name}.fc1")
    yield _single(f"{name}.fc2")


def _single(name: str) -> LinearGroup:
    return LinearGroup(name, (name,), f"{name}.input")
