"""Wrong tokens by address: after a few, an address has to wait, twice as long each time. Pure."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

FREE_ATTEMPTS: Final = 5  # a person who types, a program with yesterday's token
FIRST_WAIT_S: Final = 1.0
LONGEST_WAIT_S: Final = 300.0
FORGET_S: Final = 900.0  # without a failure
MAX_ADDRESSES: Final = 4096  # more make the oldest forgotten


@dataclass(slots=True)
class _Failures:
    count: int
    last_s: float


class Attempts:
    """Counts failures; a right token does not make them forgotten, or whoever has one could try for a better one.

    Args:
        clock: seconds.

    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, _Failures] = OrderedDict()  # the one that failed longest ago first

    def wait_s(self, key: str) -> float:
        """Return how long an address has to wait before another token of its is looked at."""
        failures = self._failures.get(key)
        if failures is None or failures.count < FREE_ATTEMPTS:
            return 0.0
        wait_s = min(FIRST_WAIT_S * 2.0 ** min(failures.count - FREE_ATTEMPTS, 30), LONGEST_WAIT_S)
        return max(0.0, failures.last_s + wait_s - self._clock())

    def failed(self, key: str) -> None:
        """Take note of a wrong token."""
        now_s = self._clock()
        failures = self._failures.pop(key, None)
        count = failures.count if failures is not None and now_s - failures.last_s < FORGET_S else 0
        self._failures[key] = _Failures(count + 1, now_s)
        while len(self._failures) > MAX_ADDRESSES:
            self._failures.popitem(last=False)
