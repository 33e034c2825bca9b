"""A daemon of our own for a while."""

from __future__ import annotations

import os
import re
import select
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from amanuensis.daemon.child import ChildError, serving
from tests.helpers.programs import line_with, running


def daemon_of(parent: int) -> int:
    """The process that a command has started."""
    found = Path(f"/proc/{parent}/task").glob("*/children")
    (child,) = [int(child) for file in found for child in file.read_text().split()]
    return child


async def test_a_killed_demo_takes_its_daemon_along(builtin_model: Path) -> None:
    """After kill -9 of `amanuensis demo` its daemon ends too, and nobody listens on the port any more."""
    async with running("demo", "--json", "--model", str(builtin_model), "--threads", "1") as demo:
        line = await line_with(demo.stderr, "daemon:")
        match = re.search(r"ws://127\.0\.0\.1:(\d+)/", line)
        assert match
        watched = os.pidfd_open(daemon_of(demo.pid))
        demo.kill()
        # The descriptor of a process becomes readable when it ends; the test's time limit bounds the wait.
        select.select([watched], [], [])
        os.close(watched)
    with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
        probe.connect(("127.0.0.1", int(match[1])))


def test_a_parent_that_went_before_is_noticed() -> None:
    """Where the parent is not the one that asked, nothing is served."""
    code = "import sys; from amanuensis.daemon.child import serve_while; sys.exit(serve_while(1 << 30, ['serve']))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 1


async def test_a_daemon_that_does_not_start_is_told() -> None:
    """A flag that is wrong ends the wait at once."""
    with pytest.raises(ChildError, match=r"did not start \(exit status 2\)"):
        async with serving(["--nonsense"]):
            pass
