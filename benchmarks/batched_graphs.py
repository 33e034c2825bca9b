"""The CPU back end's graphs with several windows in one forward: what it does not do, so that its cost is known."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import onnx
from onnx import TensorProto, helper

from amanuensis.npu.graph_builder import GraphBuilder
from amanuensis.npu.graph_decoder import DecoderBuilder
from amanuensis.npu.graph_encoder import write_encoder
from amanuensis.npu.graph_layers import PrecisionOf
from amanuensis.npu.model_files import ModelFiles

LENGTHS: Final = "lengths"


def write_batched_encoder(path: Path, files: ModelFiles, precision_of: PrecisionOf, *, masked: bool) -> None:
    """Write the encoder for features float32 [windows, n_mels, n].

    With `masked`, shorter windows end in padding: `lengths`, int32 [windows], says how many frames of each are sound.
    """
    write_encoder(path, files, precision_of)
    model = onnx.load(path, load_external_data=False)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "windows"
    if masked:
        model.graph.input.append(helper.make_tensor_value_info(LENGTHS, TensorProto.INT32, ["windows"]))
        for node in model.graph.node:
            if node.op_type == "MultiHeadAttention":
                node.input.extend(["", LENGTHS])
    onnx.save(model, path)


def write_batched_decoder(path: Path, files: ModelFiles, precision_of: PrecisionOf, windows: int) -> None:
    """Write the decoder for one token of each of several windows, which all have as many tokens before it.

    Its inputs and outputs are those of `graph_decoder.write_decoder` with windows in the place of beams, but for the
    cross-attention tensors and the attention: each window has its own, of its own length, named with its `suffix`.
    """
    with GraphBuilder(path) as graph:
        _BatchedDecoder(graph, files, precision_of, tuple(map(suffix, range(windows)))).build()


def suffix(window: int) -> str:
    """Return what names of a window's tensors end in."""
    return f"_of_{window}"


class _BatchedDecoder(DecoderBuilder):
    def listen(self, queries: str, layer: int) -> str:
        """Return what each row of queries draws from the sound of its own window."""
        rows = [self.graph.node("Gather", [queries, self.graph.ints(k)], axis=0) for k in range(len(self.windows))]
        parts = [self.listen_to(window, row, layer) for window, row in zip(self.windows, rows, strict=True)]
        return self.graph.node("Concat", parts, axis=0)
