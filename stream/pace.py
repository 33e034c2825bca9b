"""How often a stream asks for a tick: less often when the engine is slow or busy, so that finals find it free."""

from __future__ import annotations

from typing import Final

__all__ = ["TickPace"]

STRETCH: Final = 1.25  # ticks of one stream leave a fifth of the time that they take, waiting included
MAX_TICK_MS: Final = 5_000.0  # words are committed within 8 s even so
RECOVERY: Final = 0.3  # share of a quicker answer; a slower one counts at once


class TickPace:
    """The pace of one stream, from how long its ticks took.

    With many streams on one engine each tick waits for the others: all pace down alike, until what they ask for fits.
    """

    def __init__(self) -> None:
        self._taken_ms = 0.0

    def measured(self, taken_ms: float) -> None:
        """Take note that a tick was answered `taken_ms` after it was handed out."""
        slower = taken_ms >= self._taken_ms
        self._taken_ms = taken_ms if slower else self._taken_ms + RECOVERY * (taken_ms - self._taken_ms)

    def interval_ms(self, tick_ms: float) -> float:
        """Return how much new audio makes a tick due, given what is set."""
        return max(tick_ms, min(STRETCH * self._taken_ms, MAX_TICK_MS))
