"""A back end on top of another one: what a subclass does not change is handed on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from amanuensis.npu.devices.api import Backend, Decoder, Encoding
from amanuensis.npu.model_config import Dimensions, Generation
from amanuensis.npu.row_rules import Selection


class Delegate:
    """A `Backend` that does everything as another one does; see `amanuensis.npu.devices.api`."""

    def __init__(self, backend: Backend) -> None:
        self.encoder_device = backend.encoder_device
        self.decoder_device = backend.decoder_device
        self._backend = backend

    @property
    def dimensions(self) -> Dimensions:
        return self._backend.dimensions

    @property
    def generation(self) -> Generation:
        return self._backend.generation

    def load_selection(self, selection: Selection) -> None:
        """Make resident what selecting among tokens needs."""
        self._backend.load_selection(selection)

    def encode(self, features: NDArray[np.float32]) -> Encoding:
        """Encode features, float32 [n_mels, n]."""
        return self._backend.encode(features)

    def decoder(self, encoding: Encoding) -> Decoder:
        """Return a decoder with an empty cache."""
        return self._backend.decoder(encoding)
