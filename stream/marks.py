"""Marks that wait until everything before them is final."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from amanuensis.stream.events import Marked

__all__ = ["MAX_MARKS", "Mark", "MarkQueue"]

MAX_MARKS: Final = 64  # that wait for their answer


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark at a 16 kHz position, which is media time `at_ms`."""

    id: str | int
    position: int
    at_ms: float


class MarkQueue:
    """The marks of one stream, in order."""

    def __init__(self, marks: Iterable[Mark] = ()) -> None:
        self._marks: deque[Mark] = deque(marks)

    @property
    def waiting(self) -> tuple[Mark, ...]:
        """The marks that were not answered yet, in order."""
        return tuple(self._marks)

    def add(self, id: str | int, position: int, at_ms: float) -> None:  # noqa: A002 - the name on the wire
        """Add a mark at a 16 kHz position, which is media time `at_ms`.

        Raises:
            ValueError: too many marks wait for their answer.

        """
        if len(self._marks) >= MAX_MARKS:
            raise ValueError(f"mark {id!r}: {MAX_MARKS} marks are waiting already; wait for `marked`")
        self._marks.append(Mark(id, position, at_ms))

    def answer(self, is_final_before: Callable[[int], bool]) -> list[Marked]:
        """Return the answers that are due, in order."""
        answers: list[Marked] = []
        while self._marks and is_final_before(self._marks[0].position):
            mark = self._marks.popleft()
            answers.append(Marked(mark.id, mark.at_ms))
        return answers
