"""Pieces and pace of sources."""

from __future__ import annotations

import pytest

from amanuensis.daemon.sources.base import Pacer, chunk_s


class Clock:
    """A clock that a test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_first_piece_is_due_at_once() -> None:
    """A source does not wait before its first piece, wherever it begins."""
    assert Pacer(1.0, Clock()).delay_s(3.0) == 0.0


@pytest.mark.parametrize("speed", [0.5, 1.0, 4.0])
def test_pieces_are_due_at_media_time_over_speed(speed: float) -> None:
    """A piece waits until its place in the sound, divided by the speed, has come."""
    clock = Clock()
    pacer = Pacer(speed, clock)
    pacer.delay_s(0.0)
    clock.now += 0.25
    assert pacer.delay_s(1.0) == pytest.approx(1.0 / speed - 0.25)


def test_lateness_does_not_add_up() -> None:
    """After a piece that came late the next ones are due at their old times."""
    clock = Clock()
    pacer = Pacer(1.0, clock)
    pacer.delay_s(0.0)
    clock.now += 5.0
    assert pacer.delay_s(2.0) == 0.0
    assert pacer.delay_s(6.0) == pytest.approx(1.0)


@pytest.mark.parametrize(("speed", "expected"), [(0, 1.0), (0.5, 0.02), (1, 0.02), (10, 0.2), (1000, 1.0)])
def test_pieces_grow_with_the_speed_up_to_a_second(speed: float, expected: float) -> None:
    """A fast source wakes no more often than a slow one, and hands over a second at most."""
    assert chunk_s(speed) == pytest.approx(expected)
