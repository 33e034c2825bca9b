"""Tests of the generator of narrow-domain sentences."""

import random

import pytest

from amanuensis.training.narrow import cardinal, narrow_sentence, ordinal


@pytest.mark.parametrize(
    ("n", "words"),
    [
        (0, "zero"),
        (13, "thirteen"),
        (40, "forty"),
        (99, "ninety-nine"),
        (100, "one hundred"),
        (115, "one hundred and fifteen"),
        (1_001, "one thousand and one"),
        (1_100, "one thousand one hundred"),
        (123_456, "one hundred and twenty-three thousand four hundred and fifty-six"),
    ],
)
def test_cardinals_are_spoken_as_in_english(n: int, words: str) -> None:
    """A cardinal has "and" before its last two digits and a hyphen in its tens."""
    assert cardinal(n) == words


def test_cardinals_without_and_say_the_same_number() -> None:
    """The other usual form only leaves "and" out."""
    for n in range(0, 20_000, 37):
        assert cardinal(n, "") == cardinal(n).replace(" and ", " ")


@pytest.mark.parametrize(
    ("n", "words"), [(1, "first"), (12, "twelfth"), (20, "twentieth"), (22, "twenty-second"), (31, "thirty-first")]
)
def test_ordinals_are_spoken_as_in_english(n: int, words: str) -> None:
    """Only the last part of a number becomes an ordinal."""
    assert ordinal(n) == words


def test_the_same_seed_gives_the_same_sentences() -> None:
    """Sentences depend on the generator that is passed in and on nothing else."""
    first, second = random.Random(5), random.Random(5)
    assert [narrow_sentence(first) for _ in range(50)] == [narrow_sentence(second) for _ in range(50)]


def test_sentences_rarely_repeat() -> None:
    """Of 2,000 sentences at least 1,500 are different."""
    rng = random.Random(1)
    assert len({narrow_sentence(rng) for _ in range(2_000)}) >= 1_500
