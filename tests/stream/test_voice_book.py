"""The voices that were heard."""

from __future__ import annotations

import numpy as np
import pytest

from amanuensis.stream.voice_book import Match, VoiceBook, VoiceRules, unit
from amanuensis.stream.voice_names import is_letters, letters, letters_after

DIM = 16
RULES = VoiceRules(0.5, most=3)


def axis(k: int, *others: int) -> np.ndarray:
    """Return a vector between some axes."""
    vector = np.zeros(DIM, np.float32)
    vector[[k, *others]] = 1
    return unit(vector)


def test_a_new_voice_takes_evidence() -> None:
    """Two seconds that are unlike all that is known, and room for it; the first voice needs neither."""
    book = VoiceBook(RULES)
    assert book.is_new(None, 0.5)
    book.add(axis(0), 3.0)
    assert book.is_new(Match(0, 0.1), 2.0)
    assert not book.is_new(Match(0, 0.1), 1.9)
    assert not book.is_new(Match(0, 0.9), 5.0)
    book.add(axis(1), 3.0)
    book.add(axis(2), 3.0)
    assert not book.is_new(Match(0, 0.1), 5.0)


def test_a_cough_at_the_beginning_is_nobody() -> None:
    """A first voice that little was heard of gives its place to the next one."""
    book = VoiceBook(RULES)
    first = book.add(axis(0), 0.5)
    assert book.add(axis(1), 3.0) == first
    assert (book.numbers, book.name(first)) == ((first,), "A")
    assert book.centroid(first) @ axis(1) == pytest.approx(1)


def test_only_clean_speech_moves_a_centroid() -> None:
    """Short or unlike speech changes nothing; much speech moves it, and a long past weighs no more than two minutes."""
    book = VoiceBook(RULES)
    voice = book.add(axis(0), 3.0)
    for vector, speech_s in ((axis(0, 1), 1.0), (axis(1), 4.0)):
        book.learn(voice, vector, speech_s)
        assert book.centroid(voice) @ axis(0) == pytest.approx(1)
    for _ in range(1000):
        book.learn(voice, axis(0), 4.0)
    for _ in range(60):
        book.learn(voice, axis(0, 1), 4.0)
    assert book.centroid(voice) @ axis(0, 1) > 0.95


def test_who_spoke_before_is_preferred_where_there_is_little_speech() -> None:
    """With two seconds only the likeness counts."""
    book = VoiceBook(RULES)
    one, other = book.add(axis(0), 3.0), book.add(axis(1), 3.0)
    between = unit(0.48 * axis(0) + 0.52 * axis(1))
    assert book.match(between, 0.5, before=one) == Match(one, pytest.approx(float(between[0])))
    assert book.match(between, 2.0, before=one) == Match(other, pytest.approx(float(between[1])))


def test_a_mistake_is_forgotten_with_its_name() -> None:
    """The next voice may have the name of the last one; numbers are never used twice."""
    book = VoiceBook(RULES)
    book.add(axis(0), 3.0)
    mistake = book.add(axis(1), 3.0)
    book.forget(mistake)
    again = book.add(axis(2), 3.0)
    assert (book.name(again), again == mistake) == ("B", False)


def test_a_second_look_forms_the_voices_anew() -> None:
    """What it does not know is forgotten, what it knows is what it says, and a long past weighs two minutes."""
    book = VoiceBook(RULES, {"Anna": axis(0)})
    one, other = book.add(axis(1), 3.0), book.add(axis(2), 3.0)
    third = book.found(axis(3), 4.0)
    book.reform({one: axis(1, 4) * 600, third: axis(3) * 4, book.known[0]: axis(5) * 9})
    assert book.numbers == (book.known[0], one, third)
    assert book.centroid(one) @ axis(1, 4) == pytest.approx(1)
    assert book.centroid(book.known[0]) @ axis(0) == pytest.approx(1)
    for _ in range(60):
        book.learn(one, axis(1), 4.0)
    assert book.centroid(one) @ axis(1) > 0.95
    assert other not in book.numbers


def test_known_voices_keep_their_vector_and_are_nobody_until_they_speak() -> None:
    """One that is not near is no match; one that is gets its name and is never moved."""
    book = VoiceBook(RULES, {"Anna": axis(0), "Ben": axis(1)})
    assert len(book) == 0
    assert book.match(axis(5), 3.0) is None
    match = book.match(axis(0, 4), 3.0)
    assert match is not None
    book.learn(match.voice, axis(0, 4), 3.0)
    assert (book.name(match.voice), len(book)) == ("Anna", 1)
    assert book.centroid(match.voice) @ axis(0) == pytest.approx(1)


def test_a_book_put_down_and_taken_up() -> None:
    """Names, known voices and centroids are as before, but for rounding to a byte."""
    book = VoiceBook(RULES, {"Anna": axis(0)})
    book.add(axis(1, 2), 30.0)
    again = VoiceBook(RULES, {"Anna": axis(0)})
    again.restore(book.state(), 0)
    assert [again.name(voice) for voice in (*again.known, *again.numbers)] == ["Anna", "A"]
    match = again.match(axis(1, 2), 3.0)
    assert match is not None
    assert match.score > 0.999
    assert again.name(again.add(axis(3), 3.0)) == "B"
    stranger = VoiceBook(RULES)
    stranger.restore((), 5)
    assert stranger.name(stranger.add(axis(3), 3.0)) == "F"


def test_names_go_on_behind_z() -> None:
    """A to Z, then AA; they are told from names that people give."""
    assert [letters(n) for n in (0, 25, 26, 27, 52)] == ["A", "Z", "AA", "AB", "BA"]
    assert all(is_letters(letters(n)) for n in range(100))
    assert letters_after(["Anna", "B", "AA", "me"]) == 27
    assert letters_after([]) == 0
    assert not any(map(is_letters, ("", "Anna", "me", "a", "ABC")))
