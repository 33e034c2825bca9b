"""Words as they are looked for."""

from __future__ import annotations

import pytest

from amanuensis.daemon.meetings.phrase import Phrase, pairs, placed_words, read_phrase, runs, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't say “Café”!", ["don", "t", "say", "cafe"]),
        ("Straße STRASSE ΟΔΟΣ οδός İ", ["strasse", "strasse", "οδοσ", "οδοσ", "i"]),
        ("cafe\u0301 \ufb01ne \uff12\uff11", ["cafe", "fine", "21"]),
        ("我们开会。カタカナ がか", [*"我们开会カタカナがか"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("สวัสดี", [*"สวัสดี"]),
        ("회의 시간", ["회의", "시간"]),
        ("—…_ +*", []),
    ],
)
def test_words_are_without_case_accents_and_punctuation(text: str, words: list[str]) -> None:
    """In every script; where one is written without spaces each character is a word."""
    assert words_of(text) == words


def test_a_phrase_may_end_in_the_beginning_of_a_word() -> None:
    """A star leaves the last word open, if there are two characters of it at least."""
    assert read_phrase("The bud*") == Phrase(("the", "bud"), is_open=True)
    assert read_phrase("the b*") == Phrase(("the", "b"))
    assert read_phrase("*?") is None
    opened = Phrase(("the", "bud"), is_open=True)
    rows = ("the budget is", "the bid", "the", "a budget")
    assert [opened.is_at(row.split()) for row in rows] == [True, False, False, False]


def test_words_know_their_piece() -> None:
    """Also where a piece has two words, none, or only a part of one."""
    assert placed_words([" Don't", " —", " re", "run"]) == [("don", 0), ("t", 0), ("rerun", 2)]


def test_pairs_reach_into_what_follows() -> None:
    """By five words, so that phrases of six are found wherever they begin."""
    assert pairs(["a", "b"], "cdefghij") == ["a+b", "b+c", "c+d", "d+e", "e+f", "f+g"]
    assert pairs([], "cdefghij") == ["c+d", "d+e", "e+f", "f+g"]
    assert pairs(["a"], []) == []


def test_a_run_of_one_word_is_known_as_such() -> None:
    """From six on, where it begins in the utterance."""
    assert runs(["a"] * 2, ["a"] * 5) == ["a++", "a++"]
    assert runs(["a"] * 2, ["a"] * 3) == []
