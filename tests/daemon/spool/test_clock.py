"""Stamps: time that passed, whatever was done to the wall clock."""

from __future__ import annotations

import pytest

from amanuensis.daemon.spool.clock import Stamp, machine_clock


def test_within_one_start_the_wall_clock_does_not_count() -> None:
    """A wall clock that jumps by a year changes nothing while the machine runs."""
    before = Stamp(1_000_000.0, 50.0, "a")
    assert Stamp(1_000_000.0 + 3e7, 53.5, "a").since(before) == 3.5
    assert Stamp(0.0, 53.5, "a").since(before) == 3.5


def test_across_starts_the_wall_clock_counts() -> None:
    """After a start of the machine only the wall clock is left; what it sets back counts as no time."""
    before = Stamp(1_000_000.0, 5000.0, "a")
    assert Stamp(1_000_060.0, 20.0, "b").since(before) == 60.0
    assert Stamp(999_000.0, 20.0, "b").since(before) == 0.0
    assert Stamp(1_000_060.0, 20.0, "").since(Stamp(1_000_000.0, 10.0, "")) == 60.0


def test_plain_form_is_read_again() -> None:
    """A stamp comes back from its list; anything else is refused."""
    now = machine_clock()
    again = Stamp.from_plain(now.to_plain())
    assert abs(again.since(now)) < 0.01
    for wrong in (None, [1.0, 2.0], ["a", 2.0, "b"], [1.0, 2.0, 3]):
        with pytest.raises(ValueError, match="a stamp must be"):
            Stamp.from_plain(wrong)


def test_clocks_of_the_machine_go_forward() -> None:
    """Two stamps of this process are of the same start, in order."""
    first, second = machine_clock(), machine_clock()
    assert first.boot == second.boot
    assert second.since(first) >= 0
