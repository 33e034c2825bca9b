"""Which token follows, from the scores of a row.

Source of the rule that weighs timestamps against text: openai/whisper `whisper/decoding.py` (ApplyTimestampRules).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from amanuensis.npu.engine.api import EngineError
from amanuensis.npu.row_rules import KindScores, RowScores


@dataclass(frozen=True, slots=True)
class Choice:
    """A token that may follow, with its log-probability among all that may."""

    token: int
    logprob: float


def best(scores: RowScores) -> Choice:
    """Return the likeliest token, the lower id of equals; EngineError when none may follow."""
    kind = _some(scores.time if only_timestamps(scores) else scores.text)  # text that is not ruled out holds the best
    return Choice(kind.ids[0], kind.logits[0] - log_sum(scores))


def ranked(scores: RowScores, count: int) -> list[Choice]:
    """Return up to `count` tokens, the likeliest first; so many candidates must have been asked for."""
    pairs = _pairs(scores.time)
    if not only_timestamps(scores):
        pairs = sorted(_pairs(scores.text) + pairs, key=lambda pair: pair[1], reverse=True)
    total = log_sum(scores)
    return [Choice(token, logit - total) for token, logit in pairs[:count]]


def drawn(scores: RowScores) -> Choice:
    """Return the token drawn at the temperature that was asked for, with its log-probability at temperature 1."""
    text, time = scores.text, scores.time
    kind = _some(time if only_timestamps(scores) or time.drawn_score > text.drawn_score else text)
    return Choice(kind.drawn_id, kind.drawn_logit - log_sum(scores))


def wanted_logprob(scores: RowScores) -> float:
    """Return the log-probability of the wanted token, one that may follow."""
    return scores.wanted_logit - log_sum(scores)


def only_timestamps(scores: RowScores) -> bool:
    """Return whether all timestamps together are likelier than any text token, so that one of them must come."""
    return scores.time.lse > (scores.text.logits[0] if scores.text.logits else -math.inf)


def log_sum(scores: RowScores) -> float:
    """Return the log of the sum of exp(logit) over all tokens that may follow."""
    if only_timestamps(scores):
        return scores.time.lse
    low, high = sorted((scores.time.lse, scores.text.lse))
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))


def _pairs(kind: KindScores) -> list[tuple[int, float]]:
    return list(zip(kind.ids, kind.logits, strict=True))


def _some(kind: KindScores) -> KindScores:
    if not kind.ids:
        raise EngineError("no token may follow: the model's suppress_tokens leave none, or its logits are not numbers")
    return kind
