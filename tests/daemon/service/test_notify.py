"""What the service manager is told, read from real sockets."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from amanuensis.daemon.service.notify import Notifier


class Manager:
    """A service manager's end: a datagram socket."""

    def __init__(self, address: str, name: str) -> None:
        self.name = name
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(30)

    def told(self) -> dict[str, str]:
        """The next datagram."""
        return dict(line.split("=", 1) for line in self.socket.recv(65536).decode().split("\n"))


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    """A manager that listens at a path, and one at an abstract address."""
    path = str(tmp_path / "notify")
    abstract = f"amanuensis-test-{id(tmp_path)}"
    found = Manager(path, path) if request.param == "path" else Manager("\0" + abstract, "@" + abstract)
    yield found
    found.socket.close()


def test_every_state_is_told_in_the_words_of_sd_notify(manager: Manager) -> None:
    """READY, RELOADING with the clock, STATUS, WATCHDOG, STOPPING and more time come as one datagram each."""
    notifier = Notifier(manager.name)
    notifier.ready()
    assert manager.told() == {"READY": "1"}
    before_us = time.monotonic_ns() // 1000
    notifier.reloading()
    told = manager.told()
    assert told["RELOADING"] == "1"
    assert before_us <= int(told["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
    notifier.alive()
    assert manager.told() == {"WATCHDOG": "1"}
    notifier.extend(2.5)
    assert manager.told() == {"EXTEND_TIMEOUT_USEC": "2500000"}
    notifier.stopping(10)
    assert manager.told() == {"STOPPING": "1", "EXTEND_TIMEOUT_USEC": "10000000"}
    notifier.close()


def test_a_status_is_one_line_and_told_once(manager: Manager) -> None:
    """A line break cannot bring an assignment in, and what has not changed is not sent again."""
    notifier = Notifier(manager.name)
    notifier.status("2 sessions\nREADY=0")
    notifier.status("2 sessions\nREADY=0")
    notifier.status("3 sessions")
    assert manager.told() == {"STATUS": "2 sessions READY=0"}
    assert manager.told() == {"STATUS": "3 sessions"}
    notifier.close()


def test_the_engine_does_not_inherit_the_manager(manager: Manager) -> None:
    """The variable leaves the environment, and a notifier that was closed says nothing."""
    environ = {"NOTIFY_SOCKET": manager.name, "HOME": "/"}
    notifier = Notifier.from_environment(environ)
    assert environ == {"HOME": "/"}
    assert notifier.is_heard
    notifier.close()
    notifier.ready()
    manager.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        manager.told()


def test_without_a_manager_nothing_happens(caplog: pytest.LogCaptureFixture) -> None:
    """No variable, an address of another kind and a manager that has gone are no errors."""
    Notifier().ready()
    Notifier("vsock:2:1234").ready()
    assert "vsock" in caplog.text
    gone = Notifier("/nonexistent/notify")
    gone.ready()
    gone.close()
