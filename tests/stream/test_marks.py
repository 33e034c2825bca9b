"""Marks that wait."""

from __future__ import annotations

import pytest

from amanuensis.stream.events import Marked
from amanuensis.stream.marks import MAX_MARKS, MarkQueue


def test_marks_are_answered_in_order() -> None:
    """Marks are answered up to the first that must wait."""
    marks = MarkQueue()
    for position in (100, 200, 300):
        marks.add(f"at {position}", position, position / 16)
    assert marks.answer(lambda position: position < 300) == [Marked("at 100", 6.25), Marked("at 200", 12.5)]
    assert marks.answer(lambda _: False) == []
    assert marks.answer(lambda _: True) == [Marked("at 300", 18.75)]


def test_marks_are_bounded() -> None:
    """One mark too many is refused."""
    marks = MarkQueue()
    for k in range(MAX_MARKS):
        marks.add(k, k, 0.0)
    with pytest.raises(ValueError, match="mark 'more'"):
        marks.add("more", 0, 0.0)


def test_waiting_marks_can_be_taken_over() -> None:
    """A queue made of the marks that wait in another one answers them in their order."""
    marks = MarkQueue()
    marks.add("a", 100, 6.25)
    marks.add(2, 200, 12.5)
    marks.answer(lambda position: position < 200)
    assert MarkQueue(marks.waiting).answer(lambda _: True) == [Marked(2, 12.5)]
