"""Where the daemon listens."""

from __future__ import annotations

from pathlib import Path

import pytest

from amanuensis.daemon.addresses import Address, UnixAddress, parse_address, parse_listen, usual_socket


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:0", Address("127.0.0.1", 0)),
        ("[::1]:8770", Address("::1", 8770)),
        ("localhost:1", Address("localhost", 1)),
    ],
)
def test_addresses(text: str, address: Address) -> None:
    """Addresses are parsed and printed alike."""
    assert parse_address(text) == address
    assert str(address) == text
    assert address.is_loopback


@pytest.mark.parametrize("text", ["", ":", ":80", "host", "host:", "host:-1", "host:65536", "host:\uff18"])
def test_wrong_addresses(text: str) -> None:
    """An address that is none is refused."""
    with pytest.raises(ValueError, match="give HOST:PORT"):
        parse_address(text)


def test_unix_sockets_are_named_by_their_path() -> None:
    """A path from the root, or nothing for the usual place, is a unix socket, which only this machine reaches."""
    for text, address in (("unix:/run/a.sock", UnixAddress(Path("/run/a.sock"))), ("unix:", UnixAddress())):
        assert parse_listen(text) == address
        assert str(address) == text
        assert address.is_loopback
    assert parse_listen("[::1]:0") == Address("::1", 0)
    with pytest.raises(ValueError, match="named by a path from /"):
        parse_listen("unix:a.sock")


def test_the_usual_socket_lies_in_the_runtime_folder() -> None:
    """The service's folder comes before the user's; without either there is no usual place."""
    both = {"RUNTIME_DIRECTORY": "/run/amanuensis:/run/other", "XDG_RUNTIME_DIR": "/run/user/7"}
    assert usual_socket(both) == Path("/run/amanuensis/amanuensis.sock")
    assert usual_socket({"XDG_RUNTIME_DIR": "/run/user/7"}) == Path("/run/user/7/amanuensis/amanuensis.sock")
    assert usual_socket({}) is None
