"""How many streams a host carries, by the windows that it decodes."""

from __future__ import annotations

import pytest

from amanuensis.daemon.cluster.capacity import RECENT, Learnt


def test_windows_of_streams_say_it_once_there_are_enough() -> None:
    """Until then the measurement at the start counts; a window of 45 ms every half second is 10 streams at 90 %."""
    learnt = Learnt(batch=1)
    for _ in range(RECENT - 1):
        learnt.answered(45.0)
        assert learnt.streams(3.0) == 3.0
    learnt.answered(45.0)
    assert learnt.streams(3.0) == pytest.approx(10.0)
    for _ in range(RECENT):
        learnt.answered(90.0)
    assert learnt.streams(3.0) == pytest.approx(5.0)  # it has become slower


def test_several_windows_at_once_carry_more() -> None:
    """A batch of two carries twice as much, and an engine that takes no time has a bound."""
    learnt = Learnt(batch=2)
    for _ in range(RECENT):
        learnt.answered(45.0)
    assert learnt.streams(0.0) == pytest.approx(20.0)
    for _ in range(RECENT):
        learnt.answered(0.0)
    assert learnt.streams(0.0) == pytest.approx(900.0)
