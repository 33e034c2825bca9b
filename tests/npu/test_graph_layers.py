"""Layers of the graphs against plain NumPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto

from amanuensis.benchmarks.random_model import RandomModel, make_random_model
from amanuensis.npu.graph_builder import GraphBuilder
from amanuensis.npu.graph_layers import LayerBuilder, Precision
from amanuensis.npu.model_files import ModelFiles


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("int8", 0.03), ("int8_reduced", 0.04)])
@pytest.mark.parametrize("frames", [1, 2, 7, 8])
def test_halving_convolution_is_one(tmp_path: Path, precision: Precision, tolerance: float, frames: int) -> None:
    """The product gives what a convolution of kernel 3 and stride 2 gives, at both ends and for odd lengths too."""
    weights = ModelFiles.load(make_random_model(tmp_path / "model", RandomModel(width=16))).weights
    with GraphBuilder(tmp_path / "graph.onnx") as graph:
        layers = LayerBuilder(graph, weights, lambda _: precision)
        value = layers.halving_convolution(graph.input("x", TensorProto.FLOAT, [1, "n", 16]), "encoder.conv2")
        graph.output(value, TensorProto.FLOAT, [1, "m", 16])
    x = np.random.default_rng(0).standard_normal((1, frames, 16)).astype(np.float32)
    (found,) = ort.InferenceSession(tmp_path / "graph.onnx", providers=["CPUExecutionProvider"]).run(None, {"x": x})
    kernel, bias = weights["encoder.conv2.weight"], weights["encoder.conv2.bias"]
    padded = np.pad(x[0], [(1, 1), (0, 0)])
    wanted = [np.einsum("kc,rck->r", padded[2 * t : 2 * t + 3], kernel) + bias for t in range((frames + 1) // 2)]
    assert found.shape == (1, len(wanted), 16)
    assert np.sqrt(np.square(found[0] - wanted).mean()) <= tolerance * np.sqrt(np.square(wanted).mean())
