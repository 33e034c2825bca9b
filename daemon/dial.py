"""Reaching a daemon: over TCP, TLS or a unix socket."""

from __future__ import annotations

import http.client
import ipaddress
import os
import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, unix_connect
from websockets.asyncio.client import connect as tcp_connect
from websockets.exceptions import InvalidHandshake, InvalidMessage, InvalidStatus, InvalidURI
from websockets.typing import Subprotocol

from amanuensis.daemon.addresses import SYSTEM_SOCKET, UNIX, usual_socket
from amanuensis.daemon.fields import is_utf8
from amanuensis.daemon.protocol import PROTO
from amanuensis.daemon.tls import client_context

OPEN_TIMEOUT_S: Final = 10.0
MAX_EVENT_BYTES: Final = 4 << 20  # a snapshot of a long session
MAX_PAGE_BYTES: Final = 64 << 20
SESSION_PATH: Final = "/v1/session"
USUAL_URL: Final = "ws://127.0.0.1:8770"
PASSING: Final = (429, 503)  # HTTP statuses of a daemon that may let us in later
OVER_UNIX: Final = re.compile(r"unix:(/[^\0]*?)(?::(/[^:]*))?")


class ClientError(Exception):
    """The server cannot be reached, has refused, or has gone; the message says which."""


class UnreachableError(ClientError):
    """Nobody answers there now, or there is no room now: later it may be otherwise."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a daemon is.

    Attributes:
        url: ws:// or wss://, with its path.
        socket: of a daemon that is reached through a unix socket.

    """

    url: str
    socket: Path | None = None

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine, so that no proxy may come between."""
        return self.socket is not None or is_loopback(self.url)


def target(address: str) -> Target:
    """Read an address: `ws://HOST:PORT/PATH`, `wss://...`, `unix:/SOCKET` or `unix:/SOCKET:/PATH`.

    Raises:
        ClientError: it is none.

    """
    if match := OVER_UNIX.fullmatch(address):
        return Target(f"ws://localhost{match[2] or SESSION_PATH}", Path(match[1]))
    try:
        parts = urlsplit(address)
        known = parts.scheme in ("ws", "wss") and bool(parts.hostname) and parts.port != 0 and is_utf8(address)
    except ValueError:
        known = False
    if not known:
        raise ClientError(f"{address!r} is not an address: write ws://HOST:PORT/v1/session or unix:/SOCKET")
    return Target(address)


def usual_address(env: Mapping[str, str]) -> str:
    """Return the daemon of this machine: the user's, else the system's, by its socket where it lets us in."""
    for place in (usual_socket(env), SYSTEM_SOCKET):
        if place is not None and place.is_socket() and os.access(place, os.W_OK):
            return f"{UNIX}{place}"
    return USUAL_URL


async def open_websocket(address: str, token: str | None, ca: str | None = None) -> ClientConnection:
    """Open a WebSocket of the native protocol.

    Args:
        address: see `target`.
        token: shown as `Authorization: Bearer`; None: none is needed.
        ca: PEM file of the certificate that a wss:// daemon is verified with; None: those that this machine trusts.

    Raises:
        ClientError: nobody listens there, or the server refused.
        amanuensis.daemon.tls.TlsError: `ca` cannot be used.

    """
    to = target(address)
    dial = tcp_connect if to.socket is None else unix_connect
    where = {"uri": to.url} if to.socket is None else {"path": str(to.socket), "uri": to.url}
    try:
        return await dial(
            **where,  # type: ignore[arg-type]  # the two take them under the same names
            subprotocols=[Subprotocol(PROTO)],
            additional_headers={"Authorization": f"Bearer {token}"} if token else None,
            compression=None,  # sound does not shrink, and events are small
            open_timeout=OPEN_TIMEOUT_S,
            ping_timeout=None,  # an answer may wait behind sound that the server does not take yet
            max_size=MAX_EVENT_BYTES,
            proxy=None if to.is_local else True,
            ssl=client_context(ca) if to.url.startswith("wss:") else None,
        )
    except InvalidURI:
        raise ClientError(f"{address!r} is not an address: write ws://HOST:PORT/v1/session or unix:/SOCKET") from None
    except InvalidStatus as error:
        kind = UnreachableError if error.response.status_code in PASSING else ClientError
        raise kind(status_text(address, error)) from None
    except InvalidHandshake as error:
        kind = UnreachableError if isinstance(error, InvalidMessage) else ClientError  # it may be starting or stopping
        raise kind(f"{address} is not an Amanuensis daemon: {error}") from None
    except TimeoutError:
        raise UnreachableError(f"{address} does not answer within {OPEN_TIMEOUT_S:.0f} s") from None
    except OSError as error:
        kind = ClientError if isinstance(error, ssl.SSLError) else UnreachableError
        raise kind(unreachable_text(address, error)) from None


def again(address: str, session: str, *, speaks: bool) -> str:
    """Return the address at which a client comes back to a session that it found at `address`.

    A full daemon lets a speaker in that says so in the address; a watcher of `latest` stays with its session.
    """
    over_unix = OVER_UNIX.fullmatch(address)
    parts = urlsplit(over_unix[2] or SESSION_PATH) if over_unix else urlsplit(address)
    if speaks:
        resume = f"resume={session}"
        parts = parts._replace(query=f"{parts.query}&{resume}" if parts.query else resume)
    elif "/watch/" in parts.path:
        parts = parts._replace(path=f"{parts.path.rpartition('/watch/')[0]}/watch/{session}")
    return f"{UNIX}{over_unix[1]}:{parts.geturl()}" if over_unix else parts.geturl()


def fetch(
    address: str, path: str, token: str | None = None, ca: str | None = None, *, timeout_s: float = OPEN_TIMEOUT_S
) -> tuple[int, bytes]:
    """Return status and body of a page of a daemon.

    Raises:
        ClientError: nobody listens there, or what answers is no daemon.
        amanuensis.daemon.tls.TlsError: `ca` cannot be used.

    """
    to = target(address)
    connection = _http_connection(to, ca, timeout_s)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
        answer = connection.getresponse()
        body = answer.read(MAX_PAGE_BYTES)
    except http.client.HTTPException:
        raise ClientError(f"{address} is not an Amanuensis daemon") from None
    except OSError as error:
        raise ClientError(unreachable_text(address, error)) from None
    finally:
        connection.close()
    return answer.status, body


def _http_connection(to: Target, ca: str | None, timeout_s: float) -> http.client.HTTPConnection:
    if to.socket is not None:
        return _UnixConnection(to.socket, timeout_s)
    parts = urlsplit(to.url)
    host, port = parts.hostname or "", parts.port
    if parts.scheme == "wss":
        return http.client.HTTPSConnection(host, port, timeout=timeout_s, context=client_context(ca))
    return http.client.HTTPConnection(host, port, timeout=timeout_s)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def is_loopback(url: str) -> bool:
    """Tell whether an address is on this machine, so that no proxy may come between."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def status_text(address: str, error: InvalidStatus) -> str:
    """Say in words why the server did not open a WebSocket."""
    status = error.response.status_code
    after = error.response.headers.get("Retry-After")
    again = f"; try again in {after} s" if after else "; try again later"
    if status == 503:
        return f"{address} is full{again}"
    if status == 429:
        return f"{address} has been shown too many wrong tokens from here{again}"
    if status in (401, 403):
        return f"{address} does not let us in (HTTP {status}): give the daemon's token"
    if status == 404:
        return f"{address}: no such path; write ws://HOST:PORT/v1/session or .../v1/watch/SESSION"
    return f"{address} answered HTTP {status} instead of opening a WebSocket"


def unreachable_text(address: str, error: OSError) -> str:
    """Say in words why there is no connection."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"cannot connect to {address}: {error.verify_message}; name what signed its certificate with --ca FILE"
    if isinstance(error, ssl.SSLError):
        why = (error.reason or str(error)).lower().replace("_", " ")
        return f"cannot connect to {address}: {why}; does the daemon speak TLS there? (ws:// or wss://)"
    if isinstance(error, TimeoutError):
        return f"{address} does not answer within {OPEN_TIMEOUT_S:.0f} s"
    return f"cannot connect to {address}: {error.strerror or error}; is the daemon running? (amanuensis serve)"
