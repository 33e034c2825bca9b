"""A decoded hypothesis, and the gates that send it down the temperature ladder."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

MAX_COMPRESSION_RATIO = 2.4  # these three: openai/whisper `transcribe()`
MIN_AVG_LOGPROB = -1.0
NO_SPEECH_PROB = 0.6
LOOP_PERIODS = range(1, 17)  # tokens; longer loops reach the compression gate first
LOOP_REPEATS = 4
LOOP_TOKENS = 16  # so many tokens must repeat: "no, no, no, no" is speech


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """Tokens sampled for a window.

    Attributes:
        tokens: after the forced ones, without <|endoftext|>.
        logprobs: of each token under the rules.
        sum_logprob: of all tokens and of <|endoftext|>, where it was sampled.
        complete: <|endoftext|> ended it.
        accepted: tokens of the draft that it begins with, as verified.

    """

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    sum_logprob: float
    complete: bool
    accepted: int = 0

    @property
    def avg_logprob(self) -> float:
        """Mean log-probability as openai/whisper computes it: <|endoftext|> counts as a token."""
        return self.sum_logprob / (len(self.tokens) + 1)


def compression_ratio(text: str) -> float:
    """Return how far zlib shrinks a text; above MAX_COMPRESSION_RATIO it repeats itself."""
    data = text.encode("utf-8")
    return len(data) / len(zlib.compress(data))


def needs_fallback(ratio: float, avg_logprob: float, no_speech_prob: float) -> bool:
    """Return whether openai/whisper would try the next temperature."""
    if no_speech_prob > NO_SPEECH_PROB and avg_logprob < MIN_AVG_LOGPROB:
        return False  # silence: another temperature makes no words of it
    return ratio > MAX_COMPRESSION_RATIO or avg_logprob < MIN_AVG_LOGPROB


def is_looping(tokens: Sequence[int]) -> bool:
    """Return whether the end of the tokens repeats one run of tokens LOOP_REPEATS times or more."""
    for period in LOOP_PERIODS:
        span = max(LOOP_REPEATS * period, LOOP_TOKENS)
        if len(tokens) >= span and tokens[-span:][period:] == tokens[-span:][:-period]:
            return True
    return False
