"""Two clocks for what outlives a process: the wall's, which can be set, and the machine's, which counts from its start.

Within one start of the machine the time between two stamps is exact, whatever was done to the wall clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeAlias

BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Stamp:
    """A moment.

    Attributes:
        wall_s: seconds since the epoch.
        uptime_s: seconds since the machine started, sleep included.
        boot: which start of the machine that was; empty where it is not known.

    """

    wall_s: float
    uptime_s: float
    boot: str = ""

    def since(self, earlier: Stamp) -> float:
        """Return the seconds from an earlier stamp to this one; 0 when the wall clock says that it is later."""
        same_boot = self.boot != "" and self.boot == earlier.boot
        passed_s = self.uptime_s - earlier.uptime_s if same_boot else self.wall_s - earlier.wall_s
        return max(0.0, passed_s)

    def to_plain(self) -> list[Any]:
        """Return it as a list for a record."""
        return [round(self.wall_s, 3), round(self.uptime_s, 3), self.boot]

    @classmethod
    def from_plain(cls, plain: object) -> Stamp:
        """Return the stamp of a record.

        Raises:
            ValueError: it is none.

        """
        match plain:
            case [int() | float() as wall_s, int() | float() as uptime_s, str() as boot]:
                return cls(float(wall_s), float(uptime_s), boot)
        raise ValueError("a stamp must be a list of two numbers and a text")


Clock: TypeAlias = Callable[[], Stamp]


def machine_clock() -> Stamp:
    """Return this moment on the clocks of this machine."""
    return Stamp(time.time(), time.clock_gettime(time.CLOCK_BOOTTIME), _boot())


@cache
def _boot() -> str:
    try:
        return BOOT_ID.read_text().strip()[:8]  # enough to tell one start from the next
    except OSError:
        return ""
