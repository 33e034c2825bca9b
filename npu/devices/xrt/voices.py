"""The network that tells voices apart on the device, beside a model: weights that stay, room for one window at a time.

Few sequences serve windows of any length (`npu.speaker_operators`), so that launches can be compiled ahead of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.operands import Buffer as Argument
from amanuensis.kernels.operands import Parameter, Region
from amanuensis.kernels.operators import Operator
from amanuensis.npu.devices.xrt import parameters as par
from amanuensis.npu.devices.xrt.dispatcher import Dispatcher
from amanuensis.npu.devices.xrt.errors import AGAIN, WrongAnswerError
from amanuensis.npu.devices.xrt.memory import F32_BYTES, Area, bare_input, bare_output
from amanuensis.npu.devices.xrt.runner import SURPLUS_BYTES
from amanuensis.npu.devices.xrt.runtime import XrtRuntime
from amanuensis.npu.devices.xrt.stream_parts import operators_of
from amanuensis.npu.speaker_operators import Places, SpeakerOperators, counts
from amanuensis.npu.speaker_sound import MAX_FRAMES, N_MELS, Float32

ROOMS: Final = (256, 640)  # frames: the windows of a talk, and MAX_FRAMES


class VoiceLayout:
    """Where everything of the network lies, and its sequence for each room.

    Args:
        weights: as `speaker_graph.read_weights` returns them.

    Attributes:
        sequences: of operators, by room.
        given, answer: INPUT with `mel`, f32 [room, N_MELS], and OUTPUT with `voice`, f32 [dim].
        dim: length of the vectors.
        scratch_bytes: of activations.

    """

    def __init__(self, weights: Mapping[str, Float32]) -> None:
        self.dim = len(weights["out.bias"])
        self.given, self.answer = bare_input(), bare_output()
        self.given.add("mel", ROOMS[-1] * N_MELS * F32_BYTES)
        self.answer.add("voice", self.dim * F32_BYTES)
        for area in (self.given, self.answer):
            area.add("surplus", SURPLUS_BYTES)
        self.scratch_bytes = 0
        self._resident = Area(Argument.WEIGHTS)
        self._constants: dict[str, NDArray[Any]] = {}
        self.sequences = {rows: self._sequence(weights, rows) for rows in ROOMS}

    def weights(self) -> NDArray[np.uint8]:
        """Return the bytes of WEIGHTS."""
        content = np.zeros(self._resident.n_bytes + SURPLUS_BYTES, np.uint8)
        for name, array in self._constants.items():
            data = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
            content[self._resident.offset(name) :][: data.size] = data
        return content

    def _sequence(self, weights: Mapping[str, Float32], rows: int) -> list[Operator]:
        """Return the operators for one room; activations of all rooms begin at the same place."""
        scratch, numbers = Area(Argument.SCRATCH), count()

        def room(n_bytes: int) -> Region:
            name = str(next(numbers))
            scratch.add(name, n_bytes)
            return scratch.at(name)

        frames, halves, quarters = (Parameter(par.VOICE_FRAMES + at, most) for at, most in enumerate(counts(rows)))
        built = SpeakerOperators(weights, Places(self._constant, room), rows, (frames, halves, quarters))
        operators = operators_of([("voice", [*built.sequence(self.given.at("mel"), self.answer.at("voice"))])])
        self.scratch_bytes = max(self.scratch_bytes, scratch.n_bytes + SURPLUS_BYTES)
        return operators

    def _constant(self, name: str, array: NDArray[Any]) -> Region:
        """Place a constant once for all rooms."""
        if name not in self._constants:
            self._constants[name] = array
            self._resident.add(name, array.nbytes)
        return self._resident.at(name)


class VoiceSession:
    """Computes vectors of voices; one thread owns it, as the model beside it."""

    def __init__(self, runtime: XrtRuntime, dispatcher: Dispatcher, weights: Mapping[str, Float32]) -> None:
        """Put the network on the device.

        Args:
            runtime: of the device.
            dispatcher: of the model beside it, whose queue it shares.
            weights: as `speaker_graph.read_weights` returns them.

        Raises:
            ProgramError: the compiled programs have no launches for it.
            DeviceError: the device has not the memory, or fails.

        """
        layout = VoiceLayout(weights)
        self._dispatcher, self._layout = dispatcher, layout
        self._streams = {rows: dispatcher.stream(each, "encoder") for rows, each in layout.sequences.items()}
        content = layout.weights()
        self._resident = (
            runtime.allocate(None, content.size, "weights"),
            runtime.allocate(None, layout.scratch_bytes, "scratch"),
            runtime.allocate(None, SURPLUS_BYTES, "cache"),
        )
        self._given, self._answer = dispatcher.input(layout.given), dispatcher.output(layout.answer)
        self._mel = self._given.view("mel", np.float32)
        runtime.write(self._resident[0], content)

    def embed(self, features: Float32) -> Float32:
        """Return the vector of features, float32 [1 to MAX_FRAMES, N_MELS]: float32 [dim], not of unit length.

        Raises:
            WrongAnswerError: what came out cannot be.
            DeviceError: the device failed.

        """
        frames = len(features)
        assert features.shape == (frames, N_MELS)
        assert 1 <= frames <= MAX_FRAMES
        self._mel[: features.size] = features.ravel()
        self._given.parameters[par.VOICE_FRAMES : par.VOICE_FRAMES + 3] = counts(frames)
        stream = next(self._streams[rows] for rows in ROOMS if rows >= frames)
        n_bytes = self._layout.given.offset("mel") + features.nbytes
        dispatch = self._dispatcher.dispatch(stream, self._resident, self._given, n_bytes, self._answer)
        answer = self._dispatcher.finish(dispatch, self._layout.dim * F32_BYTES)
        vector = answer.view(np.float32)
        if not np.isfinite(vector).all() or not vector.any():
            raise WrongAnswerError(f"the vector of a voice is not finite or all zero; {AGAIN}")
        return vector
