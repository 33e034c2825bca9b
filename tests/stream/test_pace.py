"""How often ticks are asked for."""

from __future__ import annotations

from amanuensis.stream.pace import MAX_TICK_MS, TickPace


def test_quick_ticks_come_as_set() -> None:
    """Ticks that take less than four fifths of their interval do not change it."""
    pace = TickPace()
    assert pace.interval_ms(500) == 500
    pace.measured(400)
    assert pace.interval_ms(500) == 500


def test_slow_ticks_stretch_at_once_and_recover_slowly() -> None:
    """One slow answer counts at once; quick ones bring the interval back within some ticks, never below what is set."""
    pace = TickPace()
    pace.measured(2_000)
    assert pace.interval_ms(500) == 2_500
    intervals = []
    for _ in range(12):
        pace.measured(100)
        intervals.append(pace.interval_ms(500))
    assert intervals == sorted(intervals, reverse=True)
    assert intervals[0] > 1_500
    assert intervals[-1] == 500


def test_ticks_never_stretch_beyond_their_bound() -> None:
    """A stalled engine does not stop the ticks of the time after it."""
    pace = TickPace()
    pace.measured(60_000)
    assert pace.interval_ms(500) == MAX_TICK_MS
