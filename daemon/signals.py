"""Ctrl-C, SIGTERM and a terminal that is closed, for commands that should end in good order.

The first signal asks, the second one ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import stat
import sys
from collections.abc import Iterator
from typing import Final

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def stop_on_signals() -> Iterator[asyncio.Event]:
    """Give an event that the first signal sets; the second one cancels the task that is inside.

    SIGHUP counts where it would end the process: not under `nohup`, nor where it has a meaning already.

    Raises:
        KeyboardInterrupt: at the second signal.

    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None  # inside asyncio.run

    def stopped() -> None:
        if stop.is_set():
            task.cancel()
        stop.set()

    def hung_up() -> None:
        leave_terminal()
        stop.set()

    wanted = dict.fromkeys(STOP_SIGNALS, stopped)
    if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
        wanted[signal.SIGHUP] = hung_up
    before = {number: signal.getsignal(number) for number in wanted}
    for number, handler in wanted.items():
        loop.add_signal_handler(number, handler)
    try:
        yield stop
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        for number, usual in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, usual)


def leave_terminal() -> None:
    """Print nowhere from now on what would go to the terminal, which is not there any more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # closed, or no file at all
            if stat.S_ISCHR(os.fstat(stream.fileno()).st_mode):
                os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
