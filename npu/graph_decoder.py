"""Graph of the text half: one forward over N >= 1 tokens on a key-value cache that is written in place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import TensorProto

from amanuensis.npu.graph_builder import MICROSOFT, GraphBuilder
from amanuensis.npu.graph_encoder import cross_names
from amanuensis.npu.graph_layers import LayerBuilder, PrecisionOf
from amanuensis.npu.model_files import TOKEN_EMBEDDING, ModelFiles
from amanuensis.npu.quantise import quantise_rows
from amanuensis.npu.tuning import UNEMBEDDING

IDS, POSITIONS, ROWS, LAST, TOTAL = "ids", "positions", "rows", "last", "total"
LOGITS, ATTENTION = "logits", "attention"


def cache_names(layers: int) -> list[str]:
    """Return the names of the cache inputs, keys and values by layer; the outputs of the same buffers add `_out`."""
    return [f"cache_{part}_{layer}" for layer in range(layers) for part in ("key", "value")]


def write_decoder(path: Path, files: ModelFiles, precision_of: PrecisionOf) -> None:
    """Write the decoder.

    Inputs: ids int64 [b, n]; positions int64 [n]; rows int64 [r], the rows of n whose logits are wanted; last
    int32 [b], position of the last token; total int32 scalar, last + 1; caches float32 [b, heads, text_positions,
    size], bound to their outputs as well, so that rows before `positions[0]` are read and rows from there on written;
    the cross-attention tensors of `write_cross`, shared by all b. With b > 1, n is 1 (beams step together).

    Outputs: logits float32 [b, r, vocabulary]; attention float32 [alignment heads, b * n, t], after the softmax.
    """
    with GraphBuilder(path) as graph:
        DecoderBuilder(graph, files, precision_of).build()


class DecoderBuilder:
    """Adds the decoder to a graph.

    Attributes:
        windows: what the names of each window's cross-attention tensors and attention end in.

    """

    def __init__(
        self, graph: GraphBuilder, files: ModelFiles, precision_of: PrecisionOf, windows: tuple[str, ...] = ("",)
    ) -> None:
        self.graph = graph
        self.files = files
        self.layers = LayerBuilder(graph, files.weights, precision_of)
        self.heads = files.dimensions.decoder_heads
        self.size = files.dimensions.width // self.heads
        self.windows = windows
        self.attention: dict[str, list[str]] = {window: [] for window in windows}

    def build(self) -> None:
        """Add everything from the inputs to the outputs."""
        dimensions = self.files.dimensions
        self._declare_inputs()
        value = self._embed()
        shape = self.graph.node("Shape", [value])
        for layer in range(dimensions.decoder_layers):
            name = f"decoder.layers.{layer}"
            value = self._self_attention(value, name, layer)
            value = self._cross_attention(value, shape, name, layer)
            value = self.layers.feed_forward(value, name)
        self._logits(value)
        heads = len(self.files.generation.alignment_heads)
        for window, parts in self.attention.items():
            self.graph.nodes("Concat", parts, [f"{ATTENTION}{window}"], axis=0)
            self.graph.output(f"{ATTENTION}{window}", TensorProto.FLOAT, [heads, "queries", f"frames{window}"])

    def _declare_inputs(self) -> None:
        graph, dimensions = self.graph, self.files.dimensions
        graph.input(IDS, TensorProto.INT64, ["beams", "tokens"])
        graph.input(POSITIONS, TensorProto.INT64, ["tokens"])
        graph.input(ROWS, TensorProto.INT64, ["wanted"])
        graph.input(LAST, TensorProto.INT32, ["beams"])
        graph.input(TOTAL, TensorProto.INT32, [])
        cache: list[int | str] = ["beams", self.heads, dimensions.text_positions, self.size]
        for name in cache_names(dimensions.decoder_layers):
            graph.input(name, TensorProto.FLOAT, cache)
            graph.output(f"{name}_out", TensorProto.FLOAT, cache)
        for window in self.windows:
            for index, name in enumerate(cross_names(dimensions.decoder_layers)):
                frames = f"frames{window}"
                tail: list[int | str] = [frames, self.size] if index % 2 else [self.size, frames]
                graph.input(f"{name}{window}", TensorProto.FLOAT, [1, self.heads, *tail])

    def _embed(self) -> str:
        graph, weights = self.graph, self.files.weights
        table = weights[TOKEN_EMBEDDING]
        if self.layers.precision_of(UNEMBEDDING) == "float32":
            tokens = graph.node("Gather", [graph.constant("embedding", table), IDS])
        else:
            rows = quantise_rows(table)
            values = graph.node("Gather", [graph.constant("embedding.int8", rows.values), IDS])
            scales = graph.node("Gather", [graph.constant("embedding.scales", rows.scales[:, None]), IDS])
            tokens = graph.node("Mul", [graph.node("Cast", [values], to=TensorProto.FLOAT), scales])
        positions = graph.constant("positions.table", weights["decoder.embed_positions.weight"])
        return self.layers.add(tokens, graph.node("Gather", [positions, POSITIONS]))

    def _self_attention(self, value: str, name: str, layer: int) -> str:
        """Causal attention over the cache; the operator appends the new rows to the cache's own buffer."""
        graph, layers, weights = self.graph, self.layers, self.files.weights
        name = f"{name}.self_attn"
        parts = [weights[f"{name}.{part}_proj.weight"] for part in "qkv"]
        queries, values = (weights[f"{name}.{part}_proj.bias"] for part in "qv")
        bias = np.concatenate([queries, np.zeros_like(queries), values])
        packed = layers.linear(layers.norm(value, f"{name}_layer_norm"), f"{name}.qkv", np.concatenate(parts), bias)
        caches = [f"cache_{part}_{layer}" for part in ("key", "value")]
        mixed = f"{name}.mixed"
        graph.nodes(
            "GroupQueryAttention",
            [packed, "", "", *caches, LAST, TOTAL],
            [mixed, *(f"{cache}_out" for cache in caches)],
            domain=MICROSOFT,
            num_heads=self.heads,
            kv_num_heads=self.heads,
        )
        return layers.add(value, layers.projection(mixed, f"{name}.out_proj"))

    def _cross_attention(self, value: str, shape: str, name: str, layer: int) -> str:
        graph, layers = self.graph, self.layers
        name = f"{name}.encoder_attn"
        normed = layers.norm(value, f"{name}_layer_norm")
        queries = layers.projection(normed, f"{name}.q_proj", scale=self.size**-0.5)
        joined = graph.node("Reshape", [self.listen(queries, layer), shape])
        return layers.add(value, layers.projection(joined, f"{name}.out_proj"))

    def listen(self, queries: str, layer: int) -> str:
        """Return what the queries draw from the sound; beams hear the same sound, so they are rows of one product."""
        return self.listen_to(self.windows[0], queries, layer)

    def listen_to(self, window: str, queries: str, layer: int) -> str:
        """Return what queries [..., heads * size] draw from the sound of a window, [1, n, heads, size]."""
        graph = self.graph
        scores = graph.node("MatMul", [self.layers.split_heads(queries, self.heads), f"cross_key_{layer}{window}"])
        attention = graph.node("Softmax", [scores], axis=-1)
        self._keep_attention(window, attention, layer)
        mixed = graph.node("MatMul", [attention, f"cross_value_{layer}{window}"])
        return graph.node("Transpose", [mixed], perm=[0, 2, 1, 3])

    def _keep_attention(self, window: str, attention: str, layer: int) -> None:
        heads = [head for owner, head in self.files.generation.alignment_heads if owner == layer]
        if heads:
            flat = self.graph.node("Squeeze", [attention, self.graph.ints(0)])
            self.attention[window].append(self.graph.node("Gather", [flat, self.graph.ints(*heads)], axis=0))

    def _logits(self, value: str) -> None:
        wanted = self.graph.node("Gather", [value, ROWS], axis=1)
        states = self.layers.norm(wanted, "decoder.layer_norm")
        table = self.files.weights[self.files.output_embedding]
        logits = self.layers.linear(states, UNEMBEDDING, table, None)
        self.graph.nodes("Identity", [logits], [LOGITS])
        self.graph.output(LOGITS, TensorProto.FLOAT, ["beams", "wanted", self.files.dimensions.vocabulary])
