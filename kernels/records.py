"""Byte layouts of the records that go to the operator `select` and come back: one rules and one scores record a row."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

TOP_K: Final = 24
MAX_BONUSES: Final = 256
NO_ID: Final = -1

RULES: Final = np.dtype(
    [
        ("mask", "<i4"),  # row of the resident suppress bitmaps
        ("text", "<i4"),  # 1: ids below end-of-text are allowed
        ("eot", "<i4"),  # 1: end-of-text is allowed
        ("time_from", "<i4"),  # allowed timestamp ids: [time_from, time_to)
        ("time_to", "<i4"),
        ("wanted", "<i4"),  # an id whose allowed logit is asked for, or NO_ID
        ("temperature", "<f4"),  # 0: nothing is drawn
        ("seed", "<u4"),
        ("position", "<i4"),  # of the row in the text, for the noise
        ("n_bonuses", "<i4"),
        ("tag", "<i4"),  # any number but 0; comes back in the scores, to show that they were computed from these rules
        ("reserved", "<i4", (5,)),
        ("bonus_ids", "<i4", (MAX_BONUSES,)),
        ("bonus_logits", "<f4", (MAX_BONUSES,)),  # added to the logits of bonus_ids before anything is ranked
    ]
)

SCORES: Final = np.dtype(
    [
        (
            "text_ids",
            "<i4",
            (TOP_K,),
        ),  # allowed ids below the first timestamp, best first, ties to the lower id; then NO_ID
        ("text_logits", "<f4", (TOP_K,)),  # with bonuses; -inf where text_ids is NO_ID
        ("time_ids", "<i4", (TOP_K,)),  # allowed timestamps likewise
        ("time_logits", "<f4", (TOP_K,)),
        ("text_lse", "<f4"),  # log of the sum of exp over all allowed text, -inf when none is allowed
        ("time_lse", "<f4"),
        ("wanted_logit", "<f4"),  # -inf when not allowed or not asked for
        ("drawn_text_id", "<i4"),  # the best of logit / temperature + noise; NO_ID when nothing is drawn
        ("drawn_text_logit", "<f4"),  # its logit with bonuses, without noise
        ("drawn_text_score", "<f4"),  # logit / temperature + noise: the better of the two halves is the draw of both
        ("drawn_time_id", "<i4"),
        ("drawn_time_logit", "<f4"),
        ("drawn_time_score", "<f4"),
        ("no_speech_prob", "<f4"),  # softmax over all raw logits; 0 for a vocabulary without that token
        ("tag", "<i4"),  # that of the rules
        ("reserved", "<i4", (5,)),
    ]
)


def empty_rules(n_rows: int) -> NDArray[np.void]:
    """Return rules that allow text and end-of-text, no timestamps, and draw nothing: RULES [n_rows]."""
    rules = np.zeros(n_rows, RULES)
    rules["text"] = rules["eot"] = 1
    rules["wanted"] = NO_ID
    rules["bonus_ids"] = NO_ID
    return rules


def empty_scores(n_rows: int) -> NDArray[np.void]:
    """Return the scores of rows where nothing is allowed: SCORES [n_rows]."""
    scores = np.zeros(n_rows, SCORES)
    for half in ("text", "time"):
        scores[f"{half}_ids"] = scores[f"drawn_{half}_id"] = NO_ID
        for name in (f"{half}_logits", f"{half}_lse", f"drawn_{half}_logit", f"drawn_{half}_score"):
            scores[name] = -np.inf
    scores["wanted_logit"] = -np.inf
    return scores
