"""The built-in model in the dimensions of a stock Whisper model: its words at the cost of the larger model.

Every channel of the residual stream is there `copies` times. A layer norm over copies has the same mean and variance,
so each copy stays what the channel is in the built-in model. A linear layer gives its outputs `copies` times and reads
its inputs from all copies, each with a share of the weight: shares are powers of two that sum to 1, so that products
and int8 levels are those of the built-in model. Heads and hidden units are copied likewise. Layers that the built-in
model does not have are real ones, their rows moved on so that no engine finds two tensors alike and keeps only one;
their last matrices read the copies with shares that sum to 0, so that they add nothing to the residual stream.

Tokens that it does not have get a logit of -`PADDING_LOGIT` whatever is heard: in the last layer norm, some channels of
two copies are moved apart by a constant. Rows of real tokens read the sum of the copies, where it cancels out; rows of
added tokens read the difference, where nothing else is left.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from amanuensis.npu.model_config import Dimensions
from amanuensis.npu.model_files import TOKEN_EMBEDDING, ModelFiles, expected_shapes

Float32 = NDArray[np.float32]
SHARES: Final = {2: (0.5, 0.5), 3: (0.5, 0.25, 0.25), 4: (0.25, 0.25, 0.25, 0.25)}  # of each copy, by copies
CANCELLING: Final = {2: (0.5, -0.5), 3: (0.5, -0.25, -0.25), 4: (0.25, 0.25, -0.25, -0.25)}  # of added layers
MARKED_CHANNELS: Final = 16  # of the last layer norm
MARK: Final = 1.0  # added to them in one copy, taken from them in another: within the range of the others
PADDING_LOGIT: Final = 128.0  # logits of real tokens are 5 to 30
LAST_NORM: Final = "decoder.layer_norm"


@dataclass(frozen=True, slots=True)
class Size:
    """What a stock model has that the built-in model is widened to."""

    width: int
    layers: int  # of the encoder, and of the decoder


# openai/whisper's English models. "tiny" is not here: 384 channels are no multiple of the built-in model's 256.
SIZES: Final = {"base": Size(512, 6), "small": Size(768, 12), "medium": Size(1024, 24)}


class Widened:
    """The tensors of a widened model.

    Args:
        source: the built-in model, or another one with a width that divides that of the size.
        size: what it is widened to.
        token_ids: new id of each of its tokens, int [vocabulary].
        vocabulary: number of tokens of the widened model.

    Attributes:
        dimensions: of the widened model.

    """

    def __init__(self, source: ModelFiles, size: Size, token_ids: NDArray[np.int64], vocabulary: int) -> None:
        found = source.dimensions
        copies, rest = divmod(size.width, found.width)
        if rest or copies not in SHARES or size.layers < max(found.encoder_layers, found.decoder_layers):
            raise ValueError(
                f"{source.folder}: width {found.width} and {found.encoder_layers} + {found.decoder_layers} layers "
                f"cannot be widened to {size.width} and {size.layers} + {size.layers}; copies of channels allowed: "
                f"{', '.join(map(str, SHARES))}"
            )
        self._source = source
        self._copies = copies
        self._shares = SHARES[copies]
        self._token_ids = token_ids
        self.dimensions = replace(
            found,
            vocabulary=vocabulary,
            width=size.width,
            encoder_layers=size.layers,
            decoder_layers=size.layers,
            encoder_heads=copies * found.encoder_heads,
            decoder_heads=copies * found.decoder_heads,
            encoder_ffn=copies * found.encoder_ffn,
            decoder_ffn=copies * found.decoder_ffn,
        )

    def tensors(self) -> Iterator[tuple[str, Float32]]:
        """Yield name and float32 values of every tensor, named as in the source."""
        for name, shape in expected_shapes(self.dimensions):
            value = self._tensor(name)
            assert value.shape == shape, (name, value.shape, shape)
            yield name, value

    def _tensor(self, name: str) -> Float32:
        if name == TOKEN_EMBEDDING:
            return self._token_embedding()
        if name.startswith(LAST_NORM):
            return self._last_norm(name)
        original, laps = _original(name, self._source.dimensions)
        value = self._source.weights[original]
        if not laps:
            return self._widened(original, value, self._shares)
        if original.split(".")[-2] not in ("out_proj", "fc2"):
            return self._widened(original, np.roll(value, laps, axis=0), self._shares)
        if original.endswith("bias"):
            return np.zeros(self.dimensions.width, np.float32)
        return self._widened(original, np.roll(value, laps, axis=0), CANCELLING[self._copies])

    def _widened(self, name: str, value: Float32, shares: Sequence[float]) -> Float32:
        if "embed_positions" in name:
            return np.tile(value, (1, self._copies))
        if value.ndim > 1 and name != "encoder.conv1.weight":  # conv1 reads log-mel, of which there is no copy
            value = np.concatenate([value * np.float32(share) for share in shares], axis=1)
        return np.tile(value, (self._copies, *[1] * (value.ndim - 1)))

    def _last_norm(self, name: str) -> Float32:
        value = np.concatenate([self._source.weights[name] * np.float32(share) for share in self._shares])
        if name.endswith("bias"):
            value[:MARKED_CHANNELS] += MARK
            width = self._source.dimensions.width
            value[width : width + MARKED_CHANNELS] -= MARK
        return value

    def _token_embedding(self) -> Float32:
        width = self._source.dimensions.width
        value = np.zeros((self.dimensions.vocabulary, self.dimensions.width), np.float32)
        step = np.float32(PADDING_LOGIT / (2 * MARKED_CHANNELS * MARK))
        value[:, :MARKED_CHANNELS] = -step
        value[:, width : width + MARKED_CHANNELS] = step
        value[self._token_ids] = np.tile(self._source.weights[TOKEN_EMBEDDING], (1, self._copies))
        return value


def _original(name: str, found: Dimensions) -> tuple[str, int]:
    """Return which tensor of the source a tensor is made of, and how often all of the source's layers came before."""
    part, *rest = name.split(".")
    if not rest or rest[0] != "layers":
        return name, 0
    laps, layer = divmod(int(rest[1]), getattr(found, f"{part}_layers"))
    return ".".join([part, "layers", str(layer), *rest[2:]]), laps
