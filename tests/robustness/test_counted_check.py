"""The check by spoken numbers finds what it is there for: numbers that are lost, said twice or swallowed by a gap."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers.counted_check import Gap, judge, read
from tests.helpers.spoken_numbers import HIGHEST, RATE, Counted, Spoken, counted, number_words, number_words_in

VALUES = (119, 120, 121, 122, 123)
SPOKEN = tuple(Spoken(value, 2 * RATE * n, 2 * RATE * n + RATE) for n, value in enumerate(VALUES))
STREAM = Counted(np.zeros(0, np.float32), SPOKEN)
WHOLE = "One hundred nineteen, one hundred and twenty. 121 one-hundred twenty two one hundred twenty-three"
EXACT = read(WHOLE, STREAM.numbers)


def test_captions_are_read_however_they_are_written() -> None:
    """Digits, hyphens, capitals, commas and "and" make no difference."""
    assert (EXACT.exact, EXACT.added) == (frozenset(range(5)), ())


def test_words_of_every_number_are_its_own() -> None:
    """Words and digits of a number read the same, and no two numbers have the same words."""
    words = [number_words(value) for value in range(HIGHEST + 1)]
    assert words[0] == ["zero"]
    assert words[340] == ["three", "hundred", "forty"]
    assert len({" ".join(each) for each in words}) == HIGHEST + 1
    assert all(number_words_in(str(value)) == words[value] for value in range(HIGHEST + 1))


@pytest.mark.parametrize(
    ("text", "lost", "duplicated"),
    [
        (WHOLE, (), ()),
        (WHOLE.replace("121 ", ""), (121,), ()),
        (WHOLE.replace("121 ", "121 121 "), (), ("one", "hundred", "twenty", "one")),
        (WHOLE.replace("121 ", "seven "), (121,), ()),
        (WHOLE.replace("nineteen", ""), (119,), ()),
        (WHOLE + " three", (), ("three",)),
        (f"122 {WHOLE.replace('one-hundred twenty two ', '')}", (122,), ("one", "hundred", "twenty", "two")),
        ("", VALUES, ()),
    ],
)
def test_what_is_lost_or_said_twice_is_found(text: str, lost: tuple[int, ...], duplicated: tuple[str, ...]) -> None:
    """A number that is missing, wrong, cut short or out of order is lost; words without a number are too many."""
    verdict = judge(text, [], STREAM, EXACT)
    assert (verdict.lost, sorted(verdict.duplicated)) == (lost, sorted(duplicated))
    assert verdict.committed == len(VALUES) - len(lost)


def test_a_gap_excuses_the_numbers_in_it_and_no_others() -> None:
    """A number that a reported gap touches is not owed; its neighbours are."""
    inside = Gap(STREAM.numbers[2].start + 100, STREAM.numbers[2].start + 200)
    verdict = judge(WHOLE.replace("121 ", ""), [inside], STREAM, EXACT)
    assert (verdict.lost, verdict.in_gaps, verdict.committed) == ((), 1, 4)
    assert judge(WHOLE.replace("121 ", ""), [Gap(0, RATE)], STREAM, EXACT).lost == (121,)


def test_words_belong_to_the_number_that_is_owed() -> None:
    """Where the words of a number and of its neighbour in a gap begin alike, they are taken for those of the former."""
    inside = Gap(STREAM.numbers[1].start, STREAM.numbers[1].stop)
    verdict = judge(WHOLE.replace(", one hundred and twenty.", ""), [inside], STREAM, EXACT)
    assert (verdict.lost, verdict.duplicated, verdict.in_gaps, verdict.committed) == ((), (), 1, 4)


def test_what_the_undisturbed_run_missed_is_not_owed() -> None:
    """A number that is never read right, and a word that is always too many, are no fault of the service."""
    text = WHOLE.replace("121 ", "121 oh ").replace("nineteen", "ninety")
    usual = read(text, STREAM.numbers)
    verdict = judge(text, [], STREAM, usual)
    assert (verdict.lost, verdict.duplicated, verdict.misread) == ((), (), 1)
    assert judge(text + " oh", [], STREAM, usual).duplicated == ("oh",)


def test_numbers_lie_where_the_stream_says() -> None:
    """Between the spans there is near-silence, in them there is speech."""
    stream = counted([7, 42])
    loud = np.abs(stream.sound) > 0.01
    spans = np.zeros(loud.size, bool)
    for number in stream.numbers:
        spans[number.start : number.stop] = True
        assert loud[number.start : number.stop].any()
    assert not loud[~spans].any()
    assert len(stream.pcm) == 2 * len(stream.sound)
