"""How many samples should have come from a recorder that says nothing of what it loses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

STEP_S: Final = 0.5  # less is the trembling of pipes and schedulers
SETTLE_S: Final = 1.0  # what was only held up has come by then
MAX_DRIFT: Final = 1e-3  # two quartz clocks differ by a tenth of that at most
MAX_LOSS_S: Final = 60.0  # of one hole, as of a microphone's


class SampleClock:
    """Holds samples against a clock; a hole is noticed up to a second after its place.

    Args:
        rate: Hz.
        clock: seconds that never go back and count while the machine sleeps.

    """

    def __init__(self, rate: int, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._clock = clock
        self._come_s = 0.0  # sound that came, or was missed
        self._start_s: float | None = None  # when the first sample was captured, on our clock
        self._last_s = 0.0
        self._behind_since_s: float | None = None

    def missing(self, samples: int) -> int:
        """Take note of samples that have just come; returns how many did not come before them."""
        now_s = self._clock()
        self._come_s += samples / self._rate
        if self._start_s is None:
            self._start_s, self._last_s = now_s - self._come_s, now_s
        passed_s, self._last_s = now_s - self._last_s, now_s
        behind_s = now_s - self._start_s - self._come_s
        if behind_s < STEP_S:
            # The sound card's clock is another one: its drift must not add up to a hole.
            self._start_s += min(behind_s, MAX_DRIFT * passed_s)
            self._behind_since_s = None
            return 0
        if self._behind_since_s is None:
            self._behind_since_s = now_s
        if now_s - self._behind_since_s < SETTLE_S:
            return 0
        self._behind_since_s = None
        self._start_s += max(0.0, behind_s - MAX_LOSS_S)
        lost_s = min(behind_s, MAX_LOSS_S)
        self._come_s += lost_s
        return round(lost_s * self._rate)
