"""The network of speaker embeddings as an ONNX graph that carries its weights as int8 with a scale for each row.

log-mel -> conv, GELU -> conv of stride 2, GELU -> blocks x + GELU(conv(norm(x))) -> conv of stride 2, GELU -> blocks ->
norm -> attention of learned queries to keys and values of all frames -> one product.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from amanuensis.npu.graph_builder import IR_VERSION
from amanuensis.npu.quantise import quantise_rows
from amanuensis.npu.speaker_sound import N_MELS

OPSET: Final = 20  # the first with Gelu
NORM_EPSILON: Final = 1e-5
BUILTIN_NETWORK: Final = Path(__file__).with_name("builtin") / "speakers.onnx"
INPUT, OUTPUT = "mel", "voice"
PARTS: Final = ("fast", "slow")  # blocks before and after the second halving of the frames
LEVELS, SCALES = ".levels", ".scales"  # endings of the names of int8 weights

Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SpeakerShape:
    """The sizes of a network, as its weights have them."""

    width: int
    fast_blocks: int
    slow_blocks: int
    queries: int
    heads: int
    head_size: int
    dim: int

    @property
    def inner(self) -> int:
        """Columns of queries, keys and values."""
        return self.heads * self.head_size

    @classmethod
    def of(cls, weights: Mapping[str, Float32]) -> SpeakerShape:
        """Read the sizes off the weights; `pool.query` is [queries, heads, head_size]."""
        queries, heads, head_size = weights["pool.query"].shape
        fast, slow = (
            sum(re.fullmatch(rf"{part}\.\d+\.conv\.bias", name) is not None for name in weights) for part in PARTS
        )
        return cls(len(weights["conv1.bias"]), fast, slow, queries, heads, head_size, len(weights["out.bias"]))


def write_graph(path: Path, weights: Mapping[str, Float32]) -> None:
    """Write the network: input float32 [1, frames, N_MELS], output float32 [1, dim], not of unit length.

    Args:
        path: of the file.
        weights: float32, by the names that `amanuensis.training.speaker_model` gives them; matrices are [out, in],
            convolutions [out, in, 3].

    """
    onnx.save(_Builder(weights).model(), path)


def read_weights(path: Path) -> dict[str, Float32]:
    """Return the weights of a graph that `write_graph` wrote, int8 ones as what they stand for."""
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer}
    weights: dict[str, Float32] = {}
    for name, values in stored.items():
        if name.endswith(LEVELS):
            scales = stored[name.removesuffix(LEVELS) + SCALES]
            scales = scales.reshape(-1, *[1] * (values.ndim - 1))
            weights[name.removesuffix(LEVELS)] = np.asarray(values * scales, np.float32)
        elif not name.endswith(SCALES) and values.dtype == np.float32:
            weights[name] = values
    return weights


class _Builder:
    """Collects nodes and constants of one graph."""

    def __init__(self, weights: Mapping[str, Float32]) -> None:
        self._weights = weights
        self._shape = SpeakerShape.of(weights)
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._numbers = count()

    def model(self) -> onnx.ModelProto:
        value = self._voice(INPUT)
        self._nodes.append(helper.make_node("Identity", [value], [OUTPUT]))
        given = helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [1, "frames", N_MELS])
        made = helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [1, self._shape.dim])
        graph = helper.make_graph(self._nodes, "speakers", [given], [made], list(self._constants.values()))
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)

    def _voice(self, value: str) -> str:
        value = self._convolution(value, "conv1", 1)
        value = self._convolution(value, "conv2", 2)
        for block in range(self._shape.fast_blocks):
            value = self._block(value, f"fast.{block}")
        value = self._convolution(value, "conv3", 2)
        for block in range(self._shape.slow_blocks):
            value = self._block(value, f"slow.{block}")
        value = self._pool(self._norm(value, "norm"))
        return self._product(value, "out")

    def _block(self, value: str, name: str) -> str:
        change = self._convolution(self._norm(value, f"{name}.norm"), f"{name}.conv", 1)
        return self._node("Add", value, change)

    def _convolution(self, value: str, name: str, stride: int) -> str:
        """Return GELU of a convolution along the frames: [1, frames, in] -> [1, frames / stride, out]."""
        turned = self._node("Transpose", value, perm=[0, 2, 1])
        weight, bias = self._matrix(f"{name}.weight"), self._vector(f"{name}.bias")
        summed = self._node("Conv", turned, weight, bias, kernel_shape=[3], pads=[1, 1], strides=[stride])
        return self._node("Gelu", self._node("Transpose", summed, perm=[0, 2, 1]))

    def _norm(self, value: str, name: str) -> str:
        parts = (self._vector(f"{name}.weight"), self._vector(f"{name}.bias"))
        return self._node("LayerNormalization", value, *parts, axis=-1, epsilon=NORM_EPSILON)

    def _product(self, value: str, name: str) -> str:
        weight = self._node("Transpose", self._matrix(f"{name}.weight"), perm=[1, 0])
        return self._node("Add", self._node("MatMul", value, weight), self._vector(f"{name}.bias"))

    def _pool(self, value: str) -> str:
        shape = self._shape
        split = self._ints(0, -1, shape.heads, shape.head_size)
        keys = self._node("Reshape", self._product(value, "pool.key"), split)
        values = self._node("Reshape", self._node("Gelu", self._product(value, "pool.value")), split)
        queries = self._node("Transpose", self._vector("pool.query"), perm=[1, 0, 2])  # [heads, queries, head_size]
        scale = self._constant("pool.scale", np.array(shape.head_size**-0.5, np.float32))
        scores = self._node("MatMul", queries, self._node("Transpose", keys, perm=[0, 2, 3, 1]))
        shares = self._node("Softmax", self._node("Mul", scores, scale), axis=-1)
        found = self._node("MatMul", shares, self._node("Transpose", values, perm=[0, 2, 1, 3]))
        in_order = self._node("Transpose", found, perm=[0, 2, 1, 3])  # [1, queries, heads, head_size]
        return self._node("Reshape", in_order, self._ints(1, shape.queries * shape.inner))

    def _node(self, op: str, *inputs: str, **attributes: Any) -> str:
        name = f"{op}_{next(self._numbers)}"
        self._nodes.append(helper.make_node(op, list(inputs), [name], name=name, **attributes))
        return name

    def _vector(self, name: str) -> str:
        return self._constant(name, self._weights[name])

    def _matrix(self, name: str) -> str:
        """Return a weight kept as int8 rows; ONNX Runtime makes it float32 once, when it opens the graph."""
        weight = self._weights[name]
        rows = quantise_rows(weight.reshape(len(weight), -1))
        levels = self._constant(name + LEVELS, rows.values.reshape(weight.shape))
        return self._node("DequantizeLinear", levels, self._constant(name + SCALES, rows.scales), axis=0)

    def _ints(self, *values: int) -> str:
        return self._constant("ints_" + "_".join(map(str, values)), np.array(values, np.int64))

    def _constant(self, name: str, value: NDArray[Any]) -> str:
        self._constants.setdefault(
            name, numpy_helper.from_array(np.ascontiguousarray(value).reshape(value.shape), name)
        )
        return name
