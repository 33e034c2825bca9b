"""Choice of tokens, against full sorts and sums in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanuensis.kernels.records import MAX_BONUSES, NO_ID, TOP_K, empty_rules
from amanuensis.kernels.reference.noise import gumbel
from amanuensis.kernels.reference.select import Vocabulary, select
from tests.kernels.figures import PATIENT

VOCABULARY = Vocabulary(size=300, timestamp_begin=220, eot=200, no_speech=210)
MASKS = np.zeros((3, 300), np.bool_)
MASKS[1, ::3] = True
MASKS[2, :] = True
BITMAPS = np.packbits(MASKS, axis=1, bitorder="little")

ROWS = st.fixed_dictionaries(
    {
        "mask": st.integers(0, 2),
        "text": st.booleans(),
        "eot": st.booleans(),
        "time_from": st.integers(0, 320),
        "time_to": st.integers(0, 320),
        "wanted": st.integers(-1, 299),
        "temperature": st.sampled_from([0.0, 0.4, 1.0]),
        "seed": st.integers(0, (1 << 32) - 1),
        "position": st.integers(0, 447),
    }
)
BONUSES = st.dictionaries(st.integers(0, 299), st.sampled_from([0.5, 3.0]), max_size=8)


def make_rules(fields: dict[str, Any], bonuses: dict[int, float]) -> np.ndarray:
    """Return one record of rules."""
    rules = empty_rules(1)
    for name, value in fields.items():
        rules[name] = value
    rules["n_bonuses"] = len(bonuses)
    rules["bonus_ids"][0, : len(bonuses)] = list(bonuses)
    rules["bonus_logits"][0, : len(bonuses)] = list(bonuses.values())
    return rules


def may_follow(token: int, fields: dict[str, Any]) -> bool:
    """Return whether the rules allow an id."""
    kind = True
    if token < VOCABULARY.eot:
        kind = fields["text"]
    elif token == VOCABULARY.eot:
        kind = fields["eot"]
    elif token >= VOCABULARY.timestamp_begin:
        kind = fields["time_from"] <= token < fields["time_to"]
    return bool(kind and not MASKS[fields["mask"], token])


@PATIENT
@given(ROWS, BONUSES, st.integers(0, 1 << 30), st.booleans())
def test_answers_are_those_of_full_logits(
    fields: dict[str, Any], bonuses: dict[int, float], seed: int, coarse: bool
) -> None:
    """Best ids with ties, sums, draws and the wanted logit follow from all logits under the rules."""
    raw = np.random.default_rng(seed).standard_normal((1, 320)).astype(np.float32)
    raw = np.round(raw) if coarse else raw
    logits = raw[0, :300].copy()
    for token, bonus in bonuses.items():
        logits[token] += np.float32(bonus)
    (answer,) = select(raw, BITMAPS, make_rules(fields, bonuses), VOCABULARY)
    noise = gumbel(fields["seed"], fields["position"], np.arange(300))
    for half, ids in (("text", range(220)), ("time", range(220, 300))):
        allowed = [token for token in ids if may_follow(token, fields)]
        ranked = sorted(allowed, key=lambda token: (-logits[token], token))[:TOP_K]
        assert answer[f"{half}_ids"].tolist() == ranked + [NO_ID] * (TOP_K - len(ranked))
        assert answer[f"{half}_logits"][: len(ranked)].tolist() == [logits[token] for token in ranked]
        total = np.log(np.sum(np.exp(logits[allowed].astype(np.float64)))) if allowed else -np.inf
        assert answer[f"{half}_lse"] == pytest.approx(total, abs=1e-5)
        if allowed and fields["temperature"]:
            scores = logits / np.float32(fields["temperature"]) + noise
            drawn = max(allowed, key=lambda token: (scores[token], -token))
            assert answer[f"drawn_{half}_id"] == drawn
            assert answer[f"drawn_{half}_score"] == scores[drawn]
            assert answer[f"drawn_{half}_logit"] == logits[drawn]
        else:
            assert answer[f"drawn_{half}_id"] == NO_ID
    wanted = fields["wanted"]
    expected = logits[wanted] if wanted >= 0 and may_follow(wanted, fields) else -np.inf
    assert answer["wanted_logit"] == expected
    powers = np.exp(raw[0, :300].astype(np.float64))
    assert answer["no_speech_prob"] == pytest.approx(powers[210] / powers.sum(), rel=1e-4)


def test_broken_logits_leave_nothing_allowed() -> None:
    """Where the best is no number, no id is offered."""
    (answer,) = select(np.full((1, 300), np.nan, np.float32), BITMAPS, make_rules({"temperature": 1}, {}), VOCABULARY)
    assert (answer["text_ids"] == NO_ID).all()
    assert answer["drawn_text_id"] == NO_ID


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("mask", 3, "suppress bitmap 3; there are 0 to 2"),
        ("wanted", 300, "logit of id 300; allowed are -1 to 299"),
        ("n_bonuses", MAX_BONUSES + 1, "257 bonuses; allowed are 0 to 256"),
        ("bonus_ids", 999, "a bonus is for id 999 .*; allowed are 0 to 299"),
    ],
)
def test_impossible_rules_are_refused(field: str, value: int, message: str) -> None:
    """Rules that name what does not exist are named."""
    rules = make_rules({}, {1: 1.0})
    rules[field] = value
    with pytest.raises(ValueError, match=message):
        select(np.zeros((1, 300), np.float32), BITMAPS, rules, VOCABULARY)
