"""The CPU back end: ONNX Runtime on graphs built here from the weights.

ONNX Runtime takes windows of any length, lets the cache lie in our own buffers and returns the logits of all tokens
of a forward.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from amanuensis.npu.cpu_features import auto_threads, has_int8_dot
from amanuensis.npu.devices.api import DecoderOutput, Encoding
from amanuensis.npu.devices.cpu_scores import RowScorer
from amanuensis.npu.devices.cpu_session import RUNTIME, open_session
from amanuensis.npu.devices.cpu_tuning import precision_for, tuned
from amanuensis.npu.model_config import Dimensions, Generation
from amanuensis.npu.model_error import ModelError
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.prepared import discard, prepare
from amanuensis.npu.row_rules import Row, RowRules, Selection
from amanuensis.npu.tuning import by_rule, operator_of

if TYPE_CHECKING:
    from amanuensis.npu.graph_layers import Precision, PrecisionOf

PrecisionChoice = Literal["auto", "float32", "int8"]


@dataclass(frozen=True, slots=True)
class Logits:
    """What the decoder's graph answers; the arrays may be overwritten by the next call.

    Attributes:
        logits: float32 [beams, rows, vocabulary], before any rule.
        attention: float32 [alignment heads, beams, tokens, frames], after the softmax over frames.

    """

    logits: NDArray[np.float32]
    attention: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class CpuEncoding:
    """Cross-attention keys and values of a window, by the names of the decoder's inputs."""

    n_frames: int
    cross: dict[str, Any]  # OrtValue


class CpuModel:
    """A Whisper model on the CPU; not for use by several threads at once, each of which takes a `twin`."""

    encoder_device = "cpu"
    decoder_device = "cpu"

    def __init__(self, files: ModelFiles, precision: PrecisionChoice = "auto", threads: int = 0) -> None:
        """Prepare (at first) and load the graphs.

        Args:
            files: the model.
            precision: "auto" is int8 where the CPU has int8 dot products (VNNI), but for operators that are measured to
                be slower so, else float32.
            threads: 0 for the physical cores less one, at most 4, or as many of them as are measured to gain.

        Raises:
            ModelError: the graphs cannot be built or loaded.

        """
        self.files = files
        rule = by_rule(files.dimensions, _choose(precision), threads or auto_threads())
        self.tuning = tuned(files, rule, arithmetic=precision == "auto" and has_int8_dot(), threads=not threads)
        self.precision = self.tuning.arithmetic
        self.graphs, sessions = self._open()
        self._encoder, self._cross, self._decoder = sessions
        self._cross_names = [output.name for output in self._cross.get_outputs()]
        self._scorer: RowScorer | None = None
        self._make_buffers()

    def twin(self) -> CpuModel:
        """Return the model on the same graphs with buffers of its own, for a thread beside this one's."""
        other = copy.copy(self)
        other._scorer = None
        other._make_buffers()
        return other

    @property
    def dimensions(self) -> Dimensions:
        return self.files.dimensions

    @property
    def generation(self) -> Generation:
        return self.files.generation

    def load_selection(self, selection: Selection) -> None:
        """Take what selecting among tokens needs; without it, decoders give logits but no scores."""
        self._scorer = RowScorer(selection)

    def encode(self, features: NDArray[np.float32]) -> CpuEncoding:
        """Encode features, float32 [n_mels, n]."""
        return self._encoding(self.encoder_states(features))

    def encode_states(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the encoder alone: features [n_mels, n] to states [frames, width]."""
        states: NDArray[np.float32] = self.encoder_states(features).numpy()[0]
        return states

    def encoding_of(self, states: NDArray[np.float32]) -> CpuEncoding:
        """Return the encoding of states [frames, width], wherever they were computed."""
        return self._encoding(ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(states[None], np.float32)))

    def encoder_states(self, features: NDArray[np.float32]) -> Any:
        """Return the encoder's output, an OrtValue float32 [1, frames, width]."""
        value = ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(features[None], np.float32))
        return self._encoder.run_with_ort_values(["states"], {"features": value})[0]

    def decoder(self, encoding: Encoding) -> CpuDecoder:
        """Return a decoder with an empty cache on the model's buffers; the encoding is one of this model's."""
        if not isinstance(encoding, CpuEncoding):
            raise TypeError(f"an encoding of the CPU is needed, not {type(encoding).__name__}")
        return CpuDecoder(self._decoder, self.caches, self.steps, encoding, self._scorer)

    def _make_buffers(self) -> None:
        self.caches = Caches(self.dimensions)
        self.steps = StepBuffers(self.dimensions, len(self.generation.alignment_heads))

    def _encoding(self, states: Any) -> CpuEncoding:
        """Compute keys and values of the cross-attention from an OrtValue float32 [1, frames, width]."""
        cross = self._cross.run_with_ort_values(self._cross_names, {"states": states})
        return CpuEncoding(states.shape()[1], dict(zip(self._cross_names, cross, strict=True)))

    def precision_of(self, layer: str) -> Precision:
        """Return how the products of a layer of the graphs are computed."""
        operator = operator_of(layer)
        return precision_for(operator, self.tuning.of(operator), int8_dot=has_int8_dot())

    def _open(self) -> tuple[Path, list[ort.InferenceSession]]:
        """Open the prepared graphs; damaged ones are built again once."""
        tuning = self.tuning
        int8 = "int8" if has_int8_dot() else "int8_reduced"
        name = "mixed" if tuning.other else int8 if self.precision == "int8" else "float32"
        key = " ".join([RUNTIME, *tuning.other])

        for attempt in range(2):
            folder = prepare(self.files, name, key, lambda path: _build(path, self.files, self.precision_of))
            try:
                return folder, self._sessions(folder)
            except Exception as error:  # ONNX Runtime's exceptions have no common public base
                if attempt:
                    raise ModelError(f"{folder}: ONNX Runtime cannot load it ({error}); report this") from error
                discard(folder)
        raise AssertionError

    def _sessions(self, folder: Path) -> list[ort.InferenceSession]:
        encode, decode = self.tuning.encoder_threads, self.tuning.decoder_threads
        threads = {"encoder": encode, "cross": encode, "decoder": decode}
        return [open_session(folder / f"{graph}.onnx", count) for graph, count in threads.items()]


def _choose(precision: PrecisionChoice) -> Literal["float32", "int8"]:
    if precision == "auto":
        return "int8" if has_int8_dot() else "float32"
    return precision


def _build(folder: Path, files: ModelFiles, precision_of: PrecisionOf) -> None:
    """Write the three graphs; the `onnx` package is needed only here."""
    from amanuensis.npu.graph_decoder import write_decoder
    from amanuensis.npu.graph_encoder import write_cross, write_encoder

    for name, write in (("encoder", write_encoder), ("cross", write_cross), ("decoder", write_decoder)):
        write(folder / f"{name}.onnx", files, precision_of)


class Caches:
    """The decoder's key-value buffers, float32 [beams, heads, text_positions, size] each, written in place."""

    def __init__(self, dimensions: Dimensions) -> None:
        names = [f"cache_{part}_{layer}" for layer in range(dimensions.decoder_layers) for part in ("key", "value")]
        heads = dimensions.decoder_heads
        self._shape = (heads, dimensions.text_positions, dimensions.width // heads)
        self._arrays = {name: np.zeros((1, *self._shape), np.float32) for name in names}

    def values(self, beams: int) -> dict[str, Any]:
        """Return OrtValues of the first `beams` beams; they share the buffers' memory."""
        return {name: ort.OrtValue.ortvalue_from_numpy(array[:beams]) for name, array in self._arrays.items()}

    def reorder(self, sources: Sequence[int], length: int) -> None:
        """Copy the first `length` rows so that beam k holds those of beam sources[k]."""
        for name, array in self._arrays.items():
            rows = array[list(sources), :, :length]
            if len(sources) > len(array):
                array = self._arrays[name] = np.zeros((len(sources), *self._shape), np.float32)  # noqa: PLW2901
            array[: len(sources), :, :length] = rows

    def wipe(self) -> None:
        """Fill the buffers with zeros; decoding does not need it, for no row is read before it is written."""
        for array in self._arrays.values():
            array[:] = 0

    def rows(self, length: int) -> dict[str, NDArray[np.float32]]:
        """Return the first `length` rows of beam 0, float32 [heads, length, size] each."""
        return {name: array[0, :, :length] for name, array in self._arrays.items()}


class CpuDecoder:
    """The decoder on one encoding; see `amanuensis.npu.devices.api.Decoder`."""

    def __init__(
        self,
        session: ort.InferenceSession,
        caches: Caches,
        steps: StepBuffers,
        encoding: CpuEncoding,
        scorer: RowScorer | None,
    ) -> None:
        self.length = 0
        self._session = session
        self._caches = caches
        self._steps = steps
        self._encoding = encoding
        self._scorer = scorer
        self._beams = 1
        self._stepper: _Stepper | None = None

    def forward(self, tokens: Sequence[int], rows: Sequence[Row]) -> DecoderOutput:
        """Append tokens of one beam; scores of the given rows of them."""
        output = self.forward_logits(tokens, [row.index for row in rows])
        return self._score(output.logits[0], [row.rules for row in rows], output.attention)

    def step(self, tokens: Sequence[int], rules: Sequence[RowRules]) -> DecoderOutput:
        """Append one token to each beam; scores after it. The attention is reused by the next step."""
        output = self.step_logits(tokens)
        return self._score(output.logits[:, 0], rules, output.attention)

    def forward_logits(self, tokens: Sequence[int], rows: Sequence[int]) -> Logits:
        """Append tokens of one beam; logits of the given rows of them."""
        inputs = DecoderInputs(np.array([tokens], np.int64), self.length, np.array(rows, np.int64))
        binding = self._bind(inputs)
        for name in ("logits", "attention"):
            binding.bind_output(name)
        self._session.run_with_iobinding(binding)
        self.length += len(tokens)
        logits, attention = (value.numpy() for value in binding.get_outputs()[-2:])
        return Logits(logits, attention[:, None])

    def step_logits(self, tokens: Sequence[int]) -> Logits:
        """Append one token to each beam; the arrays of the answer are reused by the next step."""
        if self._stepper is None:
            self._stepper = self._make_stepper()
        stepper = self._stepper
        stepper.inputs.move(tokens, self.length)
        self._session.run_with_iobinding(stepper.binding)
        self.length += 1
        return stepper.output

    def _score(
        self, logits: NDArray[np.float32], rules: Sequence[RowRules], attention: NDArray[np.float32]
    ) -> DecoderOutput:
        if self._scorer is None:
            raise RuntimeError("load_selection must be called before rows can be scored")
        return DecoderOutput(tuple(map(self._scorer.score, logits, rules)), attention)

    def truncate(self, length: int) -> None:
        """Forget the rows from `length` on: they will be written again."""
        self.length = length

    def reorder(self, sources: Sequence[int]) -> None:
        """Let beam k go on from what is now beam sources[k]."""
        self._caches.reorder(sources, self.length)
        if len(sources) != self._beams:
            self._beams = len(sources)
            self._stepper = None

    def _bind(self, inputs: DecoderInputs) -> ort.IOBinding:
        binding = self._session.io_binding()
        values = inputs.values() | self._encoding.cross
        caches = self._caches.values(len(inputs.ids))
        for name, value in (values | caches).items():
            binding.bind_ortvalue_input(name, value)
        for name, value in caches.items():
            binding.bind_ortvalue_output(f"{name}_out", value)
        return binding

    def _make_stepper(self) -> _Stepper:
        inputs, logits, attention = self._steps.of(self._beams, self._encoding.n_frames)
        binding = self._bind(inputs)
        for name, array in (("logits", logits), ("attention", attention)):
            binding.bind_ortvalue_output(name, ort.OrtValue.ortvalue_from_numpy(array))
        return _Stepper(inputs, binding, Logits(logits, attention[:, :, None]))


class DecoderInputs:
    """The small inputs of the decoder's graph, in memory that bindings go on reading."""

    def __init__(self, ids: NDArray[np.int64], start: int, rows: NDArray[np.int64]) -> None:
        beams, tokens = ids.shape
        self.ids = ids
        self.rows = rows
        self.positions = np.arange(start, start + tokens, dtype=np.int64)
        self.last = np.full(beams, start + tokens - 1, np.int32)
        self.total = np.array(start + tokens, np.int32)

    def values(self) -> dict[str, Any]:
        """Return OrtValues that share the arrays' memory."""
        names = ("ids", "rows", "positions", "last", "total")
        return {name: ort.OrtValue.ortvalue_from_numpy(getattr(self, name)) for name in names}

    def move(self, tokens: Sequence[int], position: int) -> None:
        """Set the next token of each beam."""
        self.ids[:, 0] = tokens
        self.positions[0] = position
        self.last.fill(position)  # unlike a slice that is assigned, makes no array of the number
        self.total[()] = position + 1


class StepBuffers:
    """What single steps read and write beside the caches, kept from window to window for one number of beams."""

    def __init__(self, dimensions: Dimensions, alignment_heads: int) -> None:
        self._dimensions = dimensions
        self._heads = alignment_heads
        self._make(1)

    def of(self, beams: int, frames: int) -> tuple[DecoderInputs, NDArray[np.float32], NDArray[np.float32]]:
        """Return inputs, logits [beams, 1, vocabulary] and attention [alignment heads, beams, frames], float32."""
        if beams != len(self._inputs.ids):
            self._make(beams)
        shape = self._heads, beams, frames
        return self._inputs, self._logits, self._attention[: math.prod(shape)].reshape(shape)

    def _make(self, beams: int) -> None:
        self._inputs = DecoderInputs(np.zeros((beams, 1), np.int64), 0, np.zeros(1, np.int64))
        self._logits = np.empty((beams, 1, self._dimensions.vocabulary), np.float32)
        self._attention = np.empty(self._heads * beams * self._dimensions.audio_positions, np.float32)


@dataclass(frozen=True, slots=True)
class _Stepper:
    """A binding for single steps, reused as long as beams and encoding stay."""

    inputs: DecoderInputs
    binding: ort.IOBinding
    output: Logits
