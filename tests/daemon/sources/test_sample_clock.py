"""Holes in the sound of a recorder that says nothing of what it loses."""

from __future__ import annotations

from dataclasses import dataclass

from amanuensis.daemon.sources.sample_clock import MAX_LOSS_S, SETTLE_S, SampleClock

RATE = 48_000
STEP_S = 0.02


@dataclass
class Recording:
    """A recorder and a clock that the test moves."""

    now_s: float = 1000.0

    def __post_init__(self) -> None:
        self.clock = SampleClock(RATE, lambda: self.now_s)

    def hear(self, seconds: float, rate: float = RATE) -> float:
        """Let sound come in real time; returns how many seconds were said to be missing."""
        lost = 0
        for _ in range(round(seconds / STEP_S)):
            self.now_s += STEP_S
            lost += self.clock.missing(round(STEP_S * rate))
        return lost / RATE


def test_sound_in_time_misses_nothing() -> None:
    """Neither a steady stream nor one that a busy machine hands over in bursts has holes."""
    recording = Recording()
    assert recording.hear(5) == 0
    recording.now_s += 3  # held up, then all of it at once
    assert recording.clock.missing(RATE) == 0
    assert recording.clock.missing(2 * RATE) == 0
    assert recording.hear(5) == 0


def test_a_hole_is_as_long_as_the_time_without_sound() -> None:
    """It is told once, when it is clear that nothing comes after all."""
    recording = Recording()
    recording.hear(2)
    recording.now_s += 4
    assert abs(recording.hear(SETTLE_S + 1) - 4) < 2 * STEP_S
    assert recording.hear(20) == 0


def test_a_hole_is_bounded() -> None:
    """A night asleep is not a night of lost sound, and not told again and again."""
    recording = Recording()
    recording.hear(2)
    recording.now_s += 36_000
    assert recording.hear(5) == MAX_LOSS_S
    assert recording.hear(60) == 0


def test_the_drift_of_a_sound_card_is_no_hole() -> None:
    """Clocks that differ by 500 parts in a million never add up to a hole, whichever is faster."""
    for factor in (0.9995, 1.0005):
        assert Recording().hear(1800, RATE * factor) == 0
