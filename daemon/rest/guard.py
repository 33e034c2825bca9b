"""What stands before the REST application: who may come in, how many, how much, and how long a client may stall."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from websockets.datastructures import Headers

from amanuensis.daemon.access import Peer
from amanuensis.daemon.addresses import ListenAddress, UnixAddress
from amanuensis.daemon.dialects.settings import RestSettings
from amanuensis.daemon.http import Page
from amanuensis.daemon.metrics import Metrics
from amanuensis.daemon.reception import SAFE
from amanuensis.daemon.rest.errors import RestError
from amanuensis.daemon.tokens import Role

log = logging.getLogger(__name__)

MEGABYTE: Final = 10**6
FORM_BYTES: Final = 2**20  # of an upload beside its file
RETRY_S: Final = 5
LINGER_S: Final = 2.0
SLOWEST_BYTES_S: Final = 2_000  # of an upload; a modem is faster
Refuse = Callable[[Peer, Headers, str, Role], Page | None]


class Guard:
    """An ASGI application in front of another.

    Args:
        app: that is guarded.
        door: the address that it is reached by.
        settings: limits.
        refuse: says why somebody may not come in.
        metrics: what is counted.

    Attributes:
        busy: requests with a body that are being served.

    """

    def __init__(
        self, app: ASGIApp, door: ListenAddress, settings: RestSettings, refuse: Refuse, metrics: Metrics
    ) -> None:
        self.busy = 0
        self._app = app
        self._door = door
        self._settings = settings
        self._refuse = refuse
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or say why not."""
        incoming = Incoming(receive, self._settings)
        sent = Outgoing(send, incoming, self._settings.stall_s)
        try:
            incoming.is_whole = scope["method"] != "POST"
            self._check(scope)
            await self._serve(scope, incoming, sent)
        except RestError as error:
            if not sent.status:
                await error.response()(scope, receive, sent)
            sent.status = error.status
        finally:
            self._note(sent.status)

    def _note(self, status: int) -> None:
        if status >= HTTPStatus.BAD_REQUEST:
            self._metrics.refused.labels(f"rest_{status}").inc()
            log.info("rest: request refused: %d", status, extra={"code": f"rest_{status}"})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        if self.busy >= self._settings.jobs:
            message = f"{self.busy} requests are served already (rest.jobs); try again in {RETRY_S} s"
            raise RestError(429, message, code="rate_limit_exceeded", headers={"Retry-After": str(RETRY_S)})
        self.busy += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self.busy -= 1

    def _check(self, scope: Scope) -> None:
        headers = Headers([(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]])
        page = self._refuse(self._peer(scope), headers, scope["path"], "speak")
        if page is not None:
            code = "invalid_api_key" if page.status == 401 else None
            raise RestError(page.status, page.body.decode().strip(), code=code, headers=page.headers)
        length = headers.get("Content-Length", "0")
        if length.isdigit() and int(length) > most_bytes(self._settings):
            raise too_large(self._settings)

    def _peer(self, scope: Scope) -> Peer:
        if isinstance(self._door, UnixAddress):
            return Peer(self._door, uid=os.geteuid())  # mode 0600: nobody else could have opened the socket
        client = scope.get("client")
        return Peer(self._door, client[0] if client else "")


class Incoming:
    """What a client sends, counted, and not waited for for ever.

    Attributes:
        is_whole: all of the request has come.

    """

    def __init__(self, receive: Receive, settings: RestSettings) -> None:
        self.is_whole = False
        self._receive = receive
        self._settings = settings
        self._n_bytes = 0
        self._began_s = asyncio.get_running_loop().time()

    async def __call__(self) -> Message:
        """Return the next message.

        Raises:
            RestError: nothing came for long, or hardly anything, or too much.

        """
        if self.is_whole:
            return await self._receive()  # the end of the connection, which may be far away
        now_s, stall_s = asyncio.get_running_loop().time(), self._settings.stall_s
        in_time_s = self._began_s + stall_s + self._n_bytes / SLOWEST_BYTES_S  # or a place could be held for ever
        try:
            async with asyncio.timeout(min(stall_s, max(0.0, in_time_s - now_s))):
                message = await self._next()
        except TimeoutError:
            why = f"nothing came for {stall_s:g} s, or less than {SLOWEST_BYTES_S} bytes a second"
            raise RestError(408, f"{why}; send the file again") from None
        self._n_bytes += len(message.get("body", b""))
        if self._n_bytes > most_bytes(self._settings):
            raise too_large(self._settings)
        return message

    async def _next(self) -> Message:
        message = await self._receive()
        self.is_whole = not message.get("more_body", False)
        return message

    async def linger(self) -> None:
        """Let the client read its answer while it still sends: a connection closed too early would lose it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(min(LINGER_S, self._settings.stall_s)):
                while not self.is_whole:
                    await self._next()


class Outgoing:
    """What a client is sent; one that does not read is left.

    Attributes:
        status: of the answer; 0: it was not begun.

    """

    def __init__(self, send: Send, incoming: Incoming, stall_s: float) -> None:
        self.status = 0
        self._send = send
        self._incoming = incoming
        self._stall_s = stall_s

    async def __call__(self, message: Message) -> None:
        """Send a message; the connection is over after the answer.

        Raises:
            RestError: the client does not read.

        """
        if message["type"] == "http.response.start":
            self.status = message["status"]
            safe = [(name.lower().encode(), value.encode()) for name, value in SAFE.items()]
            ours = [(b"cache-control", b"no-store"), (b"connection", b"close")]
            message["headers"] = [*message["headers"], *safe, *ours]
        elif not self._incoming.is_whole and not message.get("more_body", False):
            await self._put({**message, "more_body": True})
            await self._incoming.linger()
            message = {"type": "http.response.body", "body": b""}
        await self._put(message)

    async def _put(self, message: Message) -> None:
        try:
            async with asyncio.timeout(self._stall_s):
                await self._send(message)
        except TimeoutError:
            raise RestError(408, "the client does not read") from None


def most_bytes(settings: RestSettings) -> int:
    """Return how long a request may be."""
    return settings.upload_mb * MEGABYTE + FORM_BYTES


def too_large(settings: RestSettings) -> RestError:
    """Return the error for a longer one."""
    message = f"the upload is larger than {settings.upload_mb} MB (rest.upload_mb); cut the file"
    return RestError(413, message, param="file")
