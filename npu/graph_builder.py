"""A small writer of ONNX models whose weights go to a file beside the graph as they are added."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, helper

OPSET = 20  # the first with Gelu
IR_VERSION = 10
MICROSOFT = "com.microsoft"  # ONNX Runtime's own operators
INLINE_BYTES = 1024  # smaller constants stay in the graph: shapes and axes must be known to shape inference
ALIGNMENT = 4096  # pages: ONNX Runtime maps the weights instead of reading them


class GraphBuilder:
    """Collects nodes; writes constants to `<path>.data` at once, so that no more than one is in memory.

    External data carries models above protobuf's limit of 2 GiB and lets ONNX Runtime map the weights.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._data_path = path.with_name(path.name + ".data")
        self._data: BinaryIO | None = None
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def __enter__(self) -> Self:
        self._data = self._data_path.open("wb")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._data is not None
        self._data.close()
        if kind is None:
            onnx.save(self._model(), self._path)

    def input(self, name: str, dtype: int, shape: list[int | str]) -> str:
        """Declare a graph input; `dtype` is one of TensorProto's."""
        self._inputs.append(helper.make_tensor_value_info(name, dtype, shape))
        return name

    def output(self, name: str, dtype: int, shape: list[int | str]) -> None:
        """Declare that the value `name` is a graph output."""
        self._outputs.append(helper.make_tensor_value_info(name, dtype, shape))

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """Store an array under `name`; a second call with the same name changes nothing."""
        if name not in self._constants:
            array = np.ascontiguousarray(value).reshape(value.shape)
            self._constants[name] = self._tensor(name, array)
        return name

    def ints(self, *values: int) -> str:
        """Return an int64 [len(values)] constant."""
        return self.constant("ints_" + "_".join(map(str, values)), np.array(values, np.int64))

    def node(
        self, op: str, inputs: list[str], *, domain: str = "", output: str | None = None, **attributes: Any
    ) -> str:
        """Add a node with one output and return that output's name."""
        name = output or f"{op}_{len(self._nodes)}"
        self.nodes(op, inputs, [name], domain=domain, **attributes)
        return name

    def nodes(self, op: str, inputs: list[str], outputs: list[str], *, domain: str = "", **attributes: Any) -> None:
        """Add a node with named outputs."""
        name = f"{op}/{len(self._nodes)}"
        self._nodes.append(helper.make_node(op, inputs, outputs, name=name, domain=domain, **attributes))

    def reshape(self, value: str, *shape: int) -> str:
        """Reshape; 0 keeps a dimension, -1 takes the rest."""
        return self.node("Reshape", [value, self.ints(*shape)])

    def scalar(self, value: ArrayLike, dtype: type[np.generic]) -> str:
        """Return a constant without dimensions."""
        array = np.asarray(value, dtype)
        return self.constant(f"scalar_{array.dtype}_{array}", array)

    def _tensor(self, name: str, array: NDArray[Any]) -> onnx.TensorProto:
        dtype = helper.np_dtype_to_tensor_dtype(array.dtype)
        if array.nbytes < INLINE_BYTES:
            return helper.make_tensor(name, dtype, array.shape, array.tobytes(), raw=True)
        assert self._data is not None
        self._data.write(bytes(-self._data.tell() % ALIGNMENT))
        tensor = TensorProto(name=name, data_type=dtype, dims=array.shape, data_location=TensorProto.EXTERNAL)
        where = {"location": self._data_path.name, "offset": self._data.tell(), "length": array.nbytes}
        for key, value in where.items():
            tensor.external_data.add(key=key, value=str(value))
        self._data.write(array.data)
        return tensor

    def _model(self) -> onnx.ModelProto:
        graph = helper.make_graph(self._nodes, "whisper", self._inputs, self._outputs, list(self._constants.values()))
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
