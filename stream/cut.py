"""Where a window that has grown long is cut: between two committed words, in a pause if there is one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from amanuensis.stream.resample import MODEL_RATE
from amanuensis.stream.words import TimedWord

__all__ = ["CUT_ANYWHERE_FROM", "CUT_FROM", "Cut", "after_peak", "ends_sentence", "find_cut", "next_word_from"]

# Of the longest window, by the audio context: from where on a good pause is looked for, and from where on any committed
# word will do. Every tick encodes the whole window; only the built-in model is known to read short ones as well.
CUT_FROM: Final = {"free": 0.3, "padded": 0.5}
CUT_ANYWHERE_FROM: Final = {"free": 0.5, "padded": 0.8}
SENTENCE_END: Final = (".", "?", "!", "。", "？", "！")  # noqa: RUF001 - full-width punctuation is meant
CLAUSE_END: Final = (",", ";", ":", "、", "，")  # noqa: RUF001 - full-width punctuation is meant
SENTENCE_BONUS_S: Final = 0.3  # a sentence end is worth as much as so long a pause
CLAUSE_BONUS_S: Final = 0.1
SHORTEST_SOUND: Final = 1_600  # samples, 100 ms: of a token
INEXACT: Final = 480  # samples, 30 ms: times of words are no better
REACH: Final = 4_800  # samples, 300 ms: after the last attention peak of a word the next may begin, if it was not heard
Quietest = Callable[[int, int], int]


@dataclass(frozen=True, slots=True)
class Cut:
    """The window's new start, how many committed words lie before it, and how good the place is in seconds of pause."""

    position: int
    n_words: int
    score: float


def ends_sentence(text: str) -> bool:
    """Return whether a word closes a sentence."""
    return text.rstrip("\"')]”’").endswith(SENTENCE_END)  # noqa: RUF001 - typographic quotes are meant


def after_peak(peak: int, stop: int) -> int:
    """Return from where the sound of a word may be over: soon after its last attention peak, which is where it sets in.

    Args:
        peak: the attention peak.
        stop: the answer is at most half-way to this position.

    """
    return min(peak + SHORTEST_SOUND, (peak + stop) // 2)


def next_word_from(word: TimedWord, end: int) -> int:
    """Return where another word may begin at the earliest, which no window may cut.

    Args:
        word: the one before.
        end: where that ends.

    """
    return max(word.last, min(end - INEXACT, word.last + REACH))


def find_cut(
    words: Sequence[TimedWord], earliest: int, latest: int, keep: int, quietest: Quietest, *, least: float = -math.inf
) -> Cut | None:
    """Return the best place to cut, None when there is none in the bounds.

    Args:
        words: committed words whose sound is in the window, in order.
        earliest: position before which no cut is wanted.
        latest: position after which no cut is allowed.
        keep: so many words stay behind the cut, so that the decoder goes on after words that it hears.
        quietest: returns the quietest position between two positions.
        least: score that a place must have.

    """
    best: Cut | None = None
    for n in range(1, len(words) - keep + 1):
        before = words[n - 1]
        after = words[n].first if n < len(words) else max(min(before.end, before.last + REACH), before.last + 1)
        if after < earliest or before.last > latest:
            continue
        score = _score(before, after)
        if score >= (best.score if best else least):
            position = quietest(after_peak(before.last, after), after) if after > before.last else before.last
            if earliest <= position <= latest:
                best = Cut(position, n, score)
    return best


def _score(before: TimedWord, after: int) -> float:
    pause_s = (after - before.last) / MODEL_RATE
    if ends_sentence(before.text):
        return pause_s + SENTENCE_BONUS_S
    return pause_s + (CLAUSE_BONUS_S if before.text.endswith(CLAUSE_END) else 0.0)
