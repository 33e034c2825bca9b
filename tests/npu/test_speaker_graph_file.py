"""Graphs of users that tell voices apart: what is wrong with one is said in a line, and nothing goes on for ever."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import set_external_data

from amanuensis.npu.model_error import ModelError
from amanuensis.npu.speaker_graph_file import SpeakerGraph, check_file

DIM = 4
FLOAT, HALF, BOOL, INT64 = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BOOL, TensorProto.INT64
SAMPLES = ("samples", FLOAT, [1, "n"])
FIRST = ["samples", "from", "to", "axis"]  # of a node that takes the first numbers
Value = tuple[str, int, Any]


def write(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[Value] = (SAMPLES,),
    output: Value = ("vector", FLOAT, None),
    **constants: NDArray[Any],
) -> Path:
    """Write a graph."""
    used = {"from": np.array([0]), "to": np.array([DIM]), "axis": np.array([1]), **constants}
    graph = helper.make_graph(
        nodes,
        "voice",
        [helper.make_tensor_value_info(*value) for value in inputs],
        [helper.make_tensor_value_info(*output)],
        [numpy_helper.from_array(value, name) for name, value in used.items()],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("mine", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    return path


def node(kind: str, inputs: Sequence[str], outputs: Sequence[str] = ("vector",), **attributes: Any) -> onnx.NodeProto:
    """Make a node."""
    return helper.make_node(kind, inputs, outputs, **attributes)


def first(output: str = "vector") -> onnx.NodeProto:
    """Make the node that takes the first DIM samples."""
    return node("Slice", FIRST, [output])


def test_a_graph_gives_its_first_output(tmp_path: Path) -> None:
    """Of float numbers of any width, as float32."""
    path = write(tmp_path / "g.onnx", [first("few"), node("Cast", ["few"], to=HALF)], output=("vector", HALF, [1, DIM]))
    vector = SpeakerGraph(path, (1, None), DIM).run(np.array([[1, 2, 3, 4, 5]], np.float32))
    assert vector.tolist() == [1, 2, 3, 4]
    assert vector.dtype == np.float32


def given(*inputs: Value, kind: int = FLOAT) -> dict[str, Any]:
    """Return a graph that takes something else."""
    return {"nodes": [first()], "inputs": inputs, "output": ("vector", kind, None)}


WRONG: dict[str, dict[str, Any]] = {
    r"cannot open it .*mine:Foo.* is not a registered": {"nodes": [node("Foo", ["samples"], domain="mine")]},
    r"takes samples tensor\(float16\) .* wanted is one float": given(("samples", HALF, [1, "n"]), kind=HALF),
    r"takes samples tensor\(float\) \[1, 32000\]; .*\[1, n\], n free": given(("samples", FLOAT, [1, 32_000])),
    r"takes samples tensor\(float\) \[2, 'n'\]": given(("samples", FLOAT, [2, "n"])),
    r"takes .*80\]; wanted is one float \[1, n\]": given(("samples", FLOAT, [1, "frames", 80])),
    r"takes samples .*, more tensor": given(SAMPLES, ("more", FLOAT, [1])),
    r"takes nothing; wanted": {"nodes": [node("Identity", ["to"])], "inputs": [], "output": ("vector", INT64, [1])},
    r"answers with float32 \[1, 9\], but speakers\.json gives dim 4": {"nodes": [node("Identity", ["samples"])]},
    r"answers with tensor\(float\) \[4, 4\]": {
        "nodes": [node("Expand", ["ones", "four"])],
        "ones": np.ones((1, 4), np.float32),
        "four": np.array([4, 4]),
    },
    r"answers with int64 \[1, 4\]": {
        "nodes": [first("few"), node("Cast", ["few"], to=INT64)],
        "output": ("vector", INT64, None),
    },
    r"answers with numbers that are not finite": {"nodes": [first("few"), node("Log", ["few"])]},
    r"fails on \(1, 9\) .*Reshape": {"nodes": [node("Reshape", ["samples", "shape"])], "shape": np.array([1, 4])},
}


@pytest.mark.parametrize(("message", "graph"), WRONG.items())
def test_a_graph_that_cannot_be_used_is_refused(tmp_path: Path, message: str, graph: dict[str, Any]) -> None:
    """When it is opened, or at the first sound; the line names the file and is a short one."""
    path = write(tmp_path / "speakers.onnx", **graph)
    with pytest.raises(ModelError, match=message) as caught:
        SpeakerGraph(path, (1, None), DIM).run(np.zeros((1, 9), np.float32))
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500 + len(str(path))


@pytest.mark.parametrize("place", ["weights.bin", "../weights.bin", "/etc/passwd"])
def test_weights_in_other_files_are_refused(tmp_path: Path, place: str) -> None:
    """Wherever they are: nobody would notice that they were changed, and files of others would be read."""
    bias = np.ones((1, DIM), np.float32)
    path = write(tmp_path / "speakers.onnx", [first("few"), node("Add", ["few", "bias"])], bias=bias)
    model = onnx.load(path)
    (weights,) = [one for one in model.graph.initializer if one.name == "bias"]
    set_external_data(weights, place, offset=0, length=bias.nbytes)
    weights.ClearField("raw_data")
    path.write_bytes(model.SerializeToString())
    (tmp_path / "weights.bin").write_bytes(bias.tobytes())
    with pytest.raises(ModelError, match="has weights in other files; export it as one file"):
        SpeakerGraph(path, (1, None), DIM)


def test_a_graph_that_goes_on_for_ever_is_ended(tmp_path: Path) -> None:
    """The thread that runs it is free again, and the line says what the limit is."""
    values = [("i", INT64, []), ("goes_on", BOOL, []), ("state", FLOAT, None)]
    body = helper.make_graph(
        [node("Identity", ["goes_on"], ["still"]), node("Sin", ["state"], ["next"])],
        "body",
        [helper.make_tensor_value_info(*value) for value in values],
        [helper.make_tensor_value_info("still", BOOL, []), helper.make_tensor_value_info("next", FLOAT, None)],
    )
    nodes = [first("few"), node("Loop", ["times", "true", "few"], body=body)]
    path = write(tmp_path / "speakers.onnx", nodes, times=np.array(2**62), true=np.array(True))
    graph = SpeakerGraph(path, (1, None), DIM, limit_s=0.1)
    with pytest.raises(ModelError, match=r"takes more than 0\.1 s for a window; replace it"):
        graph.run(np.zeros((1, 9), np.float32))


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    """Nothing there, a folder, a pipe that nobody writes to, more bytes than are read."""
    path = tmp_path / "speakers.onnx"
    with pytest.raises(ModelError, match=r"speakers\.onnx: missing; a speaker model needs speakers\.onnx and"):
        check_file(path, 10)
    path.mkdir()
    with pytest.raises(ModelError, match="is not a regular file"):
        check_file(path, 10)
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(ModelError, match="is not a regular file"):
        check_file(path, 10)
    path.unlink()
    path.write_bytes(bytes(11))
    with pytest.raises(ModelError, match="has 11 bytes; at most 10 are read"):
        check_file(path, 10)
