"""Whisper's decoding rules: which tokens may follow the sampled ones.

Source: openai/whisper `whisper/decoding.py` (SuppressBlank, SuppressTokens, ApplyTimestampRules) with the lists of the
model's generation config. Beyond it, tokens that are neither text nor <|endoftext|> (nor timestamps, where those are
wanted) are always suppressed: a caption has no use for them. Whisper's last rule, that a timestamp must come when all
timestamps together are likelier than any text token, needs the logits: `amanuensis.npu.row_choice`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from amanuensis.kernels.records import NO_ID
from amanuensis.npu.hotwords import HotwordTrie
from amanuensis.npu.model_config import Generation
from amanuensis.npu.row_rules import (
    LANGUAGES,
    N_MASKS,
    TEXT,
    TEXT_BEGIN,
    TIMED,
    TIMED_BEGIN,
    RowRules,
    Selection,
)
from amanuensis.npu.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Ask:
    """What a way of decoding wants to know of a row: its best ids, or one drawn at a temperature above 0."""

    candidates: int = 1
    temperature: float = 0.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one window.

    Attributes:
        eot: <|endoftext|>.
        timestamp_begin: the first timestamp id.
        timestamp_end: one more than the last.
        timestamps: timestamps are sampled under their rules; else never.
        max_initial_timestamp: highest id of a first timestamp.
        hotwords: bonus on tokens that continue a hotword; None: off.
        forced: text tokens before the first sampled one: then it is not the first of the window.

    """

    eot: int
    timestamp_begin: int
    timestamp_end: int
    timestamps: bool
    max_initial_timestamp: int
    hotwords: HotwordTrie | None = None
    forced: tuple[int, ...] = field(default=())

    def row(self, sampled: Sequence[int], ask: Ask, wanted: int = NO_ID) -> RowRules:
        """Return the rules of the token after `forced` and `sampled`, and what is asked about it."""
        first = not sampled and not self.forced
        text, eot, time_from, time_to = self._kinds(sampled, first)
        bonuses = {} if self.hotwords is None else self.hotwords.bonuses((*self.forced, *sampled))
        return RowRules(
            mask=((TEXT, TEXT_BEGIN), (TIMED, TIMED_BEGIN))[self.timestamps][first],
            text=text,
            eot=eot,
            time_from=time_from,
            time_to=time_to,
            bonuses=tuple(bonuses.items()),
            candidates=ask.candidates,
            wanted=wanted,
            temperature=ask.temperature,
            seed=ask.seed,
            position=len(sampled),
        )

    def _kinds(self, sampled: Sequence[int], first: bool) -> tuple[bool, bool, int, int]:
        """Return whether text and <|endoftext|> may come, and which timestamps: first id, end."""
        if not self.timestamps:
            return True, True, 0, 0
        begin, end = self.timestamp_begin, self.timestamp_end
        last_is_timestamp = len(sampled) >= 1 and sampled[-1] >= begin
        pair_is_whole = len(sampled) < 2 or sampled[-2] >= begin
        if last_is_timestamp and pair_is_whole:
            return True, True, 0, 0  # timestamps come in pairs: text follows
        closes = last_is_timestamp  # the first of a pair stands: the second, or the end
        earlier = next((token for token in reversed(sampled) if token >= begin), None)
        if earlier is not None:  # time does not run backwards, and a segment has a length
            begin = earlier if closes else earlier + 1
        if first:
            return False, False, begin, min(end, self.max_initial_timestamp + 1)
        return not closes, True, begin, end


def make_rules(generation: Generation, tokenizer: Tokenizer, vocabulary: int, *, timestamps: bool) -> Rules:
    """Return the rules of a model for text with or without timestamps; `vocabulary` is the number of logits."""
    return Rules(
        eot=tokenizer.eot,
        timestamp_begin=tokenizer.timestamp_begin,
        timestamp_end=min(tokenizer.vocab_size, vocabulary),
        timestamps=timestamps,
        max_initial_timestamp=tokenizer.timestamp_begin + generation.max_initial_timestamp_index,
    )


def make_selection(generation: Generation, tokenizer: Tokenizer, vocabulary: int) -> Selection:
    """Return the masks of a model's tokens; `vocabulary` is the number of logits."""
    text = ~np.fromiter(map(tokenizer.is_text, range(vocabulary)), np.bool_, vocabulary)
    text[list(generation.suppress)] = True
    text[tokenizer.eot] = False
    masks = np.zeros((N_MASKS, vocabulary), np.bool_)
    masks[TEXT] = masks[TEXT_BEGIN] = masks[TIMED] = masks[TIMED_BEGIN] = text
    for mask in (TIMED, TIMED_BEGIN):
        masks[mask, tokenizer.timestamp_begin : tokenizer.vocab_size] = False
    for mask in (TEXT_BEGIN, TIMED_BEGIN):
        masks[mask, list(generation.begin_suppress)] = True
    masks[LANGUAGES] = True
    masks[LANGUAGES, list(tokenizer.language_tokens.values())] = False
    return Selection(masks, tokenizer.eot, tokenizer.timestamp_begin, tokenizer.no_speech)
