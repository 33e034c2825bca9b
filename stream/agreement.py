"""LocalAgreement-2: what two successive hypotheses share is committed.

Source of the idea: Liu et al. 2020 and whisper_streaming (Machacek et al. 2023); here words are compared by their
normalised form, and the newer surface is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from amanuensis.stream.normalise import normalise_word
from amanuensis.stream.words import TimedWord

__all__ = ["SURE", "agreed_words", "before_edge", "late_words", "sure_words"]

SURE: Final = 0.5  # confidence from which more sound will hardly correct a word
COMMIT_WITHIN: Final = 128_000  # samples, 8 s without a commit after which the older half of them is forced
UNSURE_EDGE: Final = 24_000  # samples, 1.5 s: so much sound must follow an unsure word


def agreed_words(previous: Sequence[TimedWord], current: Sequence[TimedWord]) -> int:
    """Return how many words of `current` from its start are agreed with `previous`.

    Words that are punctuation only are of no account in the comparison; one is agreed when an agreed word follows it.
    """
    keys = [key for word in previous if (key := normalise_word(word.text))]
    n_agreed = matched = 0
    for k, word in enumerate(current):
        key = normalise_word(word.text)
        if not key:
            continue
        if matched == len(keys) or key != keys[matched]:
            break
        matched += 1
        n_agreed = k + 1
    return n_agreed


def before_edge(words: Sequence[TimedWord], n: int, audio_end: int, edge: int) -> int:
    """Return how many of the first `n` words are safe from the edge of the audio.

    A word is not when its attention peak lies within `edge` samples of `audio_end`; nor is the last word of the
    hypothesis, which more sound may still change, unless the audio went on for twice as long after it.
    """
    while n and words[n - 1].last > audio_end - (2 * edge if n == len(words) else edge):
        n -= 1
    return n


def late_words(words: Sequence[TimedWord], since: int, audio_end: int) -> int:
    """Return how many of the first words must be committed, agreed or not, because nothing was for too long.

    Args:
        words: the hypothesis.
        since: end of the last committed word, or the start of the window.
        audio_end: position after the newest sample.

    """
    if audio_end - since < COMMIT_WITHIN:
        return 0
    return sum(word.last < audio_end - COMMIT_WITHIN // 2 for word in words)


def sure_words(words: Sequence[TimedWord], n: int, audio_end: int) -> int:
    """Return how many of the first `n` words come before one that is unsure and has little sound after it.

    More sound often corrects such a word; committed at once, it would stand beside its correction.
    """
    for k, word in enumerate(words[:n]):
        if word.conf < SURE and word.last > audio_end - UNSURE_EDGE:
            return k
    return n
