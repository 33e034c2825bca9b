"""What a device back end offers to decoding: an encoder, and a decoder with a key-value cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from amanuensis.npu.model_config import Dimensions, Generation
from amanuensis.npu.row_rules import Row, RowRules, RowScores, Selection


@dataclass(frozen=True, slots=True)
class DecoderOutput:
    """What a forward answers; the attention may be overwritten by the next call.

    Attributes:
        scores: of each row that was asked for, or of each beam after a step.
        attention: float32 [alignment heads, beams, tokens, frames], after the softmax over frames.

    """

    scores: tuple[RowScores, ...]
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

    def forward(self, tokens: Sequence[int], rows: Sequence[Row]) -> DecoderOutput:
        """Append tokens (one beam) and return the scores of the given rows of them."""
        ...

    def step(self, tokens: Sequence[int], rules: Sequence[RowRules]) -> DecoderOutput:
        """Append one token to each beam and return the scores after it, under the rules of each beam."""
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

    def load_selection(self, selection: Selection) -> None:
        """Make resident what selecting among tokens needs; before the first decoder."""
        ...

    def encode(self, features: NDArray[np.float32]) -> Encoding:
        """Encode log-mel features, float32 [n_mels, n]."""
        ...

    def decoder(self, encoding: Encoding) -> Decoder:
        """Return a decoder with an empty cache; earlier decoders of the model end."""
        ...
