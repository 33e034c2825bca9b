"""The records of the operator `select`: sizes, places of the fields, empty records."""

from __future__ import annotations

import numpy as np
import pytest

from amanuensis.kernels.operands import ALIGNMENT_BYTES
from amanuensis.kernels.records import (
    MAX_BONUSES,
    NO_ID,
    RULES,
    SCORES,
    TOP_K,
    empty_rules,
    empty_scores,
)


@pytest.mark.parametrize(("record", "size_bytes"), [(RULES, 64 + 8 * MAX_BONUSES), (SCORES, 448)])
def test_records_are_whole_cache_lines(record: np.dtype[np.void], size_bytes: int) -> None:
    """A record is a multiple of 64 bytes without hidden padding between its fields."""
    assert record.itemsize == size_bytes
    assert record.itemsize % ALIGNMENT_BYTES == 0
    assert sum(record[name].itemsize for name in record.names or ()) == record.itemsize


def test_fields_lie_where_the_device_reads_them() -> None:
    """The first fields of a rules record are 32-bit words in the order of the contract."""
    rules = empty_rules(2)
    rules["mask"], rules["time_from"], rules["temperature"] = 3, 70, 0.5
    words = rules.view(np.int32).reshape(2, -1)
    assert words[1, :6].tolist() == [3, 1, 1, 70, 0, NO_ID]
    assert rules.view(np.float32).reshape(2, -1)[1, 6] == 0.5


def test_empty_scores_hold_no_id() -> None:
    """Empty scores have no ids, logits of minus infinity, and no probability of no speech."""
    scores = empty_scores(3)
    assert scores["text_ids"].shape == (3, TOP_K)
    assert (scores["time_ids"] == NO_ID).all()
    assert np.isneginf(scores["text_logits"]).all()
    assert np.isneginf(scores["time_lse"]).all()
    assert (scores["drawn_time_id"] == NO_ID).all()
    assert (scores["no_speech_prob"] == 0).all()
