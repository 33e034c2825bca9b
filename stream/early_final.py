"""When the text of an utterance is told as final though its sound is kept: before an endpoint is declared.

What follows soon is decoded behind the same words and their sound, so that a pause that was taken for the end costs no
words, only an utterance more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from amanuensis.stream.cut import ends_sentence
from amanuensis.stream.normalise import normalise_word
from amanuensis.stream.words import TimedWord

__all__ = ["is_likely_over", "seems_finished"]

SURE: Final = 0.5  # confidence of every word below which more sound may correct one
GOES_ON: Final = frozenset(  # English words after which a sentence hardly ends
    "a an the my your our their of at from into and or but because than".split()
)


def seems_finished(words: Sequence[TimedWord]) -> bool | None:
    """Return whether a text ends a sentence; None: there is none, or the model writes no punctuation."""
    if not words:
        return None
    if ends_sentence(words[-1].text):
        return True
    return False if any(ends_sentence(word.text) for word in words) else None


def is_likely_over(said: Sequence[TimedWord], n_new: int) -> bool:
    """Return whether nothing in the text speaks for more to come.

    Args:
        said: the words whose sound is in the window.
        n_new: how many of them, at the end, are not committed.

    """
    if seems_finished(said) is False or any(word.conf < SURE for word in said[len(said) - n_new :]):
        return False
    return not said or normalise_word(said[-1].text) not in GOES_ON
