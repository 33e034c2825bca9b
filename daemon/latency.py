"""When the sound of a session arrived, so that what is said of it can be timed. Pure."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import Final

STEP_MS: Final = 20.0  # sound that comes in smaller pieces is timed in steps of this
MAX_STEPS: Final = 8192  # 164 s: more than may wait to be decoded, at the default of stream.max_pending_s


class Arrivals:
    """The times at which the sound up to a position had arrived; kept for as long as there is room.

    Args:
        start_ms: media time of the first sound that will be noted.

    """

    def __init__(self, start_ms: float = 0.0) -> None:
        self._start_ms = start_ms
        self._ends_ms = array("d")
        self._times_s = array("d")

    def note(self, end_ms: float, now_s: float) -> None:
        """Take note that the sound before `end_ms` (media time) has arrived by now."""
        if len(self._ends_ms) > 1 and end_ms - self._ends_ms[-2] < STEP_MS:
            self._ends_ms.pop()
            self._times_s.pop()
        self._ends_ms.append(end_ms)
        self._times_s.append(now_s)
        if len(self._ends_ms) > MAX_STEPS:
            self._start_ms = self._ends_ms[MAX_STEPS // 2 - 1]
            del self._ends_ms[: MAX_STEPS // 2], self._times_s[: MAX_STEPS // 2]

    def since(self, at_ms: float, now_s: float) -> float | None:
        """Return the seconds since the sound at a media time arrived; None: it came before what is known."""
        if not self._ends_ms or at_ms < self._start_ms:
            return None
        index = min(bisect_left(self._ends_ms, at_ms), len(self._ends_ms) - 1)
        return now_s - self._times_s[index]
