"""LocalAgreement on words."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from amanuensis.stream.agreement import UNSURE_EDGE, agreed_words, before_edge, sure_words
from amanuensis.stream.normalise import normalise_word
from tests.helpers.words import words

TEXTS = st.lists(st.sampled_from(["a", "A", "b,", "c", "-", "d."]), max_size=8).map(" ".join)


def test_the_common_prefix_is_agreed() -> None:
    """Words are agreed up to the first that differs."""
    assert agreed_words(words("turn on the light"), words("turn on the lamp now")) == 3


def test_case_and_punctuation_do_not_matter() -> None:
    """Words are compared as they sound."""
    assert agreed_words(words("Turn on, the"), words("turn On the light")) == 3


def test_lone_punctuation_is_passed_over() -> None:
    """A dash on one side only does not stop agreement, and goes with the word after it."""
    assert agreed_words(words("yes no"), words("yes - no - maybe")) == 3
    assert agreed_words(words("yes - no"), words("yes no")) == 2
    assert agreed_words(words("yes"), words("yes -")) == 1


@given(TEXTS, TEXTS)
def test_agreement_is_the_longest_common_prefix(previous: str, current: str) -> None:
    """What is agreed is the longest common prefix of the normalised words."""
    n = agreed_words(words(previous), words(current))
    old = [key for part in previous.split() if (key := normalise_word(part))]
    new = [normalise_word(part) for part in current.split()]
    agreed = [key for key in new[:n] if key]
    rest = [key for key in new[n:] if key]
    assert old[: len(agreed)] == agreed
    assert not rest or len(agreed) == len(old) or rest[0] != old[len(agreed)]


def test_words_at_the_edge_wait() -> None:
    """Words whose peak is within the edge are not safe, and the last word needs twice as much."""
    found = words("a b c d")  # peaks at 0.2, 0.6, 1.0, 1.4 s
    second = 16_000
    assert before_edge(found, 4, round(1.4 * second), second // 2) == 2
    assert before_edge(found, 4, 2 * second, second // 2) == 3
    assert before_edge(found, 4, 3 * second, second // 2) == 4
    assert before_edge(found, 2, 9 * second, second // 2) == 2
    assert before_edge([], 0, second, second // 2) == 0


def test_an_unsure_word_waits_for_more_sound() -> None:
    """It and what follows it are committed once enough sound came after it; sure words never wait."""
    heard = words("turn on the light")
    unsure = [heard[0], heard[1], replace(heard[2], conf=0.2), heard[3]]
    end = unsure[2].last + UNSURE_EDGE
    assert sure_words(heard, 4, end - 1) == 4
    assert sure_words(unsure, 4, end - 1) == 2
    assert sure_words(unsure, 2, end - 1) == 2
    assert sure_words(unsure, 4, end) == 4
