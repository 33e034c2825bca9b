"""What a device back end offers to decoding: an encoder, and a decoder with a key-value cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from amanuensis.npu.model_config import Dimensions, Generation


@dataclass(frozen=True, slots=True)
class DecoderOutput:
    """What a forward answers; the arrays may be overwritten by the next call.

    Attributes:
        logits: float32 [beams, rows, vocabulary], of the rows that were asked for, before any rule.
        attention: float32 [alignment heads, beams, tokens, frames], after the softmax over frames.

    """

    logits: NDArray[np.float32]
    attention: NDArray[np.float32]


class Encoding(Protocol):
    """A window as the decoder sees it: its cross-attention keys and values, wherever they lie."""

    @property
    def n_frames(self) -> int: ...


class Decoder(Protocol):
    """The decoder on one encoding, with its cache; a model has one at a time, since the cache buffers are reused."""

    @property
    def length(self) -> int:
        """Rows in the cache."""
        ...

    def forward(self, tokens: Sequence[int], rows: Sequence[int]) -> DecoderOutput:
        """Append tokens (one beam) and return the logits of the given rows of them."""
        ...

    def step(self, tokens: Sequence[int]) -> DecoderOutput:
        """Append one token to each beam and return its logits."""
        ...

    def truncate(self, length: int) -> None:
        """Forget the rows from `length` on."""
        ...

    def reorder(self, sources: Sequence[int]) -> None:
        """Let beam k go on from what is now beam sources[k]; their number becomes that of `sources`."""
        ...


class Backend(Protocol):
    """A loaded model on its devices."""

    encoder_device: str
    decoder_device: str

    @property
    def dimensions(self) -> Dimensions: ...

    @property
    def generation(self) -> Generation: ...

    def encode(self, features: NDArray[np.float32]) -> Encoding:
        """Encode log-mel features, float32 [n_mels, n]."""
        ...

    def decoder(self, encoding: Encoding) -> Decoder:
        """Return a decoder with an empty cache; earlier decoders of the model end."""
        ...
