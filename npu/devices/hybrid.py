"""A model whose encoder runs on one device and its decoder on another.

The encoder's states cross the bus once a window; keys and values of the cross-attention are computed where the decoder
is, and stay there.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from amanuensis.npu.devices.api import Backend, Decoder, Encoding
from amanuensis.npu.model_config import Dimensions, Generation
from amanuensis.npu.row_rules import Selection


class SplitBackend(Backend, Protocol):
    """A back end whose encoder and decoder can be used apart."""

    def encode_states(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the encoder alone: features [n_mels, n] to states [frames, width]."""
        ...

    def encoding_of(self, states: NDArray[np.float32]) -> Encoding:
        """Compute keys and values of the cross-attention from states [frames, width]."""
        ...


class HybridModel:
    """A `Backend` over two; see `amanuensis.npu.devices.api`."""

    def __init__(self, encoder: SplitBackend, decoder: SplitBackend) -> None:
        self.encoder_device = encoder.encoder_device
        self.decoder_device = decoder.decoder_device
        self._encoder = encoder
        self._decoder = decoder

    @property
    def dimensions(self) -> Dimensions:
        return self._decoder.dimensions

    @property
    def generation(self) -> Generation:
        return self._decoder.generation

    def load_selection(self, selection: Selection) -> None:
        """Make resident where the decoder is what selecting among tokens needs."""
        self._decoder.load_selection(selection)

    def encode(self, features: NDArray[np.float32]) -> Encoding:
        """Encode on one device and hand the states to the other."""
        return self._decoder.encoding_of(self._encoder.encode_states(features))

    def decoder(self, encoding: Encoding) -> Decoder:
        """Return a decoder on the second device."""
        return self._decoder.decoder(encoding)
