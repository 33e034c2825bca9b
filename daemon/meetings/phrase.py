"""Words as they are looked for: without case, accents and punctuation. Pure.

What the index holds of an utterance are its words, and the pairs of words in a row up to `REACH` words into what
follows: a phrase is found by its pairs, which are rare where words are common, wherever utterances were cut.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

REACH: Final = 5  # words after an utterance whose pairs are kept with it
JOIN: Final = "+"  # between the words of a pair; in no word
MIN_BEGINNING: Final = 2  # characters of a word of which only the beginning is given
SPOKEN_MARKS: Final = (0, 7, 8, 9)  # canonical classes of marks that make another letter: vowels, nukta, kana, virama
# Scripts written without spaces are looked for character by character: Thai to Lao, Myanmar, Khmer, kana, Han.
ALONE: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
WORD: Final = re.compile(rf"[{ALONE}]|(?:[^\W_{ALONE}]|[\u0900-\u0dff])+")  # of India: vowels are marks, not letters


@dataclass(frozen=True, slots=True)
class Phrase:
    """What is looked for: words in a row; of the last one perhaps only the beginning."""

    words: tuple[str, ...]
    is_open: bool = False

    def is_at(self, words: Sequence[str]) -> bool:
        """Whether a row of words begins with the phrase."""
        *whole, last = self.words
        if len(words) < len(self.words) or list(words[: len(whole)]) != whole:
            return False
        return words[len(whole)].startswith(last) if self.is_open else words[len(whole)] == last


def read_phrase(text: str) -> Phrase | None:
    """Return what was typed as a phrase; a `*` at its end leaves the last word open. None: there are no words in it."""
    words = tuple(words_of(text))
    is_open = text.rstrip().endswith("*") and bool(words) and len(words[-1]) >= MIN_BEGINNING
    return Phrase(words, is_open) if words else None


def words_of(text: str) -> list[str]:
    """Return the words of a text."""
    return WORD.findall(folded(text))


def folded(text: str) -> str:
    """Return a text without case and accents."""
    if text.isascii():
        return text.lower()
    parts = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return unicodedata.normalize("NFC", "".join(one for one in parts if unicodedata.combining(one) in SPOKEN_MARKS))


def placed_words(pieces: Sequence[str]) -> list[tuple[str, int]]:
    """Return the words of pieces of text that belong together, each with the number of the piece it begins in."""
    starts, parts = [0], [folded(piece) for piece in pieces]
    for part in parts:
        starts.append(starts[-1] + len(part))
    found = WORD.finditer("".join(parts))
    return [(match[0], bisect_right(starts, match.start()) - 1) for match in found]


def pairs(words: Sequence[str], after: Sequence[str] = ()) -> list[str]:
    """Return each two words in a row as one, beginning in `words` and going on into those `after`."""
    row = [*words, *after][: len(words) + REACH]
    return [f"{one}{JOIN}{other}" for one, other in pairwise(row)]


def runs(words: Sequence[str], after: Sequence[str]) -> list[str]:
    """Return the words that are said again and again, as `said_again`, beginning in `words`."""
    row = [*words, *after]
    return [said_again(row[at]) for at in range(len(words)) if is_run(row[at : at + REACH + 1])]


def is_run(words: Sequence[str]) -> bool:
    """Whether words begin with the same one again and again, as far as pairs reach."""
    return len(words) > REACH and len(set(words[: REACH + 1])) == 1


def said_again(word: str) -> str:
    """Return what the index has of such a run beside its pairs: each of those is found all too often."""
    return f"{word}{JOIN}{JOIN}"
