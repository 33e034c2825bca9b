"""The shell around one client: its queue to the socket, its socket to a reader, and the end of both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Coroutine
from contextlib import suppress
from typing import Any, Final, Protocol

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

CLOSE_S: Final = 2.0  # for the closing handshake; then the socket is cut
MAX_REASON_BYTES: Final = 123  # of a close frame, RFC 6455 section 5.5
NO_ANSWER: Final = 1011  # what peers of this library close with after a missed pong


class Inbox:
    """The frames of one client.

    Attributes:
        frames: received so far.
        held: the reader is busy with a frame: pongs may lie unread behind it.

    """

    def __init__(self, websocket: ServerConnection) -> None:
        self.frames = 0
        self.held = False
        self._websocket = websocket

    async def hold(self, busy: Awaitable[None]) -> None:
        """Wait for what must be done before the next frame is taken."""
        self.held = True
        await busy

    async def next(self, timeout_s: float | None = None) -> str | bytes:
        """Return the next frame; TimeoutError, or ConnectionClosed at the end."""
        await asyncio.sleep(0)  # `recv` does not wait while frames are there: others get their turn between two
        self.held = False
        async with asyncio.timeout(timeout_s):
            frame = await self._websocket.recv()
        self.held = True
        self.frames += 1
        return frame

    async def rest(self) -> AsyncIterator[str | bytes]:
        """Yield frames until the connection is gone."""
        with suppress(ConnectionClosed):
            while True:
                yield await self.next()


class Outlet(Protocol):
    """What a client is to be sent (see `hub.ClientQueue`)."""

    abandoned: asyncio.Event

    @property
    def closing(self) -> tuple[int, str] | None:
        """Close code and reason, once nothing more is taken."""

    async def get(self) -> str | bytes | None:
        """Return the next frame, or None when there is nothing more."""

    def abandon(self, code: int, reason: str) -> None:
        """Take nothing more and forget what waits."""


async def run_client(
    websocket: ServerConnection, inbox: Inbox, queue: Outlet, read: Coroutine[Any, Any, None], ping_s: float
) -> None:
    """Serve one client until its queue is closed and sent, it is gone, or it has stopped reading.

    Args:
        websocket: the connection.
        inbox: its frames.
        queue: what to send.
        read: acts on the frames; returns when the client is gone.
        ping_s: keep-alive interval, and how long an answer may take.

    """
    tasks = [
        asyncio.create_task(_write(websocket, queue)),
        asyncio.create_task(read),
        asyncio.create_task(queue.abandoned.wait()),
        asyncio.create_task(_keep_alive(websocket, inbox, queue, ping_s)),
    ]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    code, reason = queue.closing or (1000, "")
    await close(websocket, code, reason)
    for result in results:
        if isinstance(result, Exception) and not isinstance(result, ConnectionClosed):
            raise result


async def close(websocket: ServerConnection, code: int, reason: str) -> None:
    """Close a connection in bounded time, whether the client takes part or not."""
    text = reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
    discard = asyncio.create_task(_discard(websocket))  # the client's close frame may lie behind audio
    try:
        async with asyncio.timeout(CLOSE_S):
            await websocket.close(code, text)
    except TimeoutError:
        websocket.transport.abort()
    finally:
        discard.cancel()
        await asyncio.gather(discard, return_exceptions=True)


async def _discard(websocket: ServerConnection) -> None:
    with suppress(ConnectionClosed):
        while True:
            await websocket.recv()


async def _write(websocket: ServerConnection, queue: Outlet) -> None:
    """Return once the queue is closed and all of it was sent."""
    try:
        while (frame := await queue.get()) is not None:
            await websocket.send(frame)
    except ConnectionClosed:
        await _leave_it_to_the_reader()


async def _keep_alive(websocket: ServerConnection, inbox: Inbox, queue: Outlet, ping_s: float) -> None:
    """Return once the client neither answers a ping nor sends anything for `ping_s`.

    A client whose audio waits to be decoded is alive: its pong lies behind what is not read yet.
    """
    try:
        while True:
            await asyncio.sleep(ping_s)
            before = inbox.frames
            if not await _ping(websocket, ping_s) and not inbox.held and inbox.frames == before:
                queue.abandon(NO_ANSWER, f"no answer to a ping for {ping_s:g} s")
                return
    except ConnectionClosed:
        await _leave_it_to_the_reader()


async def _leave_it_to_the_reader() -> None:
    """Wait to be cancelled: the reader may still have frames that came before the connection was lost."""
    await asyncio.get_running_loop().create_future()


async def _ping(websocket: ServerConnection, timeout_s: float) -> bool:
    """Whether a ping was answered in time; sending it may hang as well, when the client does not read."""
    try:
        async with asyncio.timeout(timeout_s):
            await asyncio.shield(await websocket.ping())
    except TimeoutError:
        return False
    return True
