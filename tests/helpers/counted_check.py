"""Checks what clients know of a counted stream, without knowing anything of the daemon: no number lost, none twice.

Pure: durable words and gaps in, a verdict out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

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


def read(text: str, numbers: Sequence[Spoken]) -> Reading:
    """Read numbers back from committed text, by the alignment with the fewest words that differ."""
    heard = number_words_in(text)
    said = [(place, word) for place, number in enumerate(numbers) for word in number_words(number.value)]
    same, added = _aligned([word for _, word in said], heard)
    wrong = {place for index, (place, _) in enumerate(said) if index not in same}
    return Reading(frozenset(range(len(numbers))) - wrong, tuple(added))


def judge(text: str, gaps: Iterable[Gap], stream: Counted, undisturbed: Reading) -> Verdict:
    """Say what became of every number of a stream."""
    gaps = list(gaps)
    reading = read(text, stream.numbers)
    cut = {place for place, number in enumerate(stream.numbers) if any(_touch(gap, number) for gap in gaps)}
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


def _aligned(said: Sequence[str], heard: Sequence[str]) -> tuple[set[int], list[str]]:
    """Return the places of said words that were heard, and the words that were heard beside those said."""
    costs = _costs(said, heard)
    same: set[int] = set()
    added: list[str] = []
    i, j = len(said), len(heard)
    while i or j:
        if i and j and said[i - 1] == heard[j - 1] and costs[i][j] == costs[i - 1][j - 1]:
            i, j = i - 1, j - 1
            same.add(i)
        elif i and j and costs[i][j] == costs[i - 1][j - 1] + 1:
            i, j = i - 1, j - 1
        elif j and costs[i][j] == costs[i][j - 1] + 1:
            j -= 1
            added.append(heard[j])
        else:
            i -= 1
    return same, added[::-1]


def _costs(said: Sequence[str], heard: Sequence[str]) -> list[list[int]]:
    """Return the edit distances of all beginnings."""
    costs = [list(range(len(heard) + 1))]
    for i, word in enumerate(said, 1):
        row = [i]
        for j, other in enumerate(heard, 1):
            row.append(min(costs[-1][j] + 1, row[-1] + 1, costs[-1][j - 1] + (word != other)))
        costs.append(row)
    return costs
