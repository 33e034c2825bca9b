"""Whisper's decoding rules on logits: suppressed tokens, the first token, timestamps, and the hotword bonus.

Source: openai/whisper `whisper/decoding.py` (SuppressBlank, SuppressTokens, ApplyTimestampRules) with the lists of the
model's generation config. Beyond it, tokens that are neither text nor <|endoftext|> (nor timestamps, where those are
wanted) are always suppressed: a caption has no use for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from amanuensis.npu.hotwords import HotwordTrie
from amanuensis.npu.model_config import Generation
from amanuensis.npu.tokenizer import Tokenizer

Float32 = NDArray[np.float32]
NEVER = np.float32(-np.inf)


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one window.

    Attributes:
        suppressed: ids that are never sampled.
        begin_suppressed: ids that are not sampled as the first token of a window.
        eot, no_timestamps, timestamp_begin: of the tokeniser.
        timestamps: apply the timestamp rules.
        max_initial_timestamp: highest id of a first timestamp.
        hotwords: bonus on tokens that continue a hotword; None: off.
        forced: text tokens before the first sampled one: then it is not the first of the window.

    """

    suppressed: NDArray[np.int64]
    begin_suppressed: NDArray[np.int64]
    eot: int
    no_timestamps: int
    timestamp_begin: int
    timestamps: bool
    max_initial_timestamp: int
    hotwords: HotwordTrie | None = None
    forced: tuple[int, ...] = field(default=())

    def apply(self, logits: Float32, sampled: Sequence[int]) -> Float32:
        """Return logits [vocabulary] for the token after `forced` and `sampled`, as a changed copy."""
        allowed = logits.copy()
        if self.hotwords is not None:
            for token, bonus in self.hotwords.bonuses((*self.forced, *sampled)).items():
                allowed[token] += bonus
        allowed[self.suppressed] = NEVER
        first = not sampled and not self.forced
        if first:
            allowed[self.begin_suppressed] = NEVER
        if self.timestamps:
            self._apply_timestamps(allowed, sampled, first)
        return allowed

    def _apply_timestamps(self, logits: Float32, sampled: Sequence[int], first: bool) -> None:
        begin = self.timestamp_begin
        logits[self.no_timestamps] = NEVER
        last_is_timestamp = len(sampled) >= 1 and sampled[-1] >= begin
        pair_is_whole = len(sampled) < 2 or sampled[-2] >= begin
        if last_is_timestamp and pair_is_whole:
            logits[begin:] = NEVER  # timestamps come in pairs: text follows
        elif last_is_timestamp:
            logits[: self.eot] = NEVER  # the second of a pair, or the end
        earlier = [token for token in sampled if token >= begin]
        if earlier:  # time does not run backwards, and a segment has a length
            closes = last_is_timestamp and not pair_is_whole
            logits[begin : earlier[-1] if closes else earlier[-1] + 1] = NEVER
        if first:
            logits[:begin] = NEVER
            logits[self.max_initial_timestamp + 1 :] = NEVER
        if log_sum_exp(logits[begin:]) > logits[:begin].max():
            logits[:begin] = NEVER  # a timestamp is likelier than any text token


def make_rules(generation: Generation, tokenizer: Tokenizer, vocabulary: int) -> Rules:
    """Return the rules of a model for text without timestamps; `vocabulary` is the number of logits."""
    wanted = {token for token in range(vocabulary) if tokenizer.is_text(token)} | {tokenizer.eot}
    suppressed = (set(range(vocabulary)) - wanted) | set(generation.suppress)
    return Rules(
        suppressed=np.array(sorted(suppressed - {tokenizer.eot}), np.int64),
        begin_suppressed=np.array(generation.begin_suppress, np.int64),
        eot=tokenizer.eot,
        no_timestamps=tokenizer.no_timestamps,
        timestamp_begin=tokenizer.timestamp_begin,
        timestamps=False,
        max_initial_timestamp=tokenizer.timestamp_begin + generation.max_initial_timestamp_index,
    )


def with_timestamps(rules: Rules, tokenizer: Tokenizer) -> Rules:
    """Return the rules under which a model may also write timestamps."""
    ids = rules.suppressed
    is_timestamp = (ids >= tokenizer.timestamp_begin) & (ids < tokenizer.vocab_size)
    return replace(rules, suppressed=ids[~is_timestamp], timestamps=True)


def log_sum_exp(logits: Float32) -> float:
    """Return log(sum(exp(logits))); -inf when nothing is allowed."""
    highest = float(logits.max(initial=-np.inf))
    if highest == -np.inf:
        return highest
    return highest + float(np.log(np.exp(logits - np.float32(highest)).sum(dtype=np.float64)))
