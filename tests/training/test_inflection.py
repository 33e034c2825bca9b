"""Tests of the forms of words that talk is made with."""

import pytest

from amanuensis.training.inflection import participle, past, plural, progressive, third_person, with_article
from amanuensis.training.words import INTRANSITIVE, PEOPLE, THEMES


@pytest.mark.parametrize(
    ("noun", "many"),
    [
        ("cat", "cats"), ("box", "boxes"), ("church", "churches"), ("city", "cities"), ("boy", "boys"),
        ("leaf", "leaves"), ("police station", "police stations"), ("stomach", "stomachs"), ("sheep", "sheep"),
        ("woman", "women"),
    ],
)  # fmt: skip
def test_nouns_have_plurals(noun: str, many: str) -> None:
    """The last word takes the ending, or its own form."""
    assert plural(noun) == many


@pytest.mark.parametrize(
    ("verb", "forms"),
    [
        ("walk", "walks walked walked walking"), ("try", "tries tried tried trying"),
        ("stop", "stops stopped stopped stopping"), ("bake", "bakes baked baked baking"),
        ("agree", "agrees agreed agreed agreeing"), ("fix", "fixes fixed fixed fixing"),
        ("submit", "submits submitted submitted submitting"), ("visit", "visits visited visited visiting"),
        ("throw away", "throws away threw away thrown away throwing away"), ("show", "shows showed shown showing"),
    ],
)  # fmt: skip
def test_verbs_have_four_forms(verb: str, forms: str) -> None:
    """Regular and irregular ones; what follows a verb stays."""
    assert " ".join(form(verb) for form in (third_person, past, participle, progressive)) == forms


@pytest.mark.parametrize(
    ("phrase", "said"),
    [
        ("apple", "an apple"), ("unit", "a unit"), ("uncle", "an uncle"), ("unanimous vote", "a unanimous vote"),
        ("hour", "an hour"), ("house", "a house"), ("European", "a European"),
        ("unimportant word", "an unimportant word"),
        ("one way street", "a one way street"), ("used car", "a used car"),
    ],
)  # fmt: skip
def test_articles_follow_the_sound(phrase: str, said: str) -> None:
    """A vowel that sounds as a consonant has "a"."""
    assert with_article(phrase) == said


def test_no_word_stands_twice_in_its_list() -> None:
    """Every theme gives a word its share once."""
    lists = [*(kind for t in THEMES.values() for kind in (t.things, t.verbs, t.adjectives)), INTRANSITIVE, PEOPLE]
    for names in lists:
        assert len(names) == len(set(names)), sorted(name for name in names if names.count(name) > 1)
