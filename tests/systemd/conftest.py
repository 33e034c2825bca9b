"""Machines with a real systemd, booted in containers (tests/helpers/booted.py)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.helpers.booted import Machine, booted, why_not
from tests.helpers.booted_service import PROGRAM, SERVICE, SOCKET

IMPATIENT = "[Service]\nTimeoutAbortSec=1\nRestartSec=0\n"


@pytest.fixture(scope="module")
def bare_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine on which nothing of ours is installed."""
    if why := why_not():
        pytest.skip(f"systemd cannot be booted here: {why}")
    with booted(tmp_path_factory.mktemp("machine")) as found:
        yield found


@pytest.fixture(scope="module")
def machine(bare_machine: Machine) -> Machine:
    """A machine on which the service is installed, its sockets open, its daemon not started."""
    bare_machine.run(PROGRAM, "service", "install", "--system", "--no-start")
    bare_machine.write(f"/etc/systemd/system/{SERVICE}.d/impatient.conf", IMPATIENT)
    bare_machine.systemctl("daemon-reload")
    bare_machine.systemctl("start", SOCKET)
    return bare_machine
