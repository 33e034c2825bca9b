# ruff: noqa: RUF001 - the characters of IPA
"""Foreign accents of English: sounds that a speaker's own language lacks become those it has.

Rules rewrite words in Kokoro's characters (`voices_kokoro`). Which sounds give way, by first language, is in Swan and
Smith, *Learner English* (2nd edition, Cambridge 2001); how likely is a guess. A rule holds for a whole sentence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Rule:
    """One habit: how likely a speaker has it, and what it does to the characters of a word."""

    chance: float
    pattern: str
    becomes: str


_VOICELESS = {"b": "p", "d": "t", "ɡ": "k", "v": "f", "z": "s", "ʤ": "ʧ", "ʒ": "ʃ", "ð": "θ"}
_FINAL_DEVOICING = tuple(Rule(0.7, rf"{voiced}$", voiceless) for voiced, voiceless in _VOICELESS.items())
_PURE_VOWELS = (Rule(0.5, "A", "e"), Rule(0.5, "[OQ]", "o"))
_NO_LAX = (Rule(0.6, "[ɪᵻ]", "i"), Rule(0.6, "ʊ", "u"))
_OPEN = (Rule(0.6, "ʌ", "a"), Rule(0.5, "æ", "a"))
_TH_SIBILANT = (Rule(0.6, "θ", "s"), Rule(0.6, "ð", "z"))
_TH_STOP = (Rule(0.6, "θ", "t"), Rule(0.7, "ð", "d"))
_TAPPED = (Rule(0.6, "ɹ", "ɾ"),)

ACCENTS: dict[str, tuple[Rule, ...]] = {
    "german": (
        *_TH_SIBILANT, Rule(0.6, "w", "v"), Rule(0.7, "æ", "ɛ"), Rule(0.4, "ɹ", "ʁ"), Rule(0.3, "ʤ", "ʧ"),
        *_PURE_VOWELS, *_FINAL_DEVOICING,
    ),
    "french": (
        *_TH_SIBILANT, Rule(0.6, "h", ""), Rule(0.6, "ɹ", "ʁ"), *_NO_LAX, *_OPEN, *_PURE_VOWELS,
        Rule(0.4, "ʧ", "ʃ"), Rule(0.4, "ʤ", "ʒ"), Rule(0.5, "ə", "œ"),
    ),
    "spanish": (
        *_TH_STOP, *_TAPPED, Rule(0.6, "v", "b"), Rule(0.6, "z", "s"), Rule(0.5, "^(ˈ?)s(?=[ptkmnl])", r"ɛ\1s"),
        Rule(0.4, "ʃ", "ʧ"), Rule(0.4, "h", "x"), *_NO_LAX, *_OPEN, *_PURE_VOWELS,
    ),
    "italian": (
        *_TH_STOP, *_TAPPED, Rule(0.5, "h", ""), *_NO_LAX, *_OPEN, *_PURE_VOWELS, Rule(0.4, "([ptkdɡbvfszn])$", r"\1ə"),
    ),
    "indian": (
        *_TH_STOP, Rule(0.6, "[wv]", "ʋ"), Rule(0.6, "t", "ʈ"), Rule(0.6, "d", "ɖ"), *_TAPPED, *_PURE_VOWELS,
    ),
    "japanese": (
        *_TH_SIBILANT, Rule(0.6, "[ɹl]", "ɾ"), Rule(0.6, "v", "b"), *_OPEN, *_NO_LAX,
        Rule(0.4, "([ptkdɡbvfsz])$", r"\1u"),
    ),
    "portuguese": (*_TH_STOP, *_NO_LAX, *_OPEN, Rule(0.4, "([ptk])$", r"\1i"), Rule(0.4, "^(ˈ?)ɹ", r"\1h")),
    "chinese": (
        *_TH_SIBILANT, Rule(0.4, "v(?!$)", "w"), *_NO_LAX, *_FINAL_DEVOICING, Rule(0.3, "l$", ""), Rule(0.4, "n$", "ŋ"),
    ),
    "slavic": (
        Rule(0.6, "θ", "s"), Rule(0.6, "ð", "d"), Rule(0.6, "w", "v"), Rule(0.5, "h", "x"), *_TAPPED, *_NO_LAX, *_OPEN,
        *_PURE_VOWELS, *_FINAL_DEVOICING,
    ),
}  # fmt: skip


def random_habits(accent: str, rng: np.random.Generator) -> tuple[Rule, ...]:
    """Return the rules that one speaker of an accent keeps."""
    return tuple(rule for rule in ACCENTS[accent] if rng.random() < rule.chance)


def accented(word: str, habits: Sequence[Rule]) -> str:
    """Return the characters of a word as such a speaker says it; as they were if nothing would be left of them."""
    said = word
    for rule in habits:
        said = re.sub(rule.pattern, rule.becomes, said)
    return said if said.strip("ˈˌː") else word
