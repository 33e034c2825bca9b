"""A Whisper model on the NPU, or on what looks like it: the back end of the devices `npu` and `sim`."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.operands import PARAMETERS_BYTES
from amanuensis.npu.calibration import Precision
from amanuensis.npu.calibration_sound import demo_windows
from amanuensis.npu.device_weights import DeviceWeights, device_weights
from amanuensis.npu.devices.api import DecoderOutput, Encoding
from amanuensis.npu.devices.xrt.decoder import DecoderSession, XrtDecoder, step_together
from amanuensis.npu.devices.xrt.dispatcher import Dispatcher
from amanuensis.npu.devices.xrt.encoder import EncoderSession, XrtEncoding
from amanuensis.npu.devices.xrt.memory import Memory, bare_input, bare_output
from amanuensis.npu.devices.xrt.resident import Resident
from amanuensis.npu.devices.xrt.runtime import XrtRuntime
from amanuensis.npu.devices.xrt.shortlist import ShortlistUse
from amanuensis.npu.model_config import Dimensions, Generation
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.row_rules import RowRules, Selection
from amanuensis.npu.tokenizer import Tokenizer

PrecisionChoice = Literal["auto", "float32", "int8", "bf16"]


class XrtModel:
    """A model on one device; see `amanuensis.npu.devices.together.BatchBackend`. One thread owns it.

    Attributes:
        batch: windows that can be decoded at once.

    """

    def __init__(
        self,
        files: ModelFiles,
        weights: DeviceWeights,
        runtime: XrtRuntime,
        precision: Precision,
        on_host: Container[str] = (),
    ) -> None:
        """Put a model on the device: everything is allocated before anything is written.

        Args:
            files: the model.
            weights: its weights for the device.
            runtime: of the device.
            precision: of the linear layers.
            on_host: names of the operators that the host computes in the device's place.

        Raises:
            ModelError: the model's shape does not fit the device.
            DeviceError: the device has not the memory, or fails.

        """
        heads = files.generation.alignment_heads
        memory = Memory.plan(files.dimensions, len(heads))
        self.files = files
        self.precision = precision
        self.encoder_device: str = runtime.device_name
        self.decoder_device: str = runtime.device_name
        self.batch = memory.encodings
        self._resident = Resident(runtime, memory, weights.map, on_host)
        self._encoder = EncoderSession(self._resident)
        self._decoder = DecoderSession(self._resident, heads)
        self._awake = self._resident.awake_stream()
        self._awake_input = self._resident.input(bare_input())
        self._awake_output = self._resident.output(bare_output())
        self._resident.write_weights(weights.data)

    @classmethod
    def open(
        cls, files: ModelFiles, runtime: XrtRuntime, precision: PrecisionChoice = "auto", on_host: Container[str] = ()
    ) -> XrtModel:
        """Prepare a model's weights, where that was not done before, and put it on a device.

        Args:
            files: the model.
            runtime: of an open device.
            precision: of the linear layers; "auto" is "int8", and "float32", which the device has not, "bf16".
            on_host: names of the operators that the host computes in the device's place.

        Raises:
            ModelError: the model does not fit the device.
            DeviceError: the device has not the memory, or fails.

        """
        chosen: Precision = "bf16" if precision in ("bf16", "float32") else "int8"
        weights = device_weights(files, chosen, lambda: demo_windows(Tokenizer(files.folder), files.dimensions.n_mels))
        return cls(files, weights, runtime, chosen, on_host)

    @property
    def dimensions(self) -> Dimensions:
        return self.files.dimensions

    @property
    def generation(self) -> Generation:
        return self.files.generation

    @property
    def dispatcher(self) -> Dispatcher:
        """What gives the device its work, for whatever else is to be computed there."""
        return self._resident

    @property
    def shortlist_use(self) -> ShortlistUse:
        """How often the shortlist of the vocabulary was tried and held; never where there is none."""
        shortlist = self._decoder.shortlist
        return ShortlistUse() if shortlist is None else shortlist.use

    def load_selection(self, selection: Selection) -> None:
        """Keep what selecting needs of the vocabulary on the device."""
        self._decoder.load_selection(selection)

    def start(self, features: NDArray[np.float32]) -> XrtEncoding:
        """Start encoding features, float32 [n_mels, n], and return at once; `finish` it before it is decoded."""
        return self._encoder.start(features)

    def finish(self, encoding: XrtEncoding) -> None:
        """Wait until an encoding is done."""
        self._encoder.finish(encoding)

    def encode(self, features: NDArray[np.float32]) -> XrtEncoding:
        """Encode features, float32 [n_mels, n]."""
        encoding = self.start(features)
        self.finish(encoding)
        return encoding

    def encode_states(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the encoder alone: features [n_mels, n] to states [frames, width]."""
        return self._encoder.states(self.encode(features))

    def encoding_of(self, states: NDArray[np.float32]) -> XrtEncoding:
        """Compute keys and values of the cross-attention from states [frames, width]."""
        return self._encoder.cross(states)

    def decoder(self, encoding: Encoding) -> XrtDecoder:
        """Return a decoder with an empty cache; the encoding is one of this model's last ones."""
        self._decoder.openings += 1
        return self._open(encoding, range(self._resident.memory.slots))

    def decoders(self, encodings: Sequence[Encoding]) -> list[XrtDecoder]:
        """Return a decoder for each of several streams, each with one cache of its own; earlier decoders end."""
        self._decoder.openings += 1
        return [self._open(encoding, [cache]) for cache, encoding in enumerate(encodings)]

    def step_together(
        self, decoders: Sequence[XrtDecoder], tokens: Sequence[int], rules: Sequence[RowRules]
    ) -> list[DecoderOutput]:
        """Append one token to each of several streams in one dispatch: the weights are read once for all of them.

        Args:
            decoders: of different streams, from `decoders`.
            tokens: one of each stream.
            rules: for the row of each stream.

        """
        return step_together(self._decoder, decoders, tokens, rules)

    def _open(self, encoding: Encoding, caches: Sequence[int]) -> XrtDecoder:
        if not isinstance(encoding, XrtEncoding):
            raise TypeError(f"an encoding of this device is needed, not {type(encoding).__name__}")
        if not self._decoder.is_ready:
            raise RuntimeError("load_selection comes before the first decoder")
        self.finish(encoding)
        return XrtDecoder(self._decoder, self._encoder, encoding, caches)

    def keep_warm(self) -> None:
        """Do an empty dispatch, so that the device does not fall asleep."""
        dispatch = self._resident.start(self._awake, self._awake_input, PARAMETERS_BYTES, self._awake_output)
        self._resident.finish(dispatch)
