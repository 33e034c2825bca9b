"""What decoding needs of the logits of a row: the best allowed ids, sums, a draw, and the probability of no speech.

An id is allowed when its bit in the row's suppress bitmap is 0 and its kind is: text below end-of-text, end-of-text
itself, a timestamp inside [time_from, time_to); other special tokens only need the bitmap. Bonuses are added first.
Ids below the first timestamp are ranked apart from timestamps, since Whisper's rules weigh the two kinds against each
other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.dtypes import Float32
from amanuensis.kernels.records import MAX_BONUSES, TOP_K, empty_scores
from amanuensis.kernels.reference.noise import gumbel


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Where the kinds of tokens lie.

    Attributes:
        size: number of logits that count.
        timestamp_begin: first timestamp, `size` when there are none.
        eot: end-of-text.
        no_speech: id of <|nospeech|>, or -1.

    """

    size: int
    timestamp_begin: int
    eot: int
    no_speech: int


def select(
    logits: Float32, masks: NDArray[np.uint8], rules: NDArray[np.void], vocabulary: Vocabulary
) -> NDArray[np.void]:
    """Return the scores of each row.

    Args:
        logits: float32 [rows, size or more], raw.
        masks: uint8 [n_masks, ceil(size / 8)], bit i % 8 of byte i // 8 set where id i is suppressed.
        rules: RULES [rows].
        vocabulary: the kinds of tokens.

    Returns:
        SCORES [rows].

    Raises:
        ValueError: a rule names a bitmap or an id that does not exist, or too many bonuses.

    """
    scores = empty_scores(len(rules))
    for row in range(len(rules)):
        _check_rules(rules[row], len(masks), vocabulary)
        _select_row(scores[row : row + 1], logits[row, : vocabulary.size], masks, rules[row], vocabulary)
    return scores


def _check_rules(rules: np.void, n_masks: int, vocabulary: Vocabulary) -> None:
    if not 0 <= rules["mask"] < n_masks:
        raise ValueError(f"the rules name suppress bitmap {rules['mask']}; there are 0 to {n_masks - 1}")
    if not 0 <= rules["n_bonuses"] <= MAX_BONUSES:
        raise ValueError(f"the rules have {rules['n_bonuses']} bonuses; allowed are 0 to {MAX_BONUSES}")
    if not -1 <= rules["wanted"] < vocabulary.size:
        raise ValueError(f"the rules want the logit of id {rules['wanted']}; allowed are -1 to {vocabulary.size - 1}")
    ids = rules["bonus_ids"][: rules["n_bonuses"]]
    if ids.size and not (ids.min() >= 0 and ids.max() < vocabulary.size):
        raise ValueError(f"a bonus is for id {ids.max()} or {ids.min()}; allowed are 0 to {vocabulary.size - 1}")


def _select_row(
    scores: NDArray[np.void], raw: Float32, masks: NDArray[np.uint8], rules: np.void, vocabulary: Vocabulary
) -> None:
    allowed = allowed_logits(raw, masks[rules["mask"]], rules, vocabulary)
    scores["tag"] = rules["tag"]
    begin = vocabulary.timestamp_begin
    for half, first, logits in (("text", 0, allowed[:begin]), ("time", begin, allowed[begin:])):
        if not logits.max(initial=-np.inf) > -np.inf:  # nothing is allowed, or the best is no number
            continue
        ids, best = top(logits)
        scores[f"{half}_ids"][0, : len(ids)] = ids + first
        scores[f"{half}_logits"][0, : len(ids)] = best
        scores[f"{half}_lse"] = log_sum_exp(logits)
        if rules["temperature"] > 0:
            place, score = draw(logits, first, rules)
            scores[f"drawn_{half}_id"] = place + first
            scores[f"drawn_{half}_logit"] = logits[place]
            scores[f"drawn_{half}_score"] = score
    if rules["wanted"] >= 0:
        scores["wanted_logit"] = allowed[rules["wanted"]]
    scores["no_speech_prob"] = 0
    if vocabulary.no_speech >= 0:
        scores["no_speech_prob"] = np.exp(raw[vocabulary.no_speech] - log_sum_exp(raw))


def allowed_logits(raw: Float32, mask: NDArray[np.uint8], rules: np.void, vocabulary: Vocabulary) -> Float32:
    """Return the logits with bonuses, -inf where an id is not allowed: float32 [size]."""
    allowed = raw.copy()
    n_bonuses = int(rules["n_bonuses"])
    np.add.at(allowed, rules["bonus_ids"][:n_bonuses], rules["bonus_logits"][:n_bonuses])
    never = np.float32(-np.inf)
    allowed[np.unpackbits(mask, bitorder="little", count=vocabulary.size).view(np.bool_)] = never
    if not rules["text"]:
        allowed[: vocabulary.eot] = never
    if not rules["eot"]:
        allowed[vocabulary.eot] = never
    begin = vocabulary.timestamp_begin
    allowed[begin : max(begin, int(rules["time_from"]))] = never
    allowed[max(begin, int(rules["time_to"])) :] = never
    return allowed


def top(logits: Float32) -> tuple[NDArray[np.int64], Float32]:
    """Return the ids and logits of at most TOP_K allowed ids, best first, ties to the lower id."""
    if logits.size > TOP_K:
        threshold = np.partition(logits, -TOP_K)[-TOP_K]
        ids = np.flatnonzero(logits >= threshold)
    else:
        ids = np.arange(logits.size)
    ids = ids[logits[ids] > -np.inf]
    order = np.argsort(-logits[ids], kind="stable")[:TOP_K]
    return ids[order], logits[ids[order]]


def log_sum_exp(logits: Float32) -> np.float32:
    """Return log(sum(exp(logits))) in float32; -inf when nothing is allowed."""
    highest = logits.max(initial=-np.inf)
    if highest == -np.inf:
        return np.float32(highest)
    return np.float32(highest + np.log(np.exp(logits - highest).sum(dtype=np.float32)))


def draw(logits: Float32, first: int, rules: np.void) -> tuple[int, np.float32]:
    """Return place and score of the best of logits / temperature + noise, ties to the lower id.

    Args:
        logits: float32 [n], -inf where not allowed, of the ids from `first` on.
        first: id of the first logit.
        rules: one record of RULES with a temperature above 0.

    """
    ids = np.arange(first, first + len(logits))
    scores = logits / rules["temperature"] + gumbel(int(rules["seed"]), int(rules["position"]), ids)
    place = int(scores.argmax())
    return place, scores[place]
