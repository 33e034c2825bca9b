# ruff: noqa: RUF001 - the characters of IPA
"""Foreign accents change what words sound like, as they are known to."""

from __future__ import annotations

import numpy as np
import pytest

from amanuensis.training import voices_kokoro
from amanuensis.training.accents import ACCENTS, accented, random_habits
from amanuensis.training.speech import Manner


@pytest.mark.parametrize(
    ("accent", "word", "said"),
    [
        ("german", "wˈɜɹld", "vˈɜʁlt"),
        ("german", "fˈIv", "fˈIf"),
        ("french", "hˈæpi", "ˈapi"),
        ("french", "θɹˈi", "sʁˈi"),
        ("spanish", "stˈɑp", "ɛstˈɑp"),
        ("italian", "nˈIn", "nˈInə"),
        ("indian", "tˈu", "ʈˈu"),
        ("japanese", "lˈIt", "ɾˈItu"),
        ("portuguese", "ɹˈɛd", "hˈɛd"),
        ("chinese", "lˈʌv", "lˈʌf"),
        ("slavic", "sˈɪks", "sˈiks"),
    ],
)
def test_sounds_give_way_to_those_of_the_first_language(accent: str, word: str, said: str) -> None:
    """A speaker with every habit of an accent says it so."""
    assert accented(word, ACCENTS[accent]) == said


def test_no_word_falls_silent() -> None:
    """A word of which nothing would be left stays as it is, and one without habits always does."""
    assert accented("h", ACCENTS["french"]) == "h"
    assert accented("wˈɜɹld", ()) == "wˈɜɹld"


def test_speakers_of_an_accent_differ() -> None:
    """Each keeps some of its rules, in their order, and over many speakers each rule is kept by some."""
    rng = np.random.default_rng(0)
    drawn = [random_habits("german", rng) for _ in range(100)]
    assert len(set(drawn)) > 50
    assert {rule for habits in drawn for rule in habits} == set(ACCENTS["german"])
    assert all([rule for rule in ACCENTS["german"] if rule in habits] == [*habits] for habits in drawn)


@pytest.mark.skipif(not voices_kokoro.available(), reason="Kokoro is not in this environment")
@pytest.mark.parametrize("accent", sorted(ACCENTS))
def test_kokoro_speaks_every_accent(accent: str) -> None:
    """All characters are ones that it knows, and every word has its time."""
    text = "Three happy judges measured five red leaves with the young girl, who joined us in the choir."
    plain, other = (voices_kokoro.speak(text, "af_sky", Manner(), habits) for habits in ((), ACCENTS[accent]))
    assert len(other.words) == len(text.split())
    assert not np.array_equal(other.samples, plain.samples)


@pytest.mark.skipif(not voices_kokoro.available(), reason="Kokoro is not in this environment")
def test_voices_of_other_languages_have_their_own_accent_oftener() -> None:
    """Most sentences of theirs are in it, and most of an English voice in none."""
    rng = np.random.default_rng(0)
    own = [voices_kokoro.random_habits("ff_siwis", rng) for _ in range(200)]
    assert {rule for habits in own for rule in habits} == set(ACCENTS["french"])
    assert sum(map(bool, own)) > 100
    english = [voices_kokoro.random_habits("af_sky*0.50+am_echo", rng) for _ in range(200)]
    assert 20 < sum(map(bool, english)) < 80
