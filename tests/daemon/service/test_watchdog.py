"""Pings only while there is progress."""

from __future__ import annotations

import asyncio

import pytest

from amanuensis.daemon.service.notify import Notifier
from amanuensis.daemon.service.watchdog import Watchdog, watchdog_interval_s


class Counting(Notifier):
    """Counts the pings; the datagrams themselves are `test_notify`'s."""

    def __init__(self) -> None:
        super().__init__()
        self.pings = 0
        self.pinged = asyncio.Event()

    def alive(self) -> None:
        self.pings += 1
        self.pinged.set()


async def test_pings_come_only_while_there_is_progress(caplog: pytest.LogCaptureFixture) -> None:
    """An engine that makes no progress silences the watchdog, which is said once; with progress it goes on."""
    notifier, why = Counting(), ""
    watchdog = Watchdog(notifier, 30, lambda: why)
    watchdog.ping()
    assert notifier.pings == 1
    why = "the engine hangs"
    watchdog.ping()
    watchdog.ping()
    assert notifier.pings == 1
    assert caplog.text.count("the engine hangs") == 1
    why = ""
    watchdog.ping()
    assert notifier.pings == 2


async def test_the_loop_itself_pings() -> None:
    """The pings come from a task of the daemon's loop, so that a loop that hangs sends none."""
    notifier = Counting()
    task = asyncio.create_task(Watchdog(notifier, 0.03, lambda: "").run())
    for _ in range(3):
        notifier.pinged.clear()
        await asyncio.wait_for(notifier.pinged.wait(), 30)
    task.cancel()


@pytest.mark.parametrize(
    ("environ", "interval_s"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_who_is_watched_reads_the_environment(environ: dict[str, str], interval_s: float | None) -> None:
    """Only the process that is meant is watched, and no child inherits the variables."""
    assert watchdog_interval_s(environ, 7) == interval_s
    assert environ == {}
