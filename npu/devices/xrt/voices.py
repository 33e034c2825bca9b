"""The network that tells voices apart on the device, beside a model: weights that stay, room for one window at a time.

One sequence serves windows of any length (`npu.speaker_operators`), so that launches can be compiled ahead for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.operands import Buffer as Argument
from amanuensis.kernels.operands import Parameter, Region
from amanuensis.npu.devices.xrt import parameters as par
from amanuensis.npu.devices.xrt.dispatcher import Dispatcher
from amanuensis.npu.devices.xrt.errors import AGAIN, WrongAnswerError
from amanuensis.npu.devices.xrt.memory import F32_BYTES, Area, bare_input, bare_output
from amanuensis.npu.devices.xrt.runner import SURPLUS_BYTES
from amanuensis.npu.devices.xrt.runtime import XrtRuntime
from amanuensis.npu.devices.xrt.stream_parts import operators_of
from amanuensis.npu.speaker_operators import Places, SpeakerOperators, counts
from amanuensis.npu.speaker_sound import DEVICE_FRAMES, N_MELS, Float32


class VoiceLayout:
    """Where everything of the network lies, and its operators.

    Args:
        weights: as `speaker_graph.read_weights` returns them.

    Attributes:
        dim: length of the vectors.
        given, answer: INPUT with `mel`, f32 [DEVICE_FRAMES, N_MELS], and OUTPUT with `voice`, f32 [dim].
        operators: from one to the other.
        scratch_bytes: of activations.

    """

    def __init__(self, weights: Mapping[str, Float32]) -> None:
        self.dim = len(weights["out.bias"])
        self.given, self.answer = bare_input(), bare_output()
        self.given.add("mel", DEVICE_FRAMES * N_MELS * F32_BYTES)
        self.answer.add("voice", self.dim * F32_BYTES)
        for area in (self.given, self.answer):
            area.add("surplus", SURPLUS_BYTES)
        self._resident, self._scratch = Area(Argument.WEIGHTS), Area(Argument.SCRATCH)
        self._constants: dict[str, NDArray[Any]] = {}
        self._numbers = count()
        whole, halves, quarters = (
            Parameter(par.VOICE_FRAMES + at, most) for at, most in enumerate(counts(DEVICE_FRAMES))
        )
        places = Places(self._constant, self._activation)
        built = SpeakerOperators(weights, places, DEVICE_FRAMES, (whole, halves, quarters))
        self.operators = operators_of([("voice", [*built.sequence(self.given.at("mel"), self.answer.at("voice"))])])
        self.scratch_bytes = self._scratch.n_bytes + SURPLUS_BYTES

    def weights(self) -> NDArray[np.uint8]:
        """Return the bytes of WEIGHTS."""
        content = np.zeros(self._resident.n_bytes + SURPLUS_BYTES, np.uint8)
        for name, array in self._constants.items():
            data = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
            content[self._resident.offset(name) :][: data.size] = data
        return content

    def _constant(self, name: str, array: NDArray[Any]) -> Region:
        self._constants[name] = array
        self._resident.add(name, array.nbytes)
        return self._resident.at(name)

    def _activation(self, n_bytes: int) -> Region:
        name = str(next(self._numbers))
        self._scratch.add(name, n_bytes)
        return self._scratch.at(name)


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
        self._stream = dispatcher.stream(layout.operators, "encoder")
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
        """Return the vector of features, float32 [1 to DEVICE_FRAMES, N_MELS]: float32 [dim], not of unit length.

        Raises:
            WrongAnswerError: what came out cannot be.
            DeviceError: the device failed.

        """
        frames = len(features)
        assert features.shape == (frames, N_MELS)
        assert 1 <= frames <= DEVICE_FRAMES
        self._mel[: features.size] = features.ravel()
        self._given.parameters[par.VOICE_FRAMES : par.VOICE_FRAMES + 3] = counts(frames)
        n_bytes = self._layout.given.offset("mel") + features.nbytes
        dispatch = self._dispatcher.dispatch(self._stream, self._resident, self._given, n_bytes, self._answer)
        answer = self._dispatcher.finish(dispatch, self._layout.dim * F32_BYTES)
        vector = answer.view(np.float32)
        if not np.isfinite(vector).all() or not vector.any():
            raise WrongAnswerError(f"the vector of a voice is not finite or all zero; {AGAIN}")
        return vector
