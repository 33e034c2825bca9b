"""How close the scores of a row must be to the reference's, and rules and bitmaps to make them from."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pytest
from numpy.typing import NDArray

from amanuensis.kernels.records import empty_rules
from amanuensis.kernels.reference.select import Vocabulary

EXACT: Final = ("text_ids", "text_logits", "time_ids", "time_logits", "wanted_logit", "tag")
SUM_ERROR: Final = 1e-5  # of a log of a sum; the log of 50 thousand lane sums in float32 is good to 2e-6
DRAW_ERROR: Final = 2e-6  # of a score, relative to 1 + its size: the logarithms and 1 / temperature, in last bits
N_MASKS: Final = 3


def agree(found: np.void, expected: np.void, exact_draws: bool = True) -> None:
    """Assert that ids, logits and the tag are the reference's, and sums and draws within their bounds."""
    for name in EXACT:
        assert np.array_equal(found[name], expected[name]), name
    for half in ("text", "time"):
        lse, score = f"{half}_lse", f"drawn_{half}_score"
        assert found[lse] == pytest.approx(expected[lse], abs=SUM_ERROR)
        assert found[score] == pytest.approx(expected[score], rel=DRAW_ERROR, abs=DRAW_ERROR)
        if exact_draws:
            assert found[f"drawn_{half}_id"] == expected[f"drawn_{half}_id"]
            assert found[f"drawn_{half}_logit"] == expected[f"drawn_{half}_logit"]
    assert found["no_speech_prob"] == pytest.approx(expected["no_speech_prob"], rel=1e-4, abs=1e-30)
    assert not found["reserved"].any()


def make_rules(fields: dict[str, Any], bonuses: dict[int, float] | None = None) -> np.ndarray:
    """Return one record of rules."""
    rules = empty_rules(1)
    for name, value in fields.items():
        rules[name] = value
    rules["n_bonuses"] = len(bonuses or {})
    for place, (token, bonus) in enumerate((bonuses or {}).items()):
        rules["bonus_ids"][0, place], rules["bonus_logits"][0, place] = token, bonus
    return rules


def bitmaps_of(words: Vocabulary, seed: int = 0) -> NDArray[np.uint8]:
    """Return bitmaps that suppress nothing, a third at random, and everything."""
    masks = np.random.default_rng(seed).random((N_MASKS, words.size)) < np.array([[0], [1 / 3], [1]])
    bits: NDArray[np.uint8] = np.packbits(masks, axis=1, bitorder="little")
    return bits
