"""Rules and scores as the records that cross the bus."""

from __future__ import annotations

import numpy as np
import pytest

from amanuensis.kernels.records import MAX_BONUSES, NO_ID, RULES, empty_scores
from amanuensis.npu.devices.xrt.errors import WrongAnswerError
from amanuensis.npu.devices.xrt.records import fill_rules, read_scores
from amanuensis.npu.row_rules import KindScores, RowRules


def test_every_rule_is_written() -> None:
    """What the rules say stands in the record, and nothing is left of the rules before."""
    record = np.zeros(1, RULES)[0]
    fill_rules(record, RowRules(bonuses=((1, 1.0), (2, 2.0), (3, 3.0))), 1)
    rules = RowRules(2, False, True, 40, 50, ((7, 0.5),), 3, 9, 0.75, 2**32 - 1, 12, True)
    fill_rules(record, rules, 77)
    for name in ("mask", "text", "eot", "time_from", "time_to", "wanted", "temperature", "seed", "position"):
        assert record[name] == getattr(rules, name)
    assert (record["n_bonuses"], record["tag"]) == (1, 77)
    assert (record["bonus_ids"][0], record["bonus_logits"][0]) == (7, 0.5)


def test_too_many_bonuses_are_refused() -> None:
    """More than a record holds is an error, not a silent loss."""
    bonuses = tuple((token, 1.0) for token in range(MAX_BONUSES + 1))
    with pytest.raises(ValueError, match="257 bonuses for one row; at most 256"):
        fill_rules(np.zeros(1, RULES)[0], RowRules(bonuses=bonuses), 1)


def test_scores_are_cut_to_what_was_asked() -> None:
    """Only as many ids as wanted come back, and none where nothing was allowed."""
    record = empty_scores(1)[0]
    record["text_ids"][:3], record["text_logits"][:3], record["text_lse"] = (5, 9, 2), (3.0, 2.0, 2.0), 3.6
    scores = read_scores(record, RowRules(candidates=2), 0)
    assert (scores.text.ids, scores.text.logits, scores.text.lse) == ((5, 9), (3.0, 2.0), pytest.approx(3.6))
    assert read_scores(record, RowRules(candidates=9), 0).text.ids == (5, 9, 2)
    assert scores.time == KindScores()
    assert scores.text.drawn_id == NO_ID


@pytest.mark.parametrize(
    ("logits", "lse"), [((0.0, 1.0), 2.0), ((1.0, 0.0), 0.5), ((float("nan"), 0.0), 1.0), ((0.0, 0.0), float("nan"))]
)
def test_answers_of_no_softmax_are_found_out(logits: tuple[float, float], lse: float) -> None:
    """Logits out of order, a sum below its largest part and NaN are a broken device."""
    record = empty_scores(1)[0]
    record["text_ids"][:2], record["text_logits"][:2], record["text_lse"] = (5, 9), logits, lse
    with pytest.raises(WrongAnswerError, match="no softmax gives that"):
        read_scores(record, RowRules(candidates=2), 0)


def test_scores_that_were_not_computed_are_found_out() -> None:
    """Zeros, or the scores of the dispatch before, carry another tag than the rules."""
    with pytest.raises(WrongAnswerError, match="carry the tag 0, its rules 5"):
        read_scores(empty_scores(1)[0], RowRules(), 5)
