"""One window under decoding: the decoder's cache and attention, kept in step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from amanuensis.npu.alignment import AttentionRows, monotone_path, warped_path
from amanuensis.npu.devices.api import Decoder
from amanuensis.npu.row_rules import Row, RowRules, RowScores
from amanuensis.npu.rules import Ask, Rules
from amanuensis.npu.token_times import Loudness, TokenTimes, from_peaks, from_warping

NO_SPEECH = RowRules(candidates=0, no_speech=True)


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
        loudness: of the sound.
        lag_ms: how long after a token sets in the alignment heads listen to it most; None: not known.

    """

    decoder: Decoder
    attention: AttentionRows
    prefix: Prefix
    rules: Rules
    limit: int
    edge: int | None
    loudness: Loudness
    lag_ms: float | None

    def prefill(self, draft: Sequence[int], ask: Ask) -> tuple[float, tuple[RowScores, ...]]:
        """Run prefix and draft in one forward.

        Returns:
            The no-speech probability at <|startoftranscript|>, and the scores of 1 + len(draft) rows, which predict
            each token of the draft, as if those before it had been sampled, and the one after it.

        """
        last = len(self.prefix.tokens) - 1
        rows = [Row(last + k, self.rules.row(draft[:k], ask)) for k in range(len(draft) + 1)]
        output = self.decoder.forward((*self.prefix.tokens, *draft), [Row(self.prefix.sot, NO_SPEECH), *rows])
        self.attention.append(output.attention[:, 0, self.prefix.sot :])
        return output.scores[0].no_speech_prob, output.scores[1:]

    def restart(self, ask: Ask) -> RowScores:
        """Forget all but the prefix and ask anew what follows; its last token is run again for that."""
        self.rewind(-1)
        return self.extend(self.prefix.tokens[-1:], [self.rules.row((), ask)])[0]

    def extend(self, tokens: Sequence[int], rules: Sequence[RowRules]) -> tuple[RowScores, ...]:
        """Append tokens to one beam and return the scores after each, each under its rules."""
        if len(tokens) == 1:
            output = self.decoder.step(tokens, rules)
        else:
            output = self.decoder.forward(tokens, [Row(k, each) for k, each in enumerate(rules)])
        self.attention.append(output.attention[:, 0])
        return output.scores

    def rewind(self, sampled: int) -> None:
        """Forget all but the prefix and the first `sampled` tokens after it."""
        length = len(self.prefix.tokens) + sampled
        self.decoder.truncate(length)
        self.attention.truncate(length - self.prefix.sot)

    def at_edge(self, sampled: int) -> bool:
        """Return whether the token after `sampled` tokens is heard too near the end of the sound (AlignAtt)."""
        return self.edge is not None and self.attention.peak(self.prefix.first_row + sampled) >= self.edge

    def times(self, sampled: int) -> TokenTimes:
        """Return when each of the first `sampled` tokens is said; forced tokens hold the path but are not told."""
        told = slice(self.prefix.forced, self.prefix.forced + sampled)
        scores = self.attention.scores(self.prefix.first_row - self.prefix.forced)
        frames = monotone_path(scores)[told]
        if self.lag_ms is None:
            return from_warping(frames, warped_path(scores)[told], self.loudness)
        return from_peaks(frames, self.lag_ms, self.loudness)
