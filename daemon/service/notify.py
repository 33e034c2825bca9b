"""Telling the service manager how the daemon is: the datagrams of sd_notify(3).

Without a manager (no NOTIFY_SOCKET) everything here does nothing, so that the daemon says the same wherever it runs.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import MutableMapping
from typing import Final

log = logging.getLogger(__name__)

SEND_S: Final = 1.0  # a manager that does not take a datagram for so long gets the next one
US_PER_S: Final = 1_000_000
MAX_STATUS_CHARS: Final = 200


class Notifier:
    """The one voice in which the daemon speaks to its manager.

    Args:
        address: of the manager's socket: a path, or "@NAME" for an abstract one; None: there is no manager.

    """

    def __init__(self, address: str | None = None) -> None:
        self._socket: socket.socket | None = None
        self._status = ""
        if not address:
            return
        if address[0] not in "/@":
            log.warning("NOTIFY_SOCKET %r is neither a path nor @NAME: the manager is not told how we are", address)
            return
        self._address = "\0" + address[1:] if address[0] == "@" else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)  # never inherited (PEP 446)
        self._socket.settimeout(SEND_S)

    @classmethod
    def from_environment(cls, environ: MutableMapping[str, str]) -> Notifier:
        """Take NOTIFY_SOCKET out of the environment: the engine process must not speak for the daemon."""
        return cls(environ.pop("NOTIFY_SOCKET", None))

    @property
    def is_heard(self) -> bool:
        """Whether there is a manager."""
        return self._socket is not None

    def ready(self) -> None:
        """Say that connections are served, at the start and after a reload."""
        self._tell("READY=1")

    def reloading(self) -> None:
        """Say that the settings are being read again; `ready` must follow."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, within_s: float) -> None:
        """Say that the daemon is on its way out and how long that may take."""
        self._tell("STOPPING=1", _extension(within_s))

    def extend(self, by_s: float) -> None:
        """Ask for more time to start or to stop, from now on."""
        self._tell(_extension(by_s))

    def alive(self) -> None:
        """Keep the watchdog quiet for one more interval."""
        self._tell("WATCHDOG=1")

    def status(self, line: str) -> None:
        """Show a line in `systemctl status`; the same line is not sent again."""
        line = " ".join(line.split())[:MAX_STATUS_CHARS]
        if line != self._status:
            self._status = line
            self._tell(f"STATUS={line}")

    def close(self) -> None:
        """Say nothing more."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _tell(self, *assignments: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendto("\n".join(assignments).encode(), self._address)
        except OSError as error:  # the manager is being restarted, or does not listen
            log.debug("the service manager was not told %s: %s", assignments[0], error)


def _extension(by_s: float) -> str:
    return f"EXTEND_TIMEOUT_USEC={round(by_s * US_PER_S)}"
