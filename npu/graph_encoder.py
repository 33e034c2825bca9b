"""Graphs of the audio half: encoder states from log-mel, and the decoder's cross-attention keys and values from them.

Architecture: openai/whisper `whisper/model.py`, tensor names of Hugging Face. The audio context is free: the
positional table is cut to the frames that came in, so a short window costs little (attention is quadratic).
"""

from __future__ import annotations

from pathlib import Path

from onnx import TensorProto

from amanuensis.npu.graph_builder import MICROSOFT, GraphBuilder
from amanuensis.npu.graph_layers import LayerBuilder, PrecisionOf
from amanuensis.npu.model_files import ModelFiles

FEATURES, STATES = "features", "states"


def cross_names(layers: int) -> list[str]:
    """Return the names of the cross-attention tensors, keys and values by layer, as both graphs name them."""
    return [f"cross_{part}_{layer}" for layer in range(layers) for part in ("key", "value")]


def write_encoder(path: Path, files: ModelFiles, precision_of: PrecisionOf) -> None:
    """Write the encoder: features float32 [1, n_mels, n] -> states float32 [1, (n + 1) // 2, width]."""
    dimensions = files.dimensions
    with GraphBuilder(path) as graph:
        layers = LayerBuilder(graph, files.weights, precision_of)
        value = _convolutions(layers, graph.input(FEATURES, TensorProto.FLOAT, [1, dimensions.n_mels, "mel_frames"]))
        for layer in range(dimensions.encoder_layers):
            name = f"encoder.layers.{layer}"
            value = _self_attention(layers, value, name, dimensions.encoder_heads)
            value = layers.feed_forward(value, name)
        value = layers.norm(value, "encoder.layer_norm")
        graph.nodes("Identity", [value], [STATES])
        graph.output(STATES, TensorProto.FLOAT, [1, "frames", dimensions.width])


def _convolutions(layers: LayerBuilder, value: str) -> str:
    """Two convolutions over time, the second halving it, and the positions; kept in float32 in every precision.

    The second in int8 saved 5 % of the encoder's time and made words of live captions worse.
    """
    graph, weights = layers.graph, layers.weights
    for name, stride in (("encoder.conv1", 1), ("encoder.conv2", 2)):
        parameters = [graph.constant(f"{name}.{part}", weights[f"{name}.{part}"]) for part in ("weight", "bias")]
        value = graph.node("Conv", [value, *parameters], kernel_shape=[3], pads=[1, 1], strides=[stride])
        value = graph.node("Gelu", [value])
    value = graph.node("Transpose", [value], perm=[0, 2, 1])
    frames = graph.node("Shape", [value], start=1, end=2)
    table = graph.constant("encoder.positions", weights["encoder.embed_positions.weight"])
    return layers.add(value, graph.node("Slice", [table, graph.ints(0), frames, graph.ints(0)]))


def _self_attention(layers: LayerBuilder, value: str, name: str, heads: int) -> str:
    normed = layers.norm(value, f"{name}.self_attn_layer_norm")
    parts = [layers.projection(normed, f"{name}.self_attn.{part}_proj") for part in ("q", "k", "v")]
    mixed = layers.graph.node("MultiHeadAttention", parts, domain=MICROSOFT, num_heads=heads)
    return layers.add(value, layers.projection(mixed, f"{name}.self_attn.out_proj"))


def write_cross(path: Path, files: ModelFiles, precision_of: PrecisionOf) -> None:
    """Write the cross-attention projections.

    states float32 [1, t, width] -> for each decoder layer keys float32 [1, heads, size, t], laid out for the product
    with the queries, and values float32 [1, heads, t, size].
    """
    dimensions = files.dimensions
    heads = dimensions.decoder_heads
    size = dimensions.width // heads
    with GraphBuilder(path) as graph:
        layers = LayerBuilder(graph, files.weights, precision_of)
        graph.input(STATES, TensorProto.FLOAT, [1, "frames", dimensions.width])
        names = iter(cross_names(dimensions.decoder_layers))
        for layer in range(dimensions.decoder_layers):
            name = f"decoder.layers.{layer}.encoder_attn"
            keys = layers.split_heads(layers.projection(STATES, f"{name}.k_proj"), heads, (0, 2, 3, 1))
            values = layers.split_heads(layers.projection(STATES, f"{name}.v_proj"), heads)
            shapes: tuple[list[int | str], ...] = ([1, heads, size, "frames"], [1, heads, "frames", size])
            for value, shape in zip((keys, values), shapes, strict=True):
                output = next(names)
                graph.nodes("Identity", [value], [output])
                graph.output(output, TensorProto.FLOAT, shape)
