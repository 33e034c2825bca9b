"""What was found beside what is accepted: what is worse, what is better, and what cannot be compared here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Final, Literal

from amanuensis.benchmarks.guard import counts, ratios
from amanuensis.benchmarks.guard.accepted import ACCEPT, Figures

COUNTS_TOLERANCE: Final = 0.05
RATIOS_TOLERANCE: Final = 0.30
SHOWN_WORDS: Final = 6  # of a text that is another one
Outcome = Literal["worse", "better", "as accepted", "not compared"]


@dataclass(frozen=True, slots=True)
class Line:
    """One figure and what came of it.

    Attributes:
        name: of the count or ratio.
        meaning: in words.
        accepted, found: its values.
        tolerance: what it may be worse by, as a share of the accepted value.
        outcome: of the comparison.

    """

    name: str
    meaning: str
    accepted: float
    found: float
    tolerance: float
    outcome: Outcome

    def __str__(self) -> str:
        change = f", {100 * (self.found / self.accepted - 1):+.1f} %" if self.accepted else ""
        text = f"{self.name}: accepted {self.accepted:g}, found {self.found:g}{change}"
        if self.outcome == "worse":
            return (
                f"WORSE: {text} (up to {100 * self.tolerance:+.0f} % passes): {self.meaning}. "
                f"Find what does more than before; where that is worth it, say why and accept it: {ACCEPT}"
            )
        return f"better: {text}; {ACCEPT}" if self.outcome == "better" else f"{self.outcome}: {text}"


def compare_counts(accepted: Figures, found: Figures) -> list[Line]:
    """Compare the counts that mean the same with the versions of both."""
    same_python = accepted.python == found.python
    comparable = {
        "nothing": True,
        "python": same_python,
        "libraries": same_python and accepted.libraries == found.libraries,
    }
    return [
        _line(
            Line(name, meaning.text, accepted.counts[name], found.counts[name], COUNTS_TOLERANCE, "as accepted"),
            comparable=comparable[meaning.depends_on],
        )
        for name, meaning in counts.MEANINGS.items()
    ]


def compare_ratios(accepted: Figures, cpu: str, found: Mapping[str, float]) -> list[Line]:
    """Compare ratios; those that another CPU took are not."""
    return [
        _line(
            Line(name, ratios.MEANINGS[name], accepted.ratios[name], value, RATIOS_TOLERANCE, "as accepted"),
            comparable=accepted.cpu == cpu,
        )
        for name, value in found.items()
    ]


def _line(line: Line, *, comparable: bool) -> Line:
    """Return a line with its outcome."""
    if not comparable:
        return replace(line, outcome="not compared")
    if line.found > line.accepted * (1 + line.tolerance):
        return replace(line, outcome="worse")
    return replace(line, outcome="better") if line.found < line.accepted * (1 - line.tolerance) else line


def notes(accepted: Figures, found: Figures) -> Iterator[str]:
    """Yield what keeps the two from being compared, or makes them differ for another reason."""
    if accepted.versions() != found.versions():
        yield (
            f"accepted with {accepted.versions()}, here is {found.versions()}: "
            "counts that depend on these versions are told, not compared"
        )
    if accepted.cpu != found.cpu:
        yield f"accepted on {accepted.cpu}, here is {found.cpu}: ratios of times are told, not compared"
    if accepted.text != found.text:
        yield f"the text is another one, which may change counts: {_differences(accepted.text, found.text)}"


def _differences(accepted: str, found: str) -> str:
    """Return the words in which two texts differ first."""
    first, second = accepted.split(), found.split()
    at = next((k for k, (one, other) in enumerate(zip_longest(first, second)) if one != other), 0)
    told, heard = (" ".join(words[at : at + SHOWN_WORDS]) for words in (first, second))
    return f"from word {at + 1} on {told!r} was accepted, {heard!r} is found"
