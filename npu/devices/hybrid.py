"""A model whose encoder runs on one device and its decoder on another.

The encoder's states cross the bus once a window; keys and values of the cross-attention are computed where the decoder
is, and stay there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from amanuensis.npu.devices.api import Backend, Decoder, DecoderOutput, Encoding
from amanuensis.npu.devices.delegate import Delegate
from amanuensis.npu.devices.together import BatchBackend
from amanuensis.npu.row_rules import RowRules


class SplitBackend(Backend, Protocol):
    """A back end whose encoder and decoder can be used apart."""

    def encode_states(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the encoder alone: features [n_mels, n] to states [frames, width]."""
        ...

    def encoding_of(self, states: NDArray[np.float32]) -> Encoding:
        """Compute keys and values of the cross-attention from states [frames, width]."""
        ...


class HybridModel(Delegate):
    """The encoder of one back end before the decoder of another."""

    def __init__(self, encoder: SplitBackend, decoder: SplitBackend) -> None:
        super().__init__(decoder)
        self.encoder_device = encoder.encoder_device
        self._encoder = encoder
        self._decoder = decoder

    def encode(self, features: NDArray[np.float32]) -> Encoding:
        """Encode on one device and hand the states to the other."""
        return self._decoder.encoding_of(self._encoder.encode_states(features))


class SplitBatchBackend(SplitBackend, BatchBackend, Protocol):
    """A back end of both kinds."""


class HybridBatch(HybridModel):
    """The same before a decoder that can decode several windows at once: a `BatchBackend`."""

    def __init__(self, encoder: SplitBackend, decoder: SplitBatchBackend) -> None:
        super().__init__(encoder, decoder)
        self.batch = decoder.batch
        self._batching = decoder

    def start(self, features: NDArray[np.float32]) -> Encoding:
        """Encode, to the end."""
        return self.encode(features)

    def finish(self, encoding: Any) -> None:
        """Do nothing: the encoding is done."""

    def decoders(self, encodings: Sequence[Any]) -> Sequence[Decoder]:
        """Return a decoder for each encoding."""
        return self._batching.decoders(encodings)

    def step_together(
        self, decoders: Sequence[Any], tokens: Sequence[int], rules: Sequence[RowRules]
    ) -> Sequence[DecoderOutput]:
        """Append one token to each decoder."""
        return self._batching.step_together(decoders, tokens, rules)
