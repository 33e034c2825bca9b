"""When to send the device something to do so that it does not fall asleep. Pure: the time is given.

The driver suspends the device after 5 s without work (amdxdna_pm.c), and the next dispatch then takes 121 to 136 ms
(mlir-aie#2944). While somebody speaks or has just spoken, an empty dispatch every few seconds is cheaper than that;
after a minute of silence the device may sleep, and the next voice wakes it before its first window is full.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

KEEP_WARM_S: Final = 3.5  # a second and a half before the driver would suspend
REST_AFTER_S: Final = 60.0  # of silence


@dataclass(slots=True)
class Warmth:
    """The warmth of one device; all times on one clock, in seconds.

    Attributes:
        every_s: between empty dispatches.
        rest_after_s: without voice or work the device may sleep.

    """

    every_s: float = KEEP_WARM_S
    rest_after_s: float = REST_AFTER_S
    _streams: int = 0
    _worked_s: float = float("-inf")  # when the device last had anything to do
    _wanted_s: float = float("-inf")  # when it was last needed, or likely to be soon

    def used(self, now_s: float) -> None:
        """Take note that the device has just decoded something."""
        self._worked_s = self._wanted_s = now_s

    def warmed(self, now_s: float) -> None:
        """Take note that the device has just had an empty dispatch."""
        self._worked_s = now_s

    def wake(self, now_s: float) -> None:
        """Take note that somebody speaks: work will come soon."""
        self._wanted_s = now_s

    def streams(self, n_open: int, now_s: float) -> None:
        """Take note of how many streams are open; a new one is a reason to be awake."""
        if n_open > self._streams:
            self.wake(now_s)
        self._streams = n_open

    def wait_s(self, now_s: float) -> float | None:
        """Return in how many seconds an empty dispatch is due; None: not before somebody speaks."""
        if not self._streams or now_s - self._wanted_s >= self.rest_after_s:
            return None
        return max(0.0, self._worked_s + self.every_s - now_s)
