"""Taking over sockets of the service manager: real descriptors, passed from number 3 on in a process of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from amanuensis.daemon.service.activation import ActivationError, inherited_sockets, take_over

PROGRAM = """
import json, os, sys
from amanuensis.daemon.service.activation import inherited_sockets
os.environ["LISTEN_PID"] = str(os.getpid())
taken = inherited_sockets(os.environ, os.getpid())
print(json.dumps([[i.name, i.socket.fileno(), i.socket.family.name, i.socket.getblocking(), i.socket.get_inheritable()]
                  for i in taken]))
assert not [name for name in os.environ if name.startswith("LISTEN_")]
"""


def test_sockets_are_taken_over_by_name(tmp_path: Path) -> None:
    """A TCP and a unix socket that were passed keep order and name, block nobody and are no child's."""
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tmp_path / "s"))
        unix.listen()
        passed = os.dup(tcp.fileno()), os.dup(unix.fileno())

        def place() -> None:
            for number, descriptor in enumerate(passed, 3):
                os.dup2(descriptor, number)

        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env=os.environ | {"LISTEN_FDS": "2", "LISTEN_FDNAMES": "web:local"},
            preexec_fn=place,
            close_fds=False,
            capture_output=True,
            text=True,
            check=True,
        )
        for descriptor in passed:
            os.close(descriptor)
    assert json.loads(done.stdout) == [["web", 3, "AF_INET", False, False], ["local", 4, "AF_UNIX", False, False]]


def test_sockets_of_another_process_are_left_alone() -> None:
    """LISTEN_PID names who is meant; the variables go either way, so that no child is misled."""
    environ = {"LISTEN_FDS": "1", "LISTEN_PID": "1", "LISTEN_FDNAMES": "web"}
    assert inherited_sockets(environ, 2) == []
    assert environ == {}
    assert inherited_sockets({}, 2) == []


@pytest.mark.parametrize("count", ["many", "-1", "65", "1.5"])
def test_a_wrong_count_gets_one_line(count: str) -> None:
    """What is not a number of sockets is named."""
    with pytest.raises(ActivationError, match=f"LISTEN_FDS '?{count}'?"):
        inherited_sockets({"LISTEN_FDS": count, "LISTEN_PID": "7"}, 7)


def test_what_cannot_be_served_is_named(tmp_path: Path) -> None:
    """A file, a datagram socket and one that does not listen are refused by name, with what to write instead."""
    with (tmp_path / "file").open("w") as file, pytest.raises(ActivationError, match="LISTEN_FDS is not a socket"):
        take_over(file.fileno(), "log")
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram,
        pytest.raises(ActivationError, match="ListenStream="),
    ):
        take_over(datagram.fileno(), "udp")
    with socket.socket() as silent, pytest.raises(ActivationError, match="'quiet'"):
        take_over(silent.fileno(), "quiet")
