"""Rules and scores of rows between decoding and the records that the device reads and writes."""

from __future__ import annotations

from typing import Literal

import numpy as np

from amanuensis.kernels.records import MAX_BONUSES, NO_ID, TOP_K
from amanuensis.npu.devices.xrt.errors import AGAIN, WrongAnswerError
from amanuensis.npu.row_rules import KindScores, RowRules, RowScores

ROUNDING = 1e-3  # nats: of a float32 sum over a vocabulary
PLAIN_FIELDS = ("mask", "text", "eot", "time_from", "time_to", "wanted", "temperature", "seed", "position")


def fill_rules(record: np.void, rules: RowRules, tag: int) -> None:
    """Write rules into a record of RULES, with a tag that the scores bring back; ValueError for too many bonuses."""
    count = len(rules.bonuses)
    if count > MAX_BONUSES:
        raise ValueError(f"{count} bonuses for one row; at most {MAX_BONUSES} are allowed")
    for name in PLAIN_FIELDS:
        record[name] = getattr(rules, name)
    record["n_bonuses"], record["tag"] = count, tag
    for place, (token, bonus) in enumerate(rules.bonuses):
        record["bonus_ids"][place], record["bonus_logits"][place] = token, bonus


def read_scores(record: np.void, rules: RowRules, tag: int) -> RowScores:
    """Return what a record of SCORES says; WrongAnswerError when it is not the answer to the rules with that tag."""
    if record["tag"] != tag:
        raise WrongAnswerError(f"the scores of a row carry the tag {record['tag']}, its rules {tag}; {AGAIN}")
    return RowScores(
        text=_kind(record, "text", rules.candidates),
        time=_kind(record, "time", rules.candidates),
        wanted_logit=float(record["wanted_logit"]),
        no_speech_prob=float(record["no_speech_prob"]),
    )


def _kind(record: np.void, kind: Literal["text", "time"], candidates: int) -> KindScores:
    ids, logits, lse = record[f"{kind}_ids"], record[f"{kind}_logits"], float(record[f"{kind}_lse"])
    count = min(candidates, TOP_K) if NO_ID not in ids else min(candidates, int((ids != NO_ID).sum()))
    best = logits[:count].tolist()
    if best and not (np.isfinite(best).all() and best == sorted(best, reverse=True) and lse >= best[0] - ROUNDING):
        raise WrongAnswerError(
            f"the device answered logits {best[:3]} whose log-sum-exp is {lse:g}: no softmax gives that"
        )
    return KindScores(
        ids=tuple(ids[:count].tolist()),
        logits=tuple(best),
        lse=lse,
        drawn_id=int(record[f"drawn_{kind}_id"]),
        drawn_logit=float(record[f"drawn_{kind}_logit"]),
        drawn_score=float(record[f"drawn_{kind}_score"]),
    )
