"""Where people on different tracks of a meeting speak at once: known from their words, never guessed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from amanuensis.daemon.meetings.model import HeardWord, Line
from amanuensis.stream.normalise import normalise_word

JOIN_MS: Final = 300.0  # between words of one track: still the same speech
LEAST_MS: Final = 300.0  # word times are not better
ECHO_SHARE: Final = 0.5  # of words that both tracks have: one hears the other's loudspeaker


@dataclass(frozen=True, slots=True)
class Overlap:
    """Two tracks with speech at the same time."""

    start_ms: float
    end_ms: float
    tracks: tuple[str, str]


def overlaps(lines: Iterable[Line]) -> list[Overlap]:
    """Return where two tracks have words at once, in order; an echo, which is the same words twice, is none."""
    words: dict[str, list[HeardWord]] = {}
    for line in lines:
        words.setdefault(line.track, []).extend(line.utterance.words)
    found: list[Overlap] = []
    for one, other in combinations(sorted(words), 2):
        for start_ms, end_ms in _both(_spans(words[one]), _spans(words[other])):
            if end_ms - start_ms >= LEAST_MS and not _is_echo(words[one], words[other], start_ms, end_ms):
                found.append(Overlap(start_ms, end_ms, (one, other)))
    return sorted(found, key=lambda overlap: overlap.start_ms)


def _spans(words: Iterable[HeardWord]) -> list[tuple[float, float]]:
    spans: list[tuple[float, float]] = []
    for word in sorted(words, key=lambda word: word.start_ms):
        if spans and word.start_ms - spans[-1][1] <= JOIN_MS:
            spans[-1] = (spans[-1][0], max(spans[-1][1], word.end_ms))
        else:
            spans.append((word.start_ms, word.end_ms))
    return spans


def _both(these: Sequence[tuple[float, float]], those: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return where spans of both lie."""
    found, i, j = [], 0, 0
    while i < len(these) and j < len(those):
        start, end = max(these[i][0], those[j][0]), min(these[i][1], those[j][1])
        if start < end:
            found.append((start, end))
        if these[i][1] <= those[j][1]:
            i += 1
        else:
            j += 1
    return found


def _is_echo(these: Sequence[HeardWord], those: Sequence[HeardWord], start_ms: float, end_ms: float) -> bool:
    one, other = (_said(words, start_ms, end_ms) for words in (these, those))
    return len(one & other) >= ECHO_SHARE * max(1, min(len(one), len(other)))


def _said(words: Iterable[HeardWord], start_ms: float, end_ms: float) -> set[str]:
    return {normalise_word(word.text) for word in words if word.start_ms < end_ms and word.end_ms > start_ms}
