"""Products as the graphs have them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto

from amanuensis.npu.devices.cpu_session import open_session
from amanuensis.npu.graph_builder import GraphBuilder
from amanuensis.npu.graph_layers import LayerBuilder

if TYPE_CHECKING:
    from amanuensis.npu.graph_layers import Precision

Float32 = NDArray[np.float32]
OUTPUTS = 300


def linear(path: Path, precision: Precision, weight: Float32, bias: Float32, values: Float32) -> Any:
    """Run a linear layer on values [1, rows, columns]; it takes nothing from a model."""
    columns = weight.shape[1]
    with GraphBuilder(path) as graph:
        value = graph.input("value", TensorProto.FLOAT, [1, "rows", columns])
        product = LayerBuilder(graph, None, lambda _: precision).linear(value, "layer", weight, bias)  # type: ignore[arg-type]
        graph.nodes("Identity", [product], ["product"])
        graph.output("product", TensorProto.FLOAT, [1, "rows", OUTPUTS])
    return open_session(path, 1).run(None, {"value": values})[0]


@pytest.mark.parametrize("columns", [64, 256])
def test_a_loud_row_does_not_coarsen_the_others_in_blocks(tmp_path: Path, columns: int) -> None:
    """Beside a row a thousand times as large a row in blocks is near the exact product; under one scale it is lost."""
    random = np.random.default_rng(0)
    weight = random.standard_normal((OUTPUTS, columns), np.float32)
    bias = random.standard_normal(OUTPUTS, np.float32)
    values = random.standard_normal((1, 4, columns), np.float32)
    values[0, 0] *= 1000

    def quiet_rows(precision: Precision) -> Any:
        return linear(tmp_path / f"{precision}.onnx", precision, weight, bias, values)[0, 1:]

    exact = quiet_rows("float32")

    def error(precision: Precision) -> float:
        return float(np.sqrt(np.square(quiet_rows(precision) - exact).mean() / np.square(exact).mean()))

    assert 0 < error("int8_blocks") < 0.02
    assert error("int8") > 0.5
