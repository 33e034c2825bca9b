"""The writer of ONNX models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto

from amanuensis.npu.graph_builder import ALIGNMENT, INLINE_BYTES, GraphBuilder


def test_written_graph_runs_with_its_weights_outside(tmp_path: Path) -> None:
    """Large constants lie in the data file, aligned to pages; small ones in the graph; both are found."""
    path = tmp_path / "graph.onnx"
    table = np.arange(INLINE_BYTES, dtype=np.float32).reshape(-1, 2)
    with GraphBuilder(path) as graph:
        rows = graph.node("Gather", [graph.constant("table", table), graph.input("ids", TensorProto.INT64, ["n"])])
        again = graph.node("Gather", [graph.constant("table", table), "ids"])
        graph.nodes("Add", [rows, again], ["sum"])
        graph.node("Mul", ["sum", graph.scalar(2.0, np.float32)], output="double")
        graph.output("double", TensorProto.FLOAT, ["n", 2])
    stored = {tensor.name: tensor for tensor in onnx.load(path, load_external_data=False).graph.initializer}
    where = {entry.key: entry.value for entry in stored["table"].external_data}
    assert (where["location"], int(where["length"])) == ("graph.onnx.data", table.nbytes)
    assert int(where["offset"]) % ALIGNMENT == 0
    assert stored["scalar_float32_2.0"].raw_data
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    (result,) = session.run(None, {"ids": np.array([3, 0])})
    np.testing.assert_array_equal(result, 4 * table[[3, 0]])


def test_failure_writes_no_graph(tmp_path: Path) -> None:
    """An error while building leaves no graph that could be taken for a whole one."""
    path = tmp_path / "graph.onnx"
    with pytest.raises(RuntimeError, match="stop"), GraphBuilder(path):
        raise RuntimeError("stop")
    assert not path.exists()
