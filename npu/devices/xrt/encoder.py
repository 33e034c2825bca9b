"""The encoder on the device: the host prepares one window while the device works on another.

Several INPUT and OUTPUT buffers and sets of cross-attention keys and values take turns.
"""

from __future__ import annotations

from dataclasses import dataclass

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.operands import PARAMETERS_BYTES
from amanuensis.npu.devices.xrt import parameters as par
from amanuensis.npu.devices.xrt.dispatcher import Dispatch, Input, Stream
from amanuensis.npu.devices.xrt.encoder_streams import EncoderStreams
from amanuensis.npu.devices.xrt.errors import AGAIN, WrongAnswerError
from amanuensis.npu.devices.xrt.memory import BF16_BYTES, RECEIPT_BYTES
from amanuensis.npu.devices.xrt.resident import Resident

Float32 = NDArray[np.float32]


@dataclass(eq=False, slots=True)
class XrtEncoding:
    """A window whose keys and values lie on the device, until `Memory.encodings` more windows were encoded.

    Attributes:
        n_frames: encoder positions.
        bucket: positions that were computed.
        place: which set of keys and values is its own.

    """

    n_frames: int
    bucket: int
    place: int
    dispatch: Dispatch | None  # until it is finished


class EncoderSession:
    """Encodes windows; the next one may be started before the last one is finished."""

    def __init__(self, resident: Resident) -> None:
        memory = resident.memory
        longest = memory.buckets[-1]
        streams = EncoderStreams(memory, resident.weights)
        self._resident = resident
        self._memory = memory
        self._streams = streams
        self._inputs = [resident.input(memory.encoder_input(longest)) for _ in range(memory.encodings)]
        self._outputs = [resident.output(memory.encoder_output(longest)) for _ in range(memory.encodings)]
        self._encoding = {bucket: resident.stream(streams.encoding(bucket), "encoder") for bucket in memory.buckets}
        self._crossing: dict[int, Stream] = {}
        self._states_input: Input | None = None
        self._features = [
            given.view("features", ml_dtypes.bfloat16).reshape(-1, memory.dimensions.n_mels) for given in self._inputs
        ]
        self._resident_encodings: list[XrtEncoding | None] = [None] * memory.encodings
        self._next = 0

    def start(self, features: Float32) -> XrtEncoding:
        """Start encoding features, float32 [n_mels, n]; the oldest encoding ends.

        Raises:
            ModelError: the window is longer than the model allows.

        """
        n_mel = features.shape[1]
        frames = (n_mel + 1) // 2
        bucket = self._memory.bucket(frames)
        place = self._take_place()
        given = self._inputs[place]
        self._features[place][:n_mel] = features.T
        given.parameters[[par.MEL_FRAMES, par.FRAMES, par.ENCODING]] = n_mel, frames, place
        n_bytes = PARAMETERS_BYTES + n_mel * features.shape[0] * BF16_BYTES
        dispatch = self._resident.start(self._encoding[bucket], given, n_bytes, self._outputs[place])
        return self._keep(XrtEncoding(frames, bucket, place, dispatch))

    def finish(self, encoding: XrtEncoding) -> None:
        """Wait until an encoding is done; WrongAnswerError when what came out cannot be."""
        if encoding.dispatch is None:
            return
        row_bytes = self._memory.dimensions.width * BF16_BYTES
        first = self._resident.finish(encoding.dispatch, row_bytes).view(ml_dtypes.bfloat16).astype(np.float32)
        encoding.dispatch = None
        if not np.isfinite(first).all() or not first.any():
            raise WrongAnswerError(f"the encoder's output is not finite or all zero; {AGAIN}")

    def states(self, encoding: XrtEncoding) -> Float32:
        """Return the encoder's output, float32 [frames, width], of an encoding that is finished and resident."""
        self.check(encoding)
        shape = (encoding.n_frames, self._memory.dimensions.width)
        output = self._outputs[encoding.place]
        return self._resident.read(output, shape, ml_dtypes.bfloat16, RECEIPT_BYTES).astype(np.float32)

    def cross(self, states: Float32) -> XrtEncoding:
        """Compute keys and values from states, float32 [frames, width], that were computed elsewhere."""
        frames, width = states.shape
        bucket = self._memory.bucket(frames)
        place = self._take_place()
        if self._states_input is None:  # first use; models whose encoder runs here too never need it
            self._states_input = self._resident.input(self._memory.states_input(self._memory.buckets[-1]))
        if bucket not in self._crossing:
            self._crossing[bucket] = self._resident.stream(self._streams.crossing(bucket), "encoder")
        given = self._states_input
        given.view("states", ml_dtypes.bfloat16)[: states.size] = states.ravel()
        given.parameters[[par.FRAMES, par.ENCODING]] = frames, place
        n_bytes = PARAMETERS_BYTES + frames * width * BF16_BYTES
        dispatch = self._resident.start(self._crossing[bucket], given, n_bytes, self._outputs[place])
        self._resident.finish(dispatch)
        return self._keep(XrtEncoding(frames, bucket, place, None))

    def check(self, encoding: XrtEncoding) -> None:
        """Raise ValueError when the keys and values of an encoding are no longer there."""
        if self._resident_encodings[encoding.place] is not encoding:
            kept = self._memory.encodings
            raise ValueError(f"this encoding is gone: the device keeps the last {kept}; encode the window again")

    def _take_place(self) -> int:
        """Return the place of the oldest encoding, which ends."""
        place, self._next = self._next, (self._next + 1) % self._memory.encodings
        oldest, self._resident_encodings[place] = self._resident_encodings[place], None
        if oldest is not None:
            self.finish(oldest)
        return place

    def _keep(self, encoding: XrtEncoding) -> XrtEncoding:
        self._resident_encodings[encoding.place] = encoding
        return encoding
