"""The service on a booted machine, as tests speak to it."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.client import unix_connect
from websockets.typing import Subprotocol

from tests.helpers.booted import Machine
from tests.helpers.daemon_client import PROTO, TestClient

SERVICE, SOCKET = "amanuensis.service", "amanuensis.socket"
PROGRAM = (Path(sys.prefix) / "bin" / "amanuensis").absolute()


def outside(machine: Machine, pid: int) -> int:
    """Return the number that a process of the machine has on this side; only its own are looked at."""
    waiting = [machine.init]
    while waiting:
        found = waiting.pop()
        if status_of(found)["NSpid"].split()[-1] == str(pid):
            return found
        waiting += children(found)
    raise AssertionError(f"no process {pid} in the machine")


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def address(machine: Machine) -> str:
    """Return the unix socket of the service, as it can be connected to from here."""
    return f"{machine.root}/run/amanuensis/amanuensis.sock"


@asynccontextmanager
async def connected(machine: Machine, first: dict[str, Any], path: str = "/v1/session") -> AsyncIterator[TestClient]:
    """Connect to the service and say hello."""
    async with unix_connect(address(machine), f"ws://localhost{path}", subprotocols=[Subprotocol(PROTO)]) as websocket:
        client = TestClient(websocket)
        client.read()
        await client.send(first)
        yield client


def status_of(pid: int) -> dict[str, str]:
    """Return what the kernel says of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
