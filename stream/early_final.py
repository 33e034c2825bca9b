"""When the text of an utterance is told as final though its sound is kept: before an endpoint is declared.

What follows soon is decoded behind the same words and their sound, so that a pause that was taken for the end costs no
words, only an utterance more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from amanuensis.stream.agreement import SURE
from amanuensis.stream.cut import ends_sentence
from amanuensis.stream.normalise import normalise_word
from amanuensis.stream.words import TimedWord

__all__ = ["goes_on", "is_sure", "seems_finished"]

GOES_ON: Final = frozenset(  # English words after which a sentence hardly ends
    ["a", "an", "the", "my", "your", "our", "their", "of", "at", "from", "into", "and", "or", "but", "because", "than"]
)


def seems_finished(words: Sequence[TimedWord]) -> bool | None:
    """Return whether a text ends a sentence; None: there is none, or the model writes no punctuation."""
    if not words:
        return None
    if ends_sentence(words[-1].text):
        return True
    return False if any(ends_sentence(word.text) for word in words) else None


def goes_on(words: Sequence[TimedWord]) -> bool:
    """Return whether a text is not over by its last word: no silence before the endpoint makes it final."""
    if not words:
        return False
    return seems_finished(words) is False or normalise_word(words[-1].text) in GOES_ON


def is_sure(words: Sequence[TimedWord]) -> bool:
    """Return whether no word is so unlikely that more sound may correct it."""
    return all(word.conf >= SURE for word in words)
