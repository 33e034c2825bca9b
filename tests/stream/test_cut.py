"""Where windows are cut."""

from __future__ import annotations

from amanuensis.stream.cut import INEXACT, REACH, ends_sentence, find_cut, next_word_from
from tests.helpers.words import word, words

SECOND = 16_000


def middle(start: int, stop: int) -> int:
    """Take the middle for the quietest place."""
    return (start + stop) // 2


def test_the_longest_pause_is_taken() -> None:
    """Of all places between committed words, the cut lies in the longest pause."""
    found = [*words("a b c"), *words("d e f", at_s=3.0)]
    cut = find_cut(found, 0, 5 * SECOND, 2, middle)
    assert cut is not None
    assert cut.n_words == 3
    assert found[2].last < cut.position < found[3].first


def test_a_sentence_end_is_worth_a_pause() -> None:
    """Without pauses the end of a sentence is the best place."""
    cut = find_cut(words("we go. then we come back here"), 0, 9 * SECOND, 2, middle)
    assert cut is not None
    assert cut.n_words == 2


def test_words_stay_behind_the_cut() -> None:
    """The last committed words are kept in the window."""
    found = [*words("a b c"), word(" d", 9.0)]
    cut = find_cut(found, 0, 20 * SECOND, 2, middle)
    assert cut is not None
    assert cut.n_words <= 2
    assert find_cut(words("a b"), 0, 9 * SECOND, 2, middle) is None


def test_the_bounds_hold() -> None:
    """No cut lies outside the bounds, and none is made when no place is inside."""
    found = words("a b c d e f g h")
    cut = find_cut(found, SECOND, 2 * SECOND, 1, middle)
    assert cut is not None
    assert SECOND <= cut.position <= 2 * SECOND
    assert find_cut(found, 7 * SECOND, 8 * SECOND, 1, middle) is None


def test_a_place_that_is_not_good_enough_is_not_looked_at() -> None:
    """A cut has at least the score that is asked for; the sound of other places is left alone."""
    found = [*words("a b c"), *words("d e f", at_s=3.0)]
    best = find_cut(found, 0, 5 * SECOND, 2, middle)
    assert best is not None
    places: list[tuple[int, int]] = []

    def quietest(start: int, stop: int) -> int:
        places.append((start, stop))
        return middle(start, stop)

    assert find_cut(found, 0, 5 * SECOND, 2, quietest, least=best.score) == best
    assert len(places) == 1
    assert find_cut(found, 0, 5 * SECOND, 2, middle, least=best.score + 0.01) is None


def test_all_words_may_leave() -> None:
    """With nothing to keep, the cut may lie after the last committed word."""
    found = words("a b")
    cut = find_cut(found, found[1].last, 9 * SECOND, 0, middle)
    assert cut is not None
    assert cut.n_words == 2
    assert cut.position >= found[1].last


def test_a_word_that_was_not_heard_is_not_cut() -> None:
    """Behind a word another may begin a little before it is said to end, and soon after its last peak at the latest."""
    before = word(" a", 1.0)
    assert next_word_from(before, before.last + 2_000) == before.last + 2_000 - INEXACT
    assert next_word_from(before, before.last + 9_000) == before.last + REACH
    assert next_word_from(before, before.last + 100) == before.last


def test_sentences_end() -> None:
    """Closing quotes do not hide the end of a sentence."""
    assert ends_sentence(' said."')
    assert ends_sentence("何？")  # noqa: RUF001 - full-width punctuation is meant
    assert not ends_sentence(" Mr,")
