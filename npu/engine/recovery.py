"""What is started after an engine process died, when, and whether the CPU takes the device's place. Pure.

A device whose process dies again and again may be in a state that only time or an operator mends, while the CPU beside
it works. So after a few deaths the whole engine runs on the CPU, and the device is tried again after ever longer waits.
What a device says of its failures without dying is the business of `amanuensis.npu.devices.fallback`.
"""

from __future__ import annotations

from typing import Final

from amanuensis.npu.engine.supervision import Supervision

STEADY_WINDOWS: Final = 16  # answered in a row: the device works again, and the next death is a new trouble
MAX_DOUBLINGS: Final = 32


class Recovery:
    """The memory of one engine's crashes.

    Args:
        rules: how often and how soon.
        device: that the engine was configured for, "cpu" where there is nothing to fall back from.

    Attributes:
        crashes_in_a_row: without an answer or a steady process between them.
        on_cpu: whether the CPU takes the device's place.
        why: why it does; empty while it does not.

    """

    def __init__(self, rules: Supervision, device: str) -> None:
        self._rules = rules
        self._device = device
        self.crashes_in_a_row = 0
        self.on_cpu = False
        self.why = ""
        self._device_crashes = 0  # since it was steady
        self._good_windows = 0  # answered by the device since it was started
        self._failures = 0  # of the device, in a row: it was given up or did not come back
        self._retry_s = 0.0

    @property
    def can_fall_back(self) -> bool:
        """Whether another crash could be answered by going to the CPU."""
        return self._device != "cpu" and not self.on_cpu

    def crashed(self, why: str, now_s: float, *, served_s: float, at_window: bool) -> None:
        """Take note that a process died.

        Args:
            why: in words.
            now_s: seconds on a monotonic clock.
            served_s: for how long it took windows.
            at_window: whether a window has killed it so often that only another device is worth a try.

        """
        self.crashes_in_a_row = 1 if served_s >= self._rules.steady_s else self.crashes_in_a_row + 1
        if not self.can_fall_back:
            return
        self._device_crashes += 1
        self._good_windows = 0
        allowed = 1 if self._failures else self._rules.device_crashes  # just back, and dead again
        if at_window or self._device_crashes >= allowed:
            times = "once" if self._device_crashes == 1 else f"{self._device_crashes} times"
            self._give_up_device(f"the engine died {times} on {self._device}; last: {why}", now_s)

    def answered(self) -> None:
        """Take note that a window was answered."""
        self.crashes_in_a_row = 0
        if not self.on_cpu:
            self._good_windows += 1
            if self._good_windows >= STEADY_WINDOWS:
                self._device_crashes = self._failures = 0

    def wait_s(self) -> float:
        """Return how long to wait before the next process is started."""
        doublings = min(max(0, self.crashes_in_a_row - 1), MAX_DOUBLINGS)
        return min(self._rules.backoff_s * (2.0**doublings - 1), self._rules.max_backoff_s)

    def retry_in_s(self, now_s: float) -> float:
        """Return in how many seconds the device is to be tried again."""
        return max(0.0, self._retry_s - now_s)

    def retry_failed(self, why: str, now_s: float) -> None:
        """Take note that the device could not be brought back."""
        self._give_up_device(f"{self._device} does not come back: {why}", now_s)

    def came_back(self) -> None:
        """Take note that the device takes windows again."""
        self.on_cpu = False
        self.why = ""
        self._device_crashes = self._good_windows = 0

    def _give_up_device(self, why: str, now_s: float) -> None:
        self.on_cpu = True
        self.why = why
        wait_s = self._rules.device_retry_s * 2.0 ** min(self._failures, MAX_DOUBLINGS)
        self._retry_s = now_s + min(wait_s, self._rules.max_device_retry_s)
        self._failures += 1
