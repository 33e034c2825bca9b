"""Whisper's decoding rules on logits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from amanuensis.benchmarks.random_model import RandomModel, make_random_model
from amanuensis.npu.devices.cpu_scores import RowScorer
from amanuensis.npu.hotwords import HotwordTrie
from amanuensis.npu.model_config import Generation
from amanuensis.npu.row_choice import only_timestamps
from amanuensis.npu.row_rules import ANYTHING, LANGUAGES, TEXT, TEXT_BEGIN, TIMED, TIMED_BEGIN
from amanuensis.npu.rules import Ask, Rules, make_rules, make_selection
from amanuensis.npu.tokenizer import Tokenizer
from tests.helpers import full_logits

EOT, BEGIN, SIZE = 10, 13, 40  # text 0..9, the end, two specials, timestamps 13..39
RULES = Rules(EOT, BEGIN, SIZE, timestamps=False, max_initial_timestamp=BEGIN + 5)
TIMED_RULES = replace(RULES, timestamps=True)
SCORER = RowScorer(full_logits.make_selection(SIZE, EOT, BEGIN, suppressed=[3], begin_suppressed=[0, EOT]))


def allowed(rules: Rules, sampled: list[int], **logits: float) -> list[int]:
    """Return the ids that may follow; all logits are 0 but those given as `t5=...`."""
    return list(allowed_logits(rules, sampled, **logits))


def allowed_logits(rules: Rules, sampled: list[int], **logits: float) -> dict[int, float]:
    """Return the ids that may follow with their logits under the rules, one after the other asked for as wanted."""
    values = np.zeros(SIZE, np.float32)
    for name, value in logits.items():
        values[int(name[1:])] = value
    wanted: dict[int, float] = {}
    for token in range(SIZE):
        scores = SCORER.score(values, rules.row(sampled, Ask(), token))
        if scores.wanted_logit > -np.inf and (token >= BEGIN or not only_timestamps(scores)):
            wanted[token] = scores.wanted_logit
    return wanted


def test_suppressed_tokens_never_come() -> None:
    """Suppressed tokens are out everywhere, those of the beginning at the first place only."""
    assert not {3, 11, 0, EOT} & set(allowed(RULES, []))
    assert {0, EOT} <= set(allowed(RULES, [1]))
    assert not {3, 11} & set(allowed(RULES, [1]))


def test_forced_tokens_are_a_beginning() -> None:
    """After forced tokens the window may end at once."""
    assert EOT in allowed(replace(RULES, forced=(1,)), [])


def test_first_timestamp_is_early() -> None:
    """A window with timestamps begins with one, within the first second."""
    assert allowed(TIMED_RULES, []) == [BEGIN + k for k in range(6)]


def test_text_follows_a_first_timestamp() -> None:
    """After the opening timestamp comes text, or the end."""
    assert max(allowed(TIMED_RULES, [BEGIN], t5=9)) <= EOT


def test_closing_timestamp_is_followed_by_a_timestamp_or_the_end() -> None:
    """After text and one timestamp comes the opening one of the next segment, not earlier, or the end."""
    ids = allowed(TIMED_RULES, [BEGIN, 5, BEGIN + 4], t10=9)
    assert min(ids) == EOT
    assert [token for token in ids if token >= BEGIN] == list(range(BEGIN + 4, SIZE))


def test_time_does_not_run_backwards() -> None:
    """Timestamps at or before the last one are out once a segment is open."""
    ids = allowed(TIMED_RULES, [BEGIN, 5, BEGIN + 4, BEGIN + 4, 6], t5=9)
    assert [token for token in ids if token >= BEGIN] == list(range(BEGIN + 5, SIZE))


def test_likely_timestamps_exclude_text() -> None:
    """When all timestamps together are likelier than any text token, one of them must come."""
    assert min(allowed(TIMED_RULES, [BEGIN, 5])) == BEGIN + 1
    assert 5 in allowed(TIMED_RULES, [BEGIN, 5], t5=9)


def test_hotwords_raise_the_tokens_that_continue_them() -> None:
    """A bonus goes to the beginning of a hotword, and to its next token once it has begun."""
    rules = replace(RULES, hotwords=HotwordTrie([(5, 6), (5, 7, 8)], 2.0))
    assert raised(rules, [1]) == [5]
    assert raised(rules, [1, 5]) == [5, 6, 7]
    assert raised(replace(rules, forced=(5,)), [7]) == [5, 8]


def raised(rules: Rules, sampled: list[int]) -> list[int]:
    """Return the ids that have a bonus of 2."""
    return [token for token, logit in allowed_logits(rules, sampled).items() if logit == 2]


def test_suppressed_hotwords_stay_out() -> None:
    """No bonus brings a suppressed token back."""
    assert 3 not in allowed(replace(RULES, hotwords=HotwordTrie([(3,)], 99.0)), [1])


def test_rows_carry_what_is_asked() -> None:
    """What a way of decoding asks for reaches the back end, and the noise of each token is its own."""
    row = RULES.row([1, 2], Ask(candidates=6, temperature=0.4, seed=9), wanted=7)
    assert (row.candidates, row.temperature, row.seed, row.position, row.wanted) == (6, 0.4, 9, 2, 7)
    assert not row.no_speech


@pytest.mark.parametrize("multilingual", [False, True])
def test_masks_of_a_model(tmp_path: Path, multilingual: bool) -> None:
    """Only text, the end, and timestamps where wanted are possible; also ids beyond the tokeniser are out."""
    tokenizer = Tokenizer(make_random_model(tmp_path, RandomModel(multilingual=multilingual)))
    begin = (6, tokenizer.eot)
    generation = Generation((5,), begin, ((0, 0),), multilingual, ("en",), 50)
    size = tokenizer.vocab_size + 3
    selection = make_selection(generation, tokenizer, size)
    text = {token for token in range(size) if tokenizer.is_text(token)} - {5} | {tokenizer.eot}
    timed = text | set(range(tokenizer.timestamp_begin, tokenizer.vocab_size))
    expected = {ANYTHING: set(range(size)), TEXT: text, TEXT_BEGIN: text - set(begin), TIMED: timed}
    expected |= {TIMED_BEGIN: timed - set(begin), LANGUAGES: set(tokenizer.language_tokens.values())}
    assert {mask: set(np.flatnonzero(~row).tolist()) for mask, row in enumerate(selection.masks)} == expected
    assert (selection.eot, selection.timestamp_begin) == (tokenizer.eot, tokenizer.timestamp_begin)
    assert (selection.no_speech, selection.vocabulary) == (tokenizer.no_speech, size)


def test_rules_of_a_model(tmp_path: Path) -> None:
    """Timestamps end with the tokeniser's or with the logits, whichever are fewer."""
    tokenizer = Tokenizer(make_random_model(tmp_path, RandomModel()))
    generation = Generation((), (), ((0, 0),), False, ("en",), 50)
    end = tokenizer.vocab_size
    assert make_rules(generation, tokenizer, end + 3, timestamps=True).timestamp_end == end
    rules = make_rules(generation, tokenizer, end - 3, timestamps=True)
    assert rules.timestamp_end == end - 3
    assert rules.max_initial_timestamp == tokenizer.timestamp_begin + 50
    assert rules.timestamps
