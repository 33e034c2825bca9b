"""One window under decoding: the decoder's cache and attention, kept in step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amanuensis.npu.alignment import AttentionRows
from amanuensis.npu.devices.api import Decoder
from amanuensis.npu.rules import Rules, log_sum_exp

Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Prefix:
    """What stands before the sampled tokens: [<|startofprev|> prompt] start-of-transcript sequence, forced tokens."""

    tokens: tuple[int, ...]
    sot: int  # index of <|startoftranscript|>
    forced: int  # how many tokens at the end are forced text

    @property
    def first_row(self) -> int:
        """Attention row, counted from <|startoftranscript|>, that predicts the first sampled token."""
        return len(self.tokens) - 1 - self.sot


@dataclass(slots=True)
class WindowPass:
    """Decoding state of a window; every pass of the temperature ladder starts from its prefix.

    Attributes:
        decoder: holds the prefix and what has been accepted since.
        attention: rows of the same positions, from <|startoftranscript|> on.
        prefix: what stands before the sampled tokens.
        rules: of decoding.
        limit: most tokens to sample.
        edge: first encoder frame of the AlignAtt edge; None: decode to the end.

    """

    decoder: Decoder
    attention: AttentionRows
    prefix: Prefix
    rules: Rules
    limit: int
    edge: int | None

    def prefill(self, draft: Sequence[int]) -> tuple[Float32, Float32]:
        """Run prefix and draft in one forward.

        Returns:
            Logits [vocabulary] at <|startoftranscript|>, and logits [1 + len(draft), vocabulary] that predict each
            token of the draft and the one after it.

        """
        length = len(self.prefix.tokens)
        rows = (self.prefix.sot, *range(length - 1, length + len(draft)))
        output = self.decoder.forward((*self.prefix.tokens, *draft), rows)
        self.attention.append(output.attention[:, 0, self.prefix.sot :])
        return output.logits[0, 0], output.logits[0, 1:]

    def extend(self, tokens: Sequence[int]) -> Float32:
        """Append tokens to one beam and return the logits [len(tokens), vocabulary] after each."""
        single = len(tokens) == 1
        output = self.decoder.step(tokens) if single else self.decoder.forward(tokens, range(len(tokens)))
        self.attention.append(output.attention[:, 0])
        logits: Float32 = output.logits[0]
        return logits

    def rewind(self, sampled: int) -> None:
        """Forget all but the prefix and the first `sampled` tokens after it."""
        length = len(self.prefix.tokens) + sampled
        self.decoder.truncate(length)
        self.attention.truncate(length - self.prefix.sot)

    def at_edge(self, sampled: int) -> bool:
        """Return whether the token after `sampled` tokens is heard too near the end of the sound (AlignAtt)."""
        return self.edge is not None and self.attention.peak(self.prefix.first_row + sampled) >= self.edge

    def frames(self, sampled: int) -> tuple[int, ...]:
        """Return the frame of each of the first `sampled` tokens; forced tokens hold the path but are not told."""
        start = self.prefix.first_row - self.prefix.forced
        return self.attention.frames(start)[self.prefix.forced : self.prefix.forced + sampled]


def logprob(logits: Float32, token: int) -> float:
    """Return the log-probability of a token under logits [vocabulary]."""
    return float(logits[token]) - log_sum_exp(logits)
