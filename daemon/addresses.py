"""Where the daemon listens: TCP addresses and unix sockets. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from amanuensis.daemon.fields import show

UNIX: Final = "unix:"
SOCKET_NAME: Final = "amanuensis.sock"
SYSTEM_SOCKET: Final = Path("/run/amanuensis") / SOCKET_NAME  # of the system service


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP address; port 0 lets the system choose."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A unix socket; without a path it is the usual one (`usual_socket`)."""

    path: Path | None = None

    @property
    def is_loopback(self) -> bool:
        """Only this machine can reach it."""
        return True

    def __str__(self) -> str:
        return f"{UNIX}{self.path or ''}"


ListenAddress: TypeAlias = Address | UnixAddress


def parse_address(text: str) -> Address:
    """Parse `HOST:PORT`, with an IPv6 address in brackets.

    Raises:
        ValueError: says what is allowed.

    """
    host, colon, port = text.rpartition(":")
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(
            f"listen {show(text)} is not allowed: give HOST:PORT such as 127.0.0.1:8770 or [::1]:8770, or unix:/PATH"
        )
    return Address(host, int(port))


def parse_listen(text: str) -> ListenAddress:
    """Parse `HOST:PORT`, `unix:/PATH`, or `unix:` for the usual socket.

    Raises:
        ValueError: says what is allowed.

    """
    if not text.startswith(UNIX):
        return parse_address(text)
    path = text.removeprefix(UNIX)
    if path and (not path.startswith("/") or "\0" in path):
        raise ValueError(f"listen {show(text)} is not allowed: a unix socket is named by a path from /: unix:/PATH")
    return UnixAddress(Path(path) if path else None)


def usual_socket(env: Mapping[str, str]) -> Path | None:
    """Return where this daemon's unix socket lies: in the folder of the service, else of the user; None: nowhere."""
    if folder := env.get("RUNTIME_DIRECTORY"):
        return Path(folder.split(":")[0]) / SOCKET_NAME
    if folder := env.get("XDG_RUNTIME_DIR"):
        return Path(folder) / "amanuensis" / SOCKET_NAME
    return None
