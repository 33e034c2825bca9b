"""Whisper's decoding rules on all logits of a row, written down plainly: what every answer from scores must equal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from amanuensis.npu.row_rules import N_MASKS, TEXT, TEXT_BEGIN, TIMED, TIMED_BEGIN, Selection
from amanuensis.npu.rules import Rules

Float32 = NDArray[np.float32]
NEVER = np.float32(-np.inf)


def make_selection(
    size: int, eot: int, timestamp_begin: int, suppressed: Sequence[int], begin_suppressed: Sequence[int]
) -> Selection:
    """Return the masks of a made-up vocabulary, without those of languages; all special tokens are suppressed."""
    masks = np.zeros((N_MASKS, size), np.bool_)
    for mask in (TEXT, TEXT_BEGIN, TIMED, TIMED_BEGIN):
        masks[mask, list(suppressed)] = True
        masks[mask, eot + 1 : timestamp_begin] = True
    for mask in (TEXT, TEXT_BEGIN):
        masks[mask, timestamp_begin:] = True
    for mask in (TEXT_BEGIN, TIMED_BEGIN):
        masks[mask, list(begin_suppressed)] = True
    return Selection(masks, eot, timestamp_begin, no_speech=eot + 1)


def allowed_logits(rules: Rules, selection: Selection, logits: Float32, sampled: Sequence[int]) -> Float32:
    """Return logits [vocabulary] for the token after the forced and the sampled ones; -inf where it may not come."""
    allowed = logits.copy()
    if rules.hotwords is not None:
        for token, bonus in rules.hotwords.bonuses((*rules.forced, *sampled)).items():
            allowed[token] += bonus
    first = not sampled and not rules.forced
    allowed[selection.masks[TIMED if rules.timestamps else TEXT]] = NEVER
    if first:
        allowed[selection.masks[TIMED_BEGIN if rules.timestamps else TEXT_BEGIN]] = NEVER
    if rules.timestamps:
        _apply_timestamps(rules, allowed, sampled, first)
    return allowed


def _apply_timestamps(rules: Rules, logits: Float32, sampled: Sequence[int], first: bool) -> None:
    begin = rules.timestamp_begin
    last_is_timestamp = len(sampled) >= 1 and sampled[-1] >= begin
    pair_is_whole = len(sampled) < 2 or sampled[-2] >= begin
    if last_is_timestamp and pair_is_whole:
        logits[begin:] = NEVER  # timestamps come in pairs: text follows
    elif last_is_timestamp:
        logits[: rules.eot] = NEVER  # the second of a pair, or the end
    earlier = [token for token in sampled if token >= begin]
    if earlier:  # time does not run backwards, and a segment has a length
        closes = last_is_timestamp and not pair_is_whole
        logits[begin : earlier[-1] if closes else earlier[-1] + 1] = NEVER
    if first:
        logits[:begin] = NEVER
        logits[rules.max_initial_timestamp + 1 :] = NEVER
    if log_sum_exp(logits[begin:]) > logits[:begin].max():
        logits[:begin] = NEVER  # a timestamp is likelier than any text token


def log_sum_exp(logits: NDArray[np.floating]) -> float:
    """Return log(sum(exp(logits))); -inf when nothing is allowed."""
    highest = float(logits.max(initial=-np.inf))
    if highest == -np.inf:
        return highest
    return highest + float(np.log(np.exp(logits - logits.dtype.type(highest)).sum(dtype=np.float64)))
