"""The normaliser for word errors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanuensis.stream.english import normalise_english
from amanuensis.stream.english_numbers import normalise_numbers
from amanuensis.stream.english_spelling import american_spelling


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, World!", "hello world"),
        ("Um, I mean, uh... yes", "i mean yes"),
        ("[noise] (laughs) hi <x>there", "hi there"),
        ("Mr. Park visited Assoc. Prof. Kim Jr.", "mister park visited associate professor kim junior"),
        ("I'm sure he's gone, they'd been here; it'll do", "i am sure he has gone they had been here it will do"),
        ("won't can't let's y'all gonna", "will not can not let us you all going to"),
        ("It isn't what we've got", "it is not what we have got"),
        ("café naïve Ærø", "cafe naive aero"),
        ("1,000,000 people at 3.5 km.", "1000000 people at 3.5 km"),
        ("twenty-five dollars and ten cents", "$25.10"),
        ("five percent of 10 %", "5% of 10"),
        ("the colour of my neighbour's aluminium tyre", "the color of my neighbor is aluminum tire"),
        ("", ""),
    ],
)
def test_texts(text: str, expected: str) -> None:
    """Case, fillers, punctuation, contractions, titles and spellings are taken out."""
    assert normalise_english(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("two", "2"),
        ("twenty one", "21"),
        ("one oh one", "101"),
        ("one hundred and five", "105"),
        ("three thousand nine hundred fifty six", "3956"),
        ("nineteen ninety nine", "1999"),
        ("twenty twenty", "2020"),
        ("five thirty nine", "539"),
        ("double three seven", "337"),
        ("triple oh one", "0001"),
        ("three point one four", "3.14"),
        ("two and a half", "2.5"),
        ("a year and a half", "a year and a half"),
        ("the twenty second of march", "the 22nd of march"),
        ("the nineteen sixties", "the 1960s"),
        ("twelfth", "12th"),
        ("minus five", "-5"),
        ("plus size", "plus size"),
        ("three million two hundred thousand", "3200000"),
        ("2.5 million dollars", "$2500000"),
        ("fifty per cent", "50%"),
        ("per head", "per head"),
        ("seven cents", "¢7"),
        ("one", "one"),
        ("the ones", "the ones"),
        ("one and two", "one and 2"),
        ("room 6 b", "room 6 b"),
        ("3rd", "3rd"),
        ("zero point five", "0.5"),
        ("point taken", "point taken"),
    ],
)
def test_numbers(text: str, expected: str) -> None:
    """Number words become digits, as a reader of the number would write it."""
    assert normalise_numbers(text) == expected


@pytest.mark.parametrize(
    ("british", "american"),
    [
        ("organise", "organize"),
        ("organisations", "organizations"),
        ("travelled", "traveled"),
        ("centre", "center"),
        ("favourite", "favorite"),
        ("defence", "defense"),
        ("analysed", "analyzed"),
        ("promise", "promise"),
        ("our", "our"),
        ("four", "four"),
        ("hello", "hello"),
    ],
)
def test_spelling(british: str, american: str) -> None:
    """British spellings become American, and other words stay."""
    assert american_spelling(british) == american


@given(st.text(max_size=60))
def test_any_text_is_taken(text: str) -> None:
    """Any text is normalised to single spaces, without case."""
    found = normalise_english(text)
    assert found == " ".join(found.split())
    assert not any(char.isascii() and char.isupper() for char in found)


@given(
    st.lists(
        st.sampled_from(
            [
                *[
                    "zero",
                    "one",
                    "five",
                    "ten",
                    "twenty",
                    "hundred",
                    "thousand",
                    "and",
                    "point",
                    "double",
                    "per",
                    "cent",
                    "minus",
                ]
            ]
        )
    )
)
def test_any_number_words_are_taken(words: list[str]) -> None:
    """Number words in any order are read without failing."""
    assert isinstance(normalise_numbers(" ".join(words)), str)
