"""The time of a device: that of the machine, or the virtual time of the emulator."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """Where the runtime reads the time and waits.

    Attributes:
        monotonic: seconds.
        sleep: waits so many seconds; other threads may run meanwhile.
        modelled_us: the emulator's own sum of modelled device microseconds; None where time is measured.

    """

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    modelled_us: Callable[[], float] | None = None
