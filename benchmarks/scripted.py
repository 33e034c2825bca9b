"""Random weights made to say a given text, at the full price of saying it.

Timings do not depend on the values of weights, but streaming depends on what is said: agreement, verification and
window cuts need text that goes on sensibly. So every forward runs as it is, over all rows and the whole vocabulary, and
only the logit of the wanted token is raised afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from amanuensis.npu.devices.api import Backend, Decoder, DecoderOutput, Encoding
from amanuensis.npu.devices.delegate import Delegate
from amanuensis.npu.row_rules import Row, RowRules
from amanuensis.npu.tokenizer import Tokenizer

RAISED = 1000.0  # nats: lifts a token far above every logit of random weights


class ScriptedBackend(Delegate):
    """A back end that says `script` after the start of the transcript, then <|endoftext|>.

    Attributes:
        script: text tokens from the first one of the window on, those that the job forces included.

    """

    def __init__(self, backend: Backend, tokenizer: Tokenizer) -> None:
        super().__init__(backend)
        self.script: tuple[int, ...] = ()
        self._tokenizer = tokenizer

    def decoder(self, encoding: Encoding) -> Decoder:
        """Return the back end's decoder, steered."""
        return _ScriptedDecoder(super().decoder(encoding), self.script, self._tokenizer)


class _ScriptedDecoder:
    def __init__(self, decoder: Decoder, script: Sequence[int], tokenizer: Tokenizer) -> None:
        self._decoder = decoder
        self._script = script
        self._tokenizer = tokenizer
        self._text_start: int | None = None  # row of the first text token, after <|notimestamps|>

    @property
    def length(self) -> int:
        return self._decoder.length

    def forward(self, tokens: Sequence[int], rows: Sequence[Row]) -> DecoderOutput:
        start = self._decoder.length
        if self._tokenizer.no_timestamps in tokens:
            self._text_start = start + list(tokens).index(self._tokenizer.no_timestamps) + 1
        return self._decoder.forward(
            tokens, [replace(row, rules=self._steer(row.rules, start + row.index + 1)) for row in rows]
        )

    def step(self, tokens: Sequence[int], rules: Sequence[RowRules]) -> DecoderOutput:
        return self._decoder.step(tokens, [self._steer(each, self._decoder.length + 1) for each in rules])

    def truncate(self, length: int) -> None:
        self._decoder.truncate(length)

    def reorder(self, sources: Sequence[int]) -> None:
        self._decoder.reorder(sources)

    def _steer(self, rules: RowRules, row: int) -> RowRules:
        """Raise the token that the script has for a row of the cache."""
        if self._text_start is None or row < self._text_start:
            return rules
        k = row - self._text_start
        wanted = self._script[k] if k < len(self._script) else self._tokenizer.eot
        others = tuple(bonus for bonus in rules.bonuses if bonus[0] != wanted)
        return replace(rules, bonuses=(*others, (wanted, RAISED)))
