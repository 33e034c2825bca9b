"""How far a model on the device is from the same model in float32, layer by layer.

The sequences of operators run on the arithmetic of the device (`amanuensis.kernels.machine`), without any runtime, on
a part of the demo clip that the calibration has not seen.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.machine import execute
from amanuensis.kernels.operands import PARAMETERS_BYTES, Parameter, Region
from amanuensis.kernels.operators import Operator
from amanuensis.kernels.ops import OPERATORS, encode
from amanuensis.kernels.program import KERNEL_NAME, Program
from amanuensis.npu.calibration import Progress, Window, cosine, nrmse
from amanuensis.npu.device_weights import DeviceWeights
from amanuensis.npu.devices.xrt import parameters as par
from amanuensis.npu.devices.xrt.decoder_streams import DecoderStreams, Vocabulary
from amanuensis.npu.devices.xrt.encoder_streams import EncoderStreams
from amanuensis.npu.devices.xrt.memory import BLOCK_ROWS, Memory
from amanuensis.npu.float_model import FloatModel
from amanuensis.npu.model_files import ModelFiles

Float32 = NDArray[np.float32]
FILE: Final = "quality.json"
LOGITS: Final = "logits"


@dataclass(frozen=True, slots=True)
class LayerQuality:
    """What comes out of a layer (the residual stream, the states, the logits) against float32.

    Attributes:
        name: of the layer.
        nrmse: root mean square of the error over that of the float32 values.
        cosine: between both, taken as vectors.

    """

    name: str
    nrmse: float
    cosine: float


class DeviceRun:
    """A model's sequences on byte arrays, without a device."""

    def __init__(self, files: ModelFiles, weights: DeviceWeights) -> None:
        memory = Memory.plan(files.dimensions, len(files.generation.alignment_heads))
        memory = replace(memory, slots=1, encodings=1)
        longest = memory.buckets[-1]
        inputs = max(memory.encoder_input(longest).n_bytes, memory.decoder_input().n_bytes)
        outputs = max(memory.encoder_output(longest).n_bytes, memory.decoder_output().n_bytes)
        sizes = (memory.scratch().n_bytes, memory.cache().n_bytes, inputs, outputs)
        self.memory = memory
        self.encoder = EncoderStreams(memory, weights.map)
        vocabulary = Vocabulary(Region(0, 0), 1, 0, 1, -1)  # nothing is selected here
        self.decoder = DecoderStreams(memory, weights.map, vocabulary, files.generation.alignment_heads)
        self._program = Program("npu1", KERNEL_NAME, str(UUID(int=0)), OPERATORS)
        self._buffers = [np.asarray(weights.data), *(np.zeros(size, np.uint8) for size in sizes)]
        self._scratch, self._input = self._buffers[1], self._buffers[3]
        self._parameters = self._input[:PARAMETERS_BYTES].view(np.int32)

    def encode(self, features: Float32) -> Iterator[tuple[str, Float32]]:
        """Yield what is there after each layer of the encoder; then the cross-attention is in place."""
        n_mel = features.shape[1]
        frames = (n_mel + 1) // 2
        bucket = self.memory.bucket(frames)
        self._parameters[[par.MEL_FRAMES, par.FRAMES, par.ENCODING]] = n_mel, frames, 0
        start = self.memory.encoder_input(bucket).offset("features")
        given = features.T.astype(ml_dtypes.bfloat16)
        self._input[start : start + given.nbytes] = np.ascontiguousarray(given).view(np.uint8).ravel()
        for name, operators in self.encoder.pieces(bucket):
            self._run(operators)
            if name == "encoder.layer_norm":
                yield name, self._activation("states", frames, ml_dtypes.bfloat16)
            else:
                yield name, self._activation("encoder.residual", frames)
        self._run(self.encoder.crosses(bucket))

    def decode(self, frames: int, tokens: Sequence[int]) -> Iterator[tuple[str, Float32]]:
        """Yield what is there after each layer of the decoder, and the logits, of up to BLOCK_ROWS tokens a time."""
        bucket = self.memory.bucket(frames)
        for first in range(0, len(tokens), BLOCK_ROWS):
            block = tokens[first : first + BLOCK_ROWS]
            self._set_forward(first, block, frames)
            rows = Parameter(par.ROWS, BLOCK_ROWS)
            self._run([self.decoder.embed(rows, step=1)])
            for name, operators in self.decoder.pieces(bucket, rows):
                self._run(operators)
                yield name, self._activation("decoder.residual", len(block))
            self._run(self.decoder.project())
            columns = self.memory.padded_vocabulary
            logits = self._activation("logits", len(block), np.float32, columns)
            yield LOGITS, logits[:, : self.memory.dimensions.vocabulary]

    def _set_forward(self, first: int, tokens: Sequence[int], frames: int) -> None:
        words = {
            par.ROWS: len(tokens),
            par.FIRST: first,
            par.KEYS: first + len(tokens),
            par.FRAMES: frames,
            par.ENCODING: 0,
            par.SLOT: 0,
            par.APPEND: first,
            par.WANTED_FIRST: 0,
            par.WANTED: len(tokens),
        }
        self._parameters[list(words)] = list(words.values())
        start = self.memory.decoder_input().offset("ids")
        self._input[start : start + 4 * len(tokens)].view(np.int32)[:] = tokens

    def _run(self, operators: Iterable[Operator]) -> None:
        execute(self._program, encode(operators), self._buffers)

    def _activation(self, name: str, rows: int, dtype: Any = np.float32, columns: int = 0) -> Float32:
        columns = columns or self.memory.dimensions.width
        start = self.memory.scratch().offset(name)
        stop = start + rows * columns * np.dtype(dtype).itemsize
        return np.asarray(self._scratch[start:stop].view(dtype).reshape(rows, columns), np.float32).copy()


def measure(
    files: ModelFiles, weights: DeviceWeights, windows: Sequence[Window], report: Progress
) -> list[LayerQuality]:
    """Run windows in float32 and as the device computes, and compare what comes out of every layer.

    Args:
        files: the model.
        weights: its weights for the device.
        windows: features and the tokens that the decoder is shown.
        report: is told the progress.

    """
    exact: dict[str, list[Float32]] = {}
    device: dict[str, list[Float32]] = {}
    model = FloatModel(files, lambda name, rows: exact.setdefault(name, []).append(rows))
    run = DeviceRun(files, weights)
    for index, window in enumerate(windows):
        report("running in float32", index / len(windows))
        states = model.encode(window.features)
        exact.setdefault(LOGITS, []).append(model.decode(states, window.tokens))
        report("running as the device computes", (index + 0.5) / len(windows))
        for name, rows in run.encode(window.features):
            device.setdefault(name, []).append(rows)
        for name, rows in run.decode(len(states), window.tokens):
            device.setdefault(name, []).append(rows)
    pairs = ((name, np.concatenate(rows), np.concatenate(exact[name])) for name, rows in device.items())
    return [LayerQuality(name, nrmse(ours, theirs), cosine(ours, theirs)) for name, ours, theirs in pairs]


def save(folder: Path, layers: Sequence[LayerQuality]) -> None:
    """Write a report beside the weights that it is about."""
    (folder / FILE).write_text(json.dumps([asdict(layer) for layer in layers], indent=1), encoding="utf-8")


def load(folder: Path) -> list[LayerQuality] | None:
    """Return the report of prepared weights; None when there is none that can be read."""
    try:
        return [LayerQuality(**layer) for layer in json.loads((folder / FILE).read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError):
        return None
