"""Reaching a daemon."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from amanuensis.daemon.dial import ClientError, Target, fetch, is_loopback, target, usual_address


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("ws://h:1/v1/session", Target("ws://h:1/v1/session")),
        ("wss://h", Target("wss://h")),
        ("unix:/run/a.sock", Target("ws://localhost/v1/session", Path("/run/a.sock"))),
        ("unix:/run/a.sock:/v1/watch/x", Target("ws://localhost/v1/watch/x", Path("/run/a.sock"))),
    ],
)
def test_addresses(address: str, expected: Target) -> None:
    """TCP, TLS and unix sockets, the last with a path behind it."""
    assert target(address) == expected


@pytest.mark.parametrize(
    "address", ["", "http://h", "ws://", "unix:", "unix:a.sock", "ws://[bad", "ws://h:99999", "ws://h/\udcff"]
)
def test_other_addresses_are_refused(address: str) -> None:
    """Anything else is named, with what to write."""
    with pytest.raises(ClientError, match=r"is not an address: write ws://HOST:PORT/v1/session or unix:/SOCKET"):
        target(address)


@pytest.mark.parametrize(
    ("url", "expected"),
    [("ws://127.0.0.1:1/", True), ("ws://[::1]:1/", True), ("ws://localhost", True), ("ws://10.0.0.1", False)],
)
def test_no_proxy_comes_between_us_and_this_machine(url: str, expected: bool) -> None:
    """Loopback addresses are known in all their forms."""
    assert is_loopback(url) is expected
    assert Target(url).is_local is expected


def test_the_daemon_of_this_machine_is_found_by_its_socket(tmp_path: Path) -> None:
    """Where the user's daemon has its socket that is used, which needs no token; else loopback."""
    env = {"XDG_RUNTIME_DIR": str(tmp_path)}
    place = tmp_path / "amanuensis" / "amanuensis.sock"
    place.parent.mkdir()
    before = usual_address(env)
    with socket.socket(socket.AF_UNIX) as daemon:
        daemon.bind(str(place))
        assert usual_address(env) == f"unix:{place}"
    assert before == "ws://127.0.0.1:8770"


def test_pages_that_nobody_serves() -> None:
    """Nobody there, and somebody who speaks something else, are told apart."""
    with pytest.raises(ClientError, match=r"is the daemon running\? \(amanuensis serve\)"):
        fetch("ws://127.0.0.1:1", "/readyz")
    with socket.create_server(("127.0.0.1", 0)) as other:
        answering = threading.Thread(target=_say_nonsense, args=(other,))
        answering.start()
        address = f"ws://127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(ClientError, match=f"{address} is not an Amanuensis daemon"):
            fetch(address, "/readyz")
        answering.join()


def _say_nonsense(listener: socket.socket) -> None:
    accepted, _ = listener.accept()
    with accepted:
        accepted.recv(4096)
        accepted.sendall(b"220 mail.example ESMTP\r\n")
