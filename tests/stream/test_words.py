"""Tokens and attention peaks to words."""

from __future__ import annotations

import math
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from amanuensis.stream.words import text_of, timed_words, to_ms, tokens_of
from tests.helpers.scripted_engine import Said, ScriptedTokenizer
from tests.helpers.words import result, words

TOKENIZER = ScriptedTokenizer([Said(f" w{k}", 0, 0) for k in range(40)])


def tokens(n: int) -> tuple[int, ...]:
    """Return the tokens of the first n words."""
    return tuple(token for k in range(n) for token in (8 * k, 8 * k + 1))


def test_words_begin_at_their_peaks() -> None:
    """A word begins just before its first peak and ends where the next one begins, or soon after its last peak."""
    found = timed_words(result(tokens(3), (10, 20, 30, 40, 140, 150)), TOKENIZER, 32_000, (32_000, 96_000), None)
    assert [word.text for word in found] == [" w0", " w1", " w2"]
    assert found[0].start == 32_000 + 10 * 320 + 160 - 640
    assert found[0].end == found[1].start == 32_000 + 30 * 320 + 160 - 640
    assert found[1].end == 32_000 + 40 * 320 + 160 + 4_800
    assert found[2].start == 32_000 + 140 * 320 + 160 - 640
    assert found[2].end == 32_000 + 150 * 320 + 160 + 4_800
    assert found[0].conf == round(math.exp(-0.1), 16)


def test_squeezed_words_do_not_overlap() -> None:
    """Words whose peaks coincide have no length, but an order."""
    found = timed_words(result(tokens(3), (10, 20, 20, 20, 20, 20)), TOKENIZER, 0, (0, 96_000), None)
    assert [(word.start, word.end) for word in found] == [(2_720, 6_560), (6_560, 6_560), (6_560, 11_360)]


@given(
    st.lists(st.integers(0, 500), min_size=2, max_size=40).map(sorted), st.integers(0, 90_000), st.integers(0, 90_000)
)
def test_times_are_in_order(frames: list[int], low: int, length: int) -> None:
    """Whatever the attention does, times are monotone and inside the bounds."""
    n = len(frames) // 2
    found = timed_words(result(tokens(n), tuple(frames[: 2 * n])), TOKENIZER, 0, (low, low + length), None)
    times = [time for word in found for time in (word.start, word.end)]
    assert times == sorted(times)
    assert all(low <= time <= low + length for time in times)


def test_unlikely_tokens_give_low_confidence() -> None:
    """Confidence is the geometric mean of the probabilities, at most 1."""
    unlikely = replace(result(tokens(1), (1, 2)), logprobs=(-2.0, -4.0))
    assert math.isclose(timed_words(unlikely, TOKENIZER, 0, (0, 9_999), None)[0].conf, math.exp(-3))
    certain = replace(result(tokens(1), (1, 2)), logprobs=(0.1, 0.1))
    assert timed_words(certain, TOKENIZER, 0, (0, 9_999), None)[0].conf == 1.0


def test_parts_are_joined() -> None:
    """Text and tokens of several words are those of each, in order."""
    found = words("a b")
    assert text_of(found) == " a b"
    assert tokens_of(found) == (1, 2, 1, 2)
    assert to_ms(8_000) == 500
