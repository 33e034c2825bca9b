"""What a service manager hands over."""

from __future__ import annotations

import os
from pathlib import Path

from amanuensis.daemon.service.manager import Manager


def test_everything_is_taken_out_of_the_environment(tmp_path: Path) -> None:
    """No child process finds a socket, a watchdog or a manager that was meant for the daemon."""
    environ = {
        "NOTIFY_SOCKET": str(tmp_path / "n"),
        "WATCHDOG_USEC": "5000000",
        "LISTEN_FDS": "0",
        "LISTEN_PID": str(os.getpid()),
        "LISTEN_FDNAMES": "",
        "HOME": "/",
    }
    manager = Manager.from_environment(environ, os.getpid())
    assert (manager.watchdog_s, manager.sockets, environ) == (5.0, (), {"HOME": "/"})
    manager.notifier.close()


def test_nobody_is_watched_without_a_manager() -> None:
    """A watchdog interval alone, inherited by accident, starts no pings."""
    assert Manager.from_environment({"WATCHDOG_USEC": "5000000"}, 7).watchdog_s is None
