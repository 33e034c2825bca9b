"""The watchdog of the service manager: pings that come only while the daemon's loop *and* its engine make progress."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, MutableMapping
from typing import Final

from amanuensis.daemon.service.notify import US_PER_S, Notifier

log = logging.getLogger(__name__)

PINGS_PER_INTERVAL: Final = 3  # one may be late and another lost


def watchdog_interval_s(environ: MutableMapping[str, str], pid: int) -> float | None:
    """Take WATCHDOG_USEC out of the environment; None when nobody watches this process (sd_watchdog_enabled(3))."""
    interval_us, owner = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", str(pid))
    if owner != str(pid) or not (interval_us.isascii() and interval_us.isdigit()) or int(interval_us) == 0:
        return None
    return int(interval_us) / US_PER_S


class Watchdog:
    """Pings for as long as there is progress.

    Args:
        notifier: carries the pings.
        interval_s: after so long without one the manager ends the daemon and starts it again.
        stuck: says in words what makes no progress, "" while everything does.

    """

    def __init__(self, notifier: Notifier, interval_s: float, stuck: Callable[[], str]) -> None:
        self._notifier = notifier
        self._interval_s = interval_s
        self._stuck = stuck
        self._withheld = ""

    async def run(self) -> None:
        """Ping until cancelled; a loop that hangs pings no more by itself."""
        while True:
            self.ping()
            await asyncio.sleep(self._interval_s / PINGS_PER_INTERVAL)

    def ping(self) -> None:
        """Ping once, if there is progress; say once why not."""
        why = self._stuck()
        if not why:
            self._notifier.alive()
        elif not self._withheld:
            log.error("the watchdog gets no sign of life any more, so the service is started again: %s", why)
        self._withheld = why
