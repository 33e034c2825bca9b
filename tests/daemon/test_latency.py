"""When sound arrived."""

from __future__ import annotations

import pytest

from amanuensis.daemon.latency import MAX_STEPS, STEP_MS, Arrivals


def test_sound_is_timed_by_the_piece_it_came_in() -> None:
    """A moment of the sound is as old as the piece that brought it; what is still to come counts as the newest."""
    arrivals = Arrivals()
    assert arrivals.since(0, 5) is None
    arrivals.note(100, 1.0)
    arrivals.note(200, 2.0)
    assert [arrivals.since(at_ms, 5.0) for at_ms in (0, 100, 101, 200, 999)] == [4.0, 4.0, 3.0, 3.0, 3.0]


def test_what_came_before_is_not_known() -> None:
    """Sound that another process heard has no time."""
    arrivals = Arrivals(1000)
    arrivals.note(1100, 1.0)
    assert arrivals.since(999, 2.0) is None
    assert arrivals.since(1000, 2.0) == 1.0


def test_small_pieces_cost_no_more() -> None:
    """However small the pieces are, so much is kept, and the error is at most a step."""
    arrivals = Arrivals()
    for k in range(1, 100_000):
        arrivals.note(k, k / 1000)  # a piece each millisecond, as it is heard
    assert len(arrivals._ends_ms) <= MAX_STEPS
    for at_ms in (50_000, 77_777, 99_999):
        assert arrivals.since(at_ms, 100.0) == pytest.approx(100 - at_ms / 1000, abs=STEP_MS / 1000)


def test_the_oldest_is_forgotten() -> None:
    """A session of hours keeps minutes."""
    arrivals = Arrivals()
    for k in range(1, 3 * MAX_STEPS):
        arrivals.note(STEP_MS * k, float(k))
    assert len(arrivals._ends_ms) <= MAX_STEPS
    assert arrivals.since(0, 0.0) is None
    newest = 3 * MAX_STEPS - 1
    assert arrivals.since(STEP_MS * (newest - MAX_STEPS // 2 + 1), float(newest)) == MAX_STEPS // 2 - 1
