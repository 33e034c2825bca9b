"""One connection of a client to a daemon: hello and its answer, frames out, events in, and why it is over."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final, TypeAlias, cast

import msgpack
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from amanuensis.daemon.dial import OPEN_TIMEOUT_S, ClientError, UnreachableError, open_websocket

Event: TypeAlias = dict[str, Any]

NORMAL: Final = 1000
GOING_AWAY: Final = 1001
LATER: Final = ("full", "no_hello")  # errors after which another try may do better; the network may have been slow
NOT_THE_SESSIONS: Final = (1001, 1006, 1011, 1012, 1013)  # close codes after which the session may go on
QUIET_S: Final = 20.0  # a daemon says something every second unless it is told not to


class ConnectionLostError(ClientError):
    """The connection is gone, and the session may go on."""


class Link:
    """An open connection that has said hello; made by `open_link`.

    Args:
        socket: open.
        ready: the answer to the hello.
        quiet_s: after so long without an event the server is asked with a ping. It has twice as long for an answer,
            which may wait behind sound that it does not take yet.

    Attributes:
        ready: the answer to the hello.

    """

    def __init__(self, socket: ClientConnection, ready: Event, quiet_s: float = QUIET_S) -> None:
        self.ready = ready
        self._socket = socket
        self._quiet_s = quiet_s

    async def send(self, frame: str | bytes) -> None:
        """Send a frame; waits while the server takes no more.

        Raises:
            ClientError: the connection is gone.

        """
        try:
            await self._socket.send(frame)
        except ConnectionClosed as closed:
            raise closed_error(closed) from None

    async def next(self) -> Event | None:
        """Return the next event; None after the normal end.

        Raises:
            ConnectionLostError: the connection is gone, and the session may go on.
            ClientError: the server has ended it, or sent what is no event.

        """
        try:
            return decode_event(await self._receive())
        except ConnectionClosed as closed:
            if closed.rcvd is not None and closed.rcvd.code == NORMAL:
                return None
            raise closed_error(closed) from None

    async def _receive(self) -> str | bytes:
        """Return the next frame; a server that is gone without a word is found out by a ping."""
        while True:
            try:
                async with asyncio.timeout(self._quiet_s):
                    return await self._socket.recv()
            except TimeoutError:
                pass
            try:
                async with asyncio.timeout(2 * self._quiet_s):
                    answered = asyncio.ensure_future(await self._socket.ping())
                    answered.add_done_callback(lambda done: done.cancelled() or done.exception())
                    return await self._socket.recv()
            except TimeoutError:
                if not answered.done():
                    self.abort()
                    raise ConnectionLostError(f"the server has said nothing for {3 * self._quiet_s:g} s") from None

    def abort(self) -> None:
        """Drop the connection without a word."""
        self._socket.transport.abort()

    async def close(self) -> None:
        """Close it in good order, which ends a session that it speaks in."""
        await self._socket.close()


async def open_link(
    address: str, hello: Event, token: str | None = None, ca: str | None = None, *, quiet_s: float = QUIET_S
) -> Link:
    """Connect and say hello.

    Args:
        address: see `dial.target`.
        hello: the first message.
        token: for a daemon that asks for one.
        ca: see `dial.open_websocket`.
        quiet_s: see `Link`.

    Raises:
        UnreachableError: nobody answers there now, or there is no room now.
        ConnectionLostError: the connection broke.
        ClientError: the server refused.
        amanuensis.daemon.tls.TlsError: `ca` cannot be used.

    """
    socket = await open_websocket(address, token, ca)
    try:
        return Link(socket, await _greet(socket, hello), quiet_s)
    except BaseException:
        await socket.close()
        raise


async def _greet(socket: ClientConnection, hello: Event) -> Event:
    """Say hello and return the server's `ready`."""
    try:
        await socket.send(json.dumps(hello))
        async with asyncio.timeout(OPEN_TIMEOUT_S):
            event = decode_event(await socket.recv())
    except ConnectionClosed as closed:
        raise closed_error(closed) from None
    except TimeoutError:
        raise UnreachableError(f"the server does not answer to hello within {OPEN_TIMEOUT_S:.0f} s") from None
    if event["type"] == "error":
        kind = UnreachableError if event.get("code") in LATER else ClientError
        raise kind(refused_text(event))
    if event["type"] != "ready":
        raise ClientError(f"the server answered hello with {event['type']!r} instead of 'ready'")
    return event


def decode_event(message: str | bytes) -> Event:
    """Return the event of one message: a dict with `type`.

    Raises:
        ClientError: it is not an event.

    """
    try:
        event = json.loads(message) if isinstance(message, str) else msgpack.unpackb(message)
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        why = str(error) or type(error).__name__
        raise ClientError(f"the server sent something that is not an event: {why}") from None
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        raise ClientError("the server sent something that is not an event: it has no type")
    return cast(Event, event)


def refused_text(event: Event) -> str:
    """Say in words what an `error` event means."""
    after = event.get("retry_after")
    return f"the server says: {event.get('message') or event.get('code')}" + (
        f"; try again in {after} s" if after else ""
    )


def closed_error(closed: ConnectionClosed) -> ClientError:
    """Say in words how a connection ended, and whether its session may go on."""
    if closed.rcvd is None:
        return ConnectionLostError("the connection to the server broke")
    text = f"the server closed the connection: {closed.rcvd.code} {closed.rcvd.reason}".rstrip()
    return ConnectionLostError(text) if closed.rcvd.code in NOT_THE_SESSIONS else ClientError(text)
