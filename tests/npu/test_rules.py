"""Whisper's decoding rules on logits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from amanuensis.benchmarks.random_model import RandomModel, make_random_model
from amanuensis.npu.hotwords import HotwordTrie
from amanuensis.npu.model_config import Generation
from amanuensis.npu.rules import Rules, log_sum_exp, make_rules, with_timestamps
from amanuensis.npu.tokenizer import Tokenizer

EOT, NO_TIMESTAMPS, BEGIN, SIZE = 10, 12, 13, 40  # text 0..9, two specials, timestamps 13..39
RULES = Rules(
    suppressed=np.array([3, 11]),
    begin_suppressed=np.array([0, EOT]),
    eot=EOT,
    no_timestamps=NO_TIMESTAMPS,
    timestamp_begin=BEGIN,
    timestamps=False,
    max_initial_timestamp=BEGIN + 5,
)
TIMED = replace(RULES, timestamps=True)


def allowed(rules: Rules, sampled: list[int], **logits: float) -> list[int]:
    """Return the ids that may follow; all logits are 0 but those given as `t5=...`."""
    values = np.zeros(SIZE, np.float32)
    for name, value in logits.items():
        values[int(name[1:])] = value
    return np.flatnonzero(rules.apply(values, sampled) > -np.inf).tolist()


def test_suppressed_tokens_never_come() -> None:
    """Suppressed tokens are out everywhere, those of the beginning at the first place only."""
    assert not {3, 11, 0, EOT} & set(allowed(RULES, []))
    assert {0, EOT} <= set(allowed(RULES, [1]))
    assert not {3, 11} & set(allowed(RULES, [1]))


def test_forced_tokens_are_a_beginning() -> None:
    """After forced tokens the window may end at once."""
    assert EOT in allowed(replace(RULES, forced=(1,)), [])


def test_logits_are_not_changed_in_place() -> None:
    """The caller's logits stay as they were."""
    logits = np.zeros(SIZE, np.float32)
    RULES.apply(logits, [])
    assert not logits.any()


def test_first_timestamp_is_early() -> None:
    """A window with timestamps begins with one, within the first second."""
    assert allowed(TIMED, []) == [BEGIN + k for k in range(6)]


def test_text_follows_a_first_timestamp() -> None:
    """After the opening timestamp comes text, or the end."""
    assert max(allowed(TIMED, [BEGIN], t5=9)) <= EOT


def test_closing_timestamp_is_followed_by_a_timestamp_or_the_end() -> None:
    """After text and one timestamp comes the opening one of the next segment, not earlier, or the end."""
    ids = allowed(TIMED, [BEGIN, 5, BEGIN + 4], t10=9)
    assert min(ids) == EOT
    assert [token for token in ids if token >= BEGIN] == list(range(BEGIN + 4, SIZE))


def test_time_does_not_run_backwards() -> None:
    """Timestamps at or before the last one are out once a segment is open."""
    ids = allowed(TIMED, [BEGIN, 5, BEGIN + 4, BEGIN + 4, 6], t5=9)
    assert [token for token in ids if token >= BEGIN] == list(range(BEGIN + 5, SIZE))


def test_likely_timestamps_exclude_text() -> None:
    """When all timestamps together are likelier than any text token, one of them must come."""
    assert min(allowed(TIMED, [BEGIN, 5])) == BEGIN + 1
    assert 5 in allowed(TIMED, [BEGIN, 5], t5=9)


def test_hotwords_raise_the_tokens_that_continue_them() -> None:
    """A bonus goes to the beginning of a hotword, and to its next token once it has begun."""
    rules = replace(RULES, hotwords=HotwordTrie([(5, 6), (5, 7, 8)], 2.0))
    logits = np.zeros(SIZE, np.float32)
    assert np.flatnonzero(rules.apply(logits, [1]) == 2).tolist() == [5]
    assert np.flatnonzero(rules.apply(logits, [1, 5]) == 2).tolist() == [5, 6, 7]
    assert np.flatnonzero(replace(rules, forced=(5,)).apply(logits, [7]) == 2).tolist() == [5, 8]


def test_suppressed_hotwords_stay_out() -> None:
    """No bonus brings a suppressed token back."""
    assert 3 not in allowed(replace(RULES, hotwords=HotwordTrie([(3,)], 99.0)), [1])


@pytest.mark.parametrize("timestamps", [False, True])
def test_rules_of_a_model_leave_text_and_end(tmp_path: Path, timestamps: bool) -> None:
    """Only text, the end, and timestamps where wanted are possible; also ids beyond the tokeniser are out."""
    tokenizer = Tokenizer(make_random_model(tmp_path, RandomModel()))
    generation = Generation((5,), (6,), ((0, 0),), False, ("en",), 50)
    size = tokenizer.vocab_size + 3
    rules = make_rules(generation, tokenizer, size)
    if timestamps:
        rules = with_timestamps(rules, tokenizer)
    expected = {token for token in range(size) if tokenizer.is_text(token)} | {tokenizer.eot}
    if timestamps:
        expected |= set(range(tokenizer.timestamp_begin, tokenizer.vocab_size))
    assert set(range(size)) - set(rules.suppressed.tolist()) == expected - {5}


def test_log_sum_exp_of_nothing_allowed() -> None:
    """Where every logit is -inf the sum is empty, and no NaN comes of it."""
    assert log_sum_exp(np.full(4, -np.inf, np.float32)) == -np.inf
    assert log_sum_exp(np.zeros(4, np.float32)) == pytest.approx(np.log(4))
