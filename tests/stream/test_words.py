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


def test_words_span_their_tokens() -> None:
    """A word goes from the start of its first token to the end of its last one."""
    heard = replace(result(tokens(2), (10, 20, 30, 40)), starts_ms=(200, 400, 600, 800), ends_ms=(400, 550, 800, 990))
    found = timed_words(heard, TOKENIZER, 32_000, (32_000, 96_000), None, voiced=[(32_000, 96_000)])
    assert [word.text for word in found] == [" w0", " w1"]
    assert [(word.start, word.end) for word in found] == [(35_200, 40_800), (41_600, 47_840)]
    assert [(word.first, word.last) for word in found] == [(35_360, 38_560), (41_760, 44_960)]
    assert found[0].conf == round(math.exp(-0.1), 16)


def test_silence_on_either_side_is_cut_off() -> None:
    """What the voice detector calls silence is not in a word, but for the time that it needs to hear a voice."""
    heard = replace(result(tokens(1), (10, 20)), starts_ms=(0, 400), ends_ms=(400, 2_000))
    (found,) = timed_words(heard, TOKENIZER, 0, (0, 96_000), None, voiced=[(3_200, 6_400), (8_000, 9_600)])
    assert (found.start, found.end) == (3_200 - 960, 9_600)
    (unheard,) = timed_words(heard, TOKENIZER, 0, (0, 96_000), None, voiced=[(64_000, 80_000)])
    assert (unheard.start, unheard.end) == (0, 32_000)


def test_squeezed_words_do_not_overlap() -> None:
    """Words whose tokens coincide have no length, but an order."""
    heard = result(tokens(3), (10, 20, 20, 20, 20, 20))
    found = timed_words(heard, TOKENIZER, 0, (0, 96_000), None, voiced=[])
    assert [(word.start, word.end) for word in found] == [(3_200, 6_400), (6_400, 6_400), (6_400, 11_200)]


@given(
    st.lists(st.integers(0, 500), min_size=2, max_size=40).map(sorted),
    st.integers(0, 90_000),
    st.integers(0, 90_000),
    st.lists(st.integers(0, 180_000), max_size=8, unique=True).map(sorted),
)
def test_times_are_in_order(frames: list[int], low: int, length: int, edges: list[int]) -> None:
    """Whatever attention and voice detector do, times are monotone and inside the bounds."""
    n = len(frames) // 2
    voiced = list(zip(edges[::2], edges[1::2], strict=False))
    heard = result(tokens(n), tuple(frames[: 2 * n]))
    found = timed_words(heard, TOKENIZER, 0, (low, low + length), None, voiced=voiced)
    times = [time for word in found for time in (word.start, word.end)]
    assert times == sorted(times)
    assert all(low <= time <= low + length for time in times)


def test_unlikely_tokens_give_low_confidence() -> None:
    """Confidence is the geometric mean of the probabilities, at most 1."""
    unlikely = replace(result(tokens(1), (1, 2)), logprobs=(-2.0, -4.0))
    assert math.isclose(timed_words(unlikely, TOKENIZER, 0, (0, 9_999), None, voiced=[])[0].conf, math.exp(-3))
    certain = replace(result(tokens(1), (1, 2)), logprobs=(0.1, 0.1))
    assert timed_words(certain, TOKENIZER, 0, (0, 9_999), None, voiced=[])[0].conf == 1.0


def test_parts_are_joined() -> None:
    """Text and tokens of several words are those of each, in order."""
    found = words("a b")
    assert text_of(found) == " a b"
    assert tokens_of(found) == (1, 2, 1, 2)
    assert to_ms(8_000) == 500
