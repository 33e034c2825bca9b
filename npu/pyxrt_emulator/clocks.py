"""The time of the emulated device: virtual, moved only by what is modelled, or that of the machine."""

from __future__ import annotations

import ctypes
import time
from typing import Protocol

NS_PER_US = 1000
NS_PER_S = 1_000_000_000


class Clock(Protocol):
    """Where the emulator reads the time and lets it pass; nanoseconds since the clock was made."""

    @property
    def now_ns(self) -> int: ...

    def monotonic(self) -> float:
        """Return seconds, as `time.monotonic` does."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let time pass, as `time.sleep` does."""
        ...

    def spend(self, ns: int) -> None:
        """Let the host be busy for a time that the emulator does not itself take."""
        ...

    def model(self, ns: int) -> None:
        """Account for work that the emulator really does, such as copying bytes."""
        ...

    def poll(self, step_ns: int, end_ns: int | None) -> None:
        """Let the time pass that a host spends between two looks at a command that ends at `end_ns` (None: never)."""
        ...

    def block_until(self, ns: int) -> None:
        """Wait as the binding does: with the interpreter's lock held."""
        ...


class VirtualClock:
    """Time that only moves by modelled time, so that no test waits."""

    def __init__(self) -> None:
        self._ns = 0

    @property
    def now_ns(self) -> int:
        return self._ns

    def monotonic(self) -> float:
        return self._ns / NS_PER_S

    def sleep(self, seconds: float) -> None:
        self._ns += round(seconds * NS_PER_S)

    def spend(self, ns: int) -> None:
        self._ns += ns

    def model(self, ns: int) -> None:
        self._ns += ns

    def poll(self, step_ns: int, end_ns: int | None) -> None:
        later = self._ns + step_ns
        self._ns = later if end_ns is None else max(self._ns, min(later, end_ns))

    def block_until(self, ns: int) -> None:
        self._ns = max(self._ns, ns)


class RealClock:
    """The time of the machine; modelled times are waited for, work that is done takes what it takes."""

    def __init__(self) -> None:
        self._start_ns = time.monotonic_ns()

    @property
    def now_ns(self) -> int:
        return time.monotonic_ns() - self._start_ns

    def monotonic(self) -> float:
        return self.now_ns / NS_PER_S

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def spend(self, ns: int) -> None:
        time.sleep(ns / NS_PER_S)

    def model(self, ns: int) -> None:
        """Nothing: the work takes its own time."""

    def poll(self, step_ns: int, end_ns: int | None) -> None:
        """Nothing: time passes by itself."""

    def block_until(self, ns: int) -> None:
        usleep = ctypes.PyDLL(None).usleep  # PyDLL, unlike CDLL, keeps the interpreter's lock during a call
        while (left_ns := ns - self.now_ns) > 0:
            usleep(min(left_ns // NS_PER_US + 1, 500_000))  # POSIX allows less than a second at a time
