"""Checks what clients know of a counted stream, without knowing anything of the daemon: no number lost, none twice.

Pure: durable words and gaps in, a verdict out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tests.helpers.spoken_numbers import RATE, Counted, Spoken, number_words, number_words_in

MARGIN = RATE // 10  # samples: a number so near to a gap may have lost its edge in it


@dataclass(frozen=True, slots=True)
class Reading:
    """How numbers were read.

    Attributes:
        exact: places in the stream of the numbers whose words were committed, each once and in order.
        added: words that belong to no number.

    """

    exact: frozenset[int]
    added: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Gap:
    """Source samples [start, stop) that were reported as not transcribed."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of the numbers of a stream, each of which counts once.

    Attributes:
        committed: as they were spoken.
        in_gaps: touched by a reported gap.
        misread: not committed right, but neither were they in the undisturbed run.
        lost: the rest; the daemon owes them.
        duplicated: words that came once more, or that nobody said.

    """

    committed: int
    in_gaps: int
    misread: int
    lost: tuple[int, ...]
    duplicated: tuple[str, ...]


def read(text: str, numbers: Sequence[Spoken], cut: Collection[int] = ()) -> Reading:
    """Read numbers back from committed text, in the way that finds the most of them, before those in places `cut`.

    Where numbers are missing, as many words as they have may stand in their place: misread, and nothing was added.
    """
    said, heard = [number_words(number.value) for number in numbers], number_words_in(text)
    weights = [1 if place in cut else len(said) + 1 for place in range(len(said))]
    found = _found(said, heard, weights)
    added: list[str] = []
    places = [(-1, 0, 0), *((place, at, at + len(said[place])) for place, at in found), (len(said), len(heard), 0)]
    for (before, _, stop), (after, start, _) in pairwise(places):
        n_misread = sum(len(said[place]) for place in range(before + 1, after))
        added += heard[stop:start][n_misread:]
    return Reading(frozenset(place for place, _ in found), tuple(added))


def judge(text: str, gaps: Iterable[Gap], stream: Counted, undisturbed: Reading) -> Verdict:
    """Say what became of every number of a stream."""
    gaps = list(gaps)
    cut = {place for place, number in enumerate(stream.numbers) if any(_touch(gap, number) for gap in gaps)}
    reading = read(text, stream.numbers, cut)
    places = set(range(len(stream.numbers)))
    owed = (undisturbed.exact - cut) - reading.exact
    duplicated = list(reading.added)
    for word in undisturbed.added:
        if word in duplicated:
            duplicated.remove(word)
    return Verdict(
        committed=len(reading.exact - cut),
        in_gaps=len(cut),
        misread=len(places - cut - undisturbed.exact - reading.exact),
        lost=tuple(stream.numbers[place].value for place in sorted(owed)),
        duplicated=tuple(duplicated),
    )


def _touch(gap: Gap, number: Spoken) -> bool:
    return gap.start < number.stop + MARGIN and number.start - MARGIN < gap.stop


def _found(said: Sequence[Sequence[str]], heard: Sequence[str], weights: Sequence[int]) -> list[tuple[int, int]]:
    """Return the numbers that were heard, in order, and where their words begin: those that weigh most together."""
    best = [[0] * (len(heard) + 1) for _ in range(len(said) + 1)]  # of the numbers and words from here on
    for i in reversed(range(len(said))):
        for j in reversed(range(len(heard) + 1)):
            words = said[i]
            taken = weights[i] + best[i + 1][j + len(words)] if heard[j : j + len(words)] == words else 0
            skipped = max(best[i + 1][j], best[i][j + 1] if j < len(heard) else 0)
            best[i][j] = max(taken, skipped)
    found: list[tuple[int, int]] = []
    i = j = 0
    while i < len(said) and j < len(heard):
        words = said[i]
        if heard[j : j + len(words)] == words and best[i][j] == weights[i] + best[i + 1][j + len(words)]:
            found.append((i, j))
            i, j = i + 1, j + len(words)
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return found
