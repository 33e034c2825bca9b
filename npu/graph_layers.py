"""The layers that Whisper's encoder and decoder are made of, as ONNX nodes, in float32 or dynamic int8."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from amanuensis.npu.graph_builder import MICROSOFT, GraphBuilder
from amanuensis.npu.quantise import FULL_RANGE, REDUCED_RANGE, quantise_rows
from amanuensis.npu.weights import Weights

Precision = Literal["float32", "int8", "int8_reduced", "int8_blocks"]
PrecisionOf = Callable[[str], Precision]  # by the name of a layer
NORM_EPSILON = 1e-5  # torch's layer norm
BLOCK = 128  # columns that share a scale in "int8_blocks"; of 16 to 256, the quickest for one row
INT8_ACTIVATIONS = 4  # of the operator's levels of accuracy
OFFSET = 128  # what the operator takes for the zero point of uint8 weights

Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Quantised:
    """Names of a value as uint8, of its scale and of its zero point."""

    integers: str
    scale: str
    zero: str


class LayerBuilder:
    """Adds Whisper's layers to a graph.

    Int8 is dynamic: weights are int8 with one scale a column, activations become uint8 with one scale a tensor at run
    time. The nodes are those that ONNX Runtime would fuse to, written at once, so that nothing hangs on its optimiser.
    With "int8_blocks", weights and activations have a scale for each block of a row: twice as quick for one row, slower
    for eight and more.
    """

    def __init__(self, graph: GraphBuilder, weights: Weights, precision_of: PrecisionOf) -> None:
        self.graph = graph
        self.weights = weights
        self.precision_of = precision_of
        self._quantised: dict[str, Quantised] = {}

    def linear(self, value: str, name: str, weight: Float32, bias: Float32 | None) -> str:
        """Return `value @ weight.T + bias`.

        Args:
            value: float32 [..., columns].
            name: of the constants; unique in the graph.
            weight: float32 [rows, columns].
            bias: float32 [rows], or None.

        """
        precision, graph = self.precision_of(name), self.graph
        if precision == "int8_blocks":
            return self._block_product(value, name, weight, bias)
        if precision != "float32":
            return self._integer_product(self._quantise(value), name, weight, bias)
        product = graph.node("MatMul", [value, graph.constant(f"{name}.weight", weight.T)])
        if bias is None:
            return product
        return graph.node("Add", [product, graph.constant(f"{name}.bias", bias)])

    def _integer_product(self, value: Quantised, name: str, weight: Float32, bias: Float32 | None) -> str:
        graph = self.graph
        rows = quantise_rows(weight, FULL_RANGE if self.precision_of(name) == "int8" else REDUCED_RANGE)
        inputs = [
            value.integers,
            graph.constant(f"{name}.int8", rows.values.T),
            value.scale,
            graph.constant(f"{name}.scales", rows.scales),
            value.zero,
            "",  # the weights' zero points are 0
        ]
        if bias is not None:
            inputs.append(graph.constant(f"{name}.bias", bias))
        return graph.node("MatMulIntegerToFloat", inputs, domain=MICROSOFT)

    def _block_product(self, value: str, name: str, weight: Float32, bias: Float32 | None) -> str:
        graph, (rows, columns) = self.graph, weight.shape
        block = math.gcd(columns, BLOCK)
        blocks = quantise_rows(weight.reshape(-1, block))
        unsigned = (blocks.values.view(np.uint8) + np.uint8(OFFSET)).reshape(rows, -1, block)
        inputs = [value, graph.constant(f"{name}.uint8", unsigned), graph.constant(f"{name}.scales", blocks.scales)]
        if bias is not None:
            inputs += ["", "", graph.constant(f"{name}.bias", bias)]  # no zero points of its own, no permutation
        sizes = {"K": columns, "N": rows, "bits": 8, "block_size": block}
        return graph.node("MatMulNBits", inputs, domain=MICROSOFT, accuracy_level=INT8_ACTIVATIONS, **sizes)

    def _quantise(self, value: str) -> Quantised:
        """Quantise a value once, however many layers read it."""
        if value not in self._quantised:
            names = Quantised(f"{value}/uint8", f"{value}/scale", f"{value}/zero")
            self.graph.nodes("DynamicQuantizeLinear", [value], list(astuple(names)))
            self._quantised[value] = names
        return self._quantised[value]

    def projection(self, value: str, name: str, *, scale: float = 1.0) -> str:
        """Apply the linear layer of the model called `name`, times `scale`."""
        bias = self.weights[f"{name}.bias"] * scale if f"{name}.bias" in self.weights else None
        return self.linear(value, name, self.weights[f"{name}.weight"] * np.float32(scale), bias)

    def norm(self, value: str, name: str) -> str:
        """Apply the layer norm called `name`."""
        graph = self.graph
        parameters = [graph.constant(f"{name}.{part}", self.weights[f"{name}.{part}"]) for part in ("weight", "bias")]
        return graph.node("LayerNormalization", [value, *parameters], axis=-1, epsilon=NORM_EPSILON)

    def add(self, left: str, right: str) -> str:
        """Return the sum of two values."""
        return self.graph.node("Add", [left, right])

    def feed_forward(self, value: str, name: str) -> str:
        """Apply the second half of a layer: norm, widen, GELU, narrow, residual."""
        wide = self.projection(self.norm(value, f"{name}.final_layer_norm"), f"{name}.fc1")
        return self.add(value, self.projection(self.graph.node("Gelu", [wide]), f"{name}.fc2"))

    def split_heads(self, value: str, heads: int, permutation: tuple[int, ...] = (0, 2, 1, 3)) -> str:
        """Turn [1, n, heads * size] (leading dimensions are joined) into [1, heads, n, size], or as permuted."""
        parts = self.graph.reshape(value, 1, -1, heads, self.weights.shapes["encoder.conv1.bias"][0] // heads)
        return self.graph.node("Transpose", [parts], perm=list(permutation))
