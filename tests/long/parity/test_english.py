"""Our English normaliser against openai-whisper's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from whisper.normalizers import EnglishTextNormalizer

from amanuensis.stream.english import normalise_english

SENTENCES = (
    "I'll be there at twenty past five, won't I?",
    "She's gone; he'd been told they're not coming.",
    "The £20 bill and the $3.50 coin are 5% off.",
    "In nineteen ninety-four, one hundred and twenty three people came.",
    "Double oh seven, triple nine, and a million dollars.",
    "Mr. and Mrs. Smith's colour television [laughs] (applause) uh, hmm.",
    "It cost two and a half million euros, or 1,234,567.89 pounds.",
    "the twenty first of june two thousand and nine",
    "one oh one, four five six seven eight nine zero",
    "Naïve café façade — «résumé» …",
    "ten thousand five hundred and fifteen point two five percent",
    "minus five degrees and plus three",
    "a hundred and one dalmatians and 3rd, 22nd, 101st",
    "twenty-two twenties in the 1980s cost seventy cents",
    "we'd've gone if we could've, y'all gonna wanna gotta",
    "",
)


@pytest.fixture(scope="module")
def theirs() -> EnglishTextNormalizer:
    """openai-whisper's normaliser."""
    return EnglishTextNormalizer()


@pytest.mark.parametrize("text", SENTENCES)
def test_sentences(theirs: EnglishTextNormalizer, text: str) -> None:
    """Contractions, numbers, money, titles and spelling come out the same."""
    assert normalise_english(text) == " ".join(theirs(text).split())


def test_bundled_texts(theirs: EnglishTextNormalizer, repository: Path) -> None:
    """So do all texts of the bundled synthetic speech."""
    lines = (repository / "tests" / "data" / "synthetic" / "manifest.jsonl").read_text().splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    assert len(texts) > 10
    for text in texts:
        assert normalise_english(text) == " ".join(theirs(text).split())


def test_recorded_texts(theirs: EnglishTextNormalizer, speech_dir: Path) -> None:
    """So do the references of recorded speech."""
    lines = (speech_dir / "manifest.jsonl").read_text().splitlines()
    texts = [json.loads(line).get("text") or "" for line in lines]
    different = [text for text in texts if normalise_english(text) != " ".join(theirs(text).split())]
    assert len(texts) > 100
    assert not different
