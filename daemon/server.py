"""The WebSocket server: listens, admits, joins connections to sessions, and stops in good order."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict
from http import HTTPStatus
from typing import Any, Final

import websockets.asyncio.server
from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from amanuensis.daemon import http as pages
from amanuensis.daemon.access import Access
from amanuensis.daemon.clients import Client
from amanuensis.daemon.config import Address, Config
from amanuensis.daemon.connection import Connection, Route
from amanuensis.daemon.engine_facts import engine_facts
from amanuensis.daemon.journal import Journal
from amanuensis.daemon.live_session import GOING_AWAY
from amanuensis.daemon.metrics import Metrics
from amanuensis.daemon.pipeline import open_pipeline
from amanuensis.daemon.protocol import MAX_HELLO_BYTES, PROTO, ProtocolError
from amanuensis.daemon.sessions import RETRY_AFTER_S, Sessions
from amanuensis.npu.engine.api import Engine
from amanuensis.stream.words import WordTokenizer

log = logging.getLogger(__name__)
library_log = logging.getLogger("amanuensis.websockets")
library_log.setLevel(logging.WARNING)  # our own lines say what happens to connections

STATS_S: Final = 1.0  # DESIGN 6: once a second
MAX_QUEUED_FRAMES: Final = 4  # of a client, parsed but not taken yet; TCP holds the rest back
SOCKET_BUFFER_BYTES: Final = 2**18  # of the kernel, each way: the less, the sooner is a stalled client noticed


class ServeError(Exception):
    """The daemon cannot serve; the message says why and what to do."""


def _bounded(max_connections: int) -> type[ServerConnection]:
    """Return connections that are cut at once when there are too many, before a byte of them is read."""

    class BoundedConnection(ServerConnection):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            if len(self.server.handler_tasks) > max_connections:
                self.transport.abort()

    return BoundedConnection


class Daemon:
    """One daemon: its sessions and its connections.

    Args:
        config: what it was told.
        engine: started; the caller closes it.
        tokenizer: of the engine's model.

    """

    def __init__(self, config: Config, engine: Engine, tokenizer: WordTokenizer) -> None:
        self.config = config
        self.metrics = Metrics()
        self.sessions = Sessions(engine, tokenizer, config, self.metrics)
        self._engine = engine
        self._access = Access(config.server.address, config.server.token, config.server.origins)
        self._site = pages.Site(self._health, self._readiness, self.metrics.render, self._journal)
        self._greeting = 0  # connections to /v1/session that have not said hello
        self.metrics.watch_engine(engine.info, engine.stats, self.sessions.gauges)

    @asynccontextmanager
    async def listening(self, listener: socket.socket | None = None) -> AsyncIterator[Address]:
        """Accept connections; on leaving, end the sessions and close everything.

        Args:
            listener: a socket that listens already; None: one is opened as the configuration says.

        Raises:
            ServeError: the address cannot be listened on.

        """
        listener = listener or open_listener(self.config.server.address)
        server = await websockets.asyncio.server.serve(
            self._handle,
            sock=listener,
            subprotocols=[Subprotocol(PROTO)],
            process_request=self._process_request,
            compression=None,  # sound does not shrink, and each connection would cost 100 KB
            open_timeout=self.config.limits.hello_s,
            close_timeout=1.0,
            ping_interval=None,  # client_io pings: a pong may lie behind audio that is not read yet
            max_size=MAX_HELLO_BYTES,  # raised when the hello is accepted
            max_queue=MAX_QUEUED_FRAMES,
            create_connection=_bounded(self.config.limits.connections),
            server_header=None,
            logger=library_log,
        )
        ticker = asyncio.create_task(self._tick())
        host, port = listener.getsockname()[:2]
        log.info("listening on %s", Address(host, port))
        try:
            yield Address(host, port)
        finally:
            ticker.cancel()
            await self.sessions.close(self.config.limits.shutdown_s)
            server.close(code=GOING_AWAY, reason="shutdown")
            await server.wait_closed()
            log.info("stopped")

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(STATS_S)
            self.sessions.tick()

    # HTTP

    async def _process_request(self, _websocket: ServerConnection, request: Request) -> Response | None:
        """Answer what is not a WebSocket, and refuse those that cannot be served."""
        page = self._refuse(request)
        upgrade = "websocket" in request.headers.get("Upgrade", "").lower()
        route = pages.websocket_route(request.path)
        if page is None and upgrade and route is not None:
            if route.kind == "watch" or not self._is_full():
                return None
            retry = {"Retry_After": f"{RETRY_AFTER_S:.0f}"}
            page = pages.text_page(503, "all sessions are taken; try again later", **retry)
        if page is None:
            answer = pages.answer(request.path, self._site)
            page = await asyncio.to_thread(answer.page) if isinstance(answer, pages.Export) else answer
        if page.status >= 400:
            self.metrics.refused.labels(f"http_{page.status}").inc()
        return _response(page, request.method)

    def _refuse(self, request: Request) -> pages.Page | None:
        refusal = self._access.refuse(request.headers)
        if refusal is not None:
            return pages.text_page(refusal.status, refusal.why)
        if request.method not in ("GET", "HEAD"):
            return pages.text_page(405, f"{request.method} is not possible here; use GET", Allow="GET, HEAD")
        hidden = not pages.is_open(request.path) and pages.websocket_route(request.path) is None
        if hidden and not self._access.is_authorized(request.headers):
            return pages.text_page(401, "this asks for Authorization: Bearer TOKEN", WWW_Authenticate="Bearer")
        return None

    def _is_full(self) -> bool:
        return self.sessions.is_full or len(self.sessions) + self._greeting >= self.config.limits.sessions

    def _health(self) -> dict[str, Any]:
        return engine_facts(self._engine.info, self._engine.stats())

    def _readiness(self) -> tuple[bool, dict[str, Any]]:
        why = self._engine.stats().lost or ("stopping" if self.sessions.closing else "")
        gauges = self.sessions.gauges()
        facts = {
            "why": why,
            "engine": asdict(self._engine.info),
            "sessions": gauges.sessions,
            "clients": gauges.clients,
        }
        return not why, facts | {"max_sessions": self.config.limits.sessions}

    def _journal(self, name: str) -> Journal | None:
        session = self.sessions.find(name)
        return None if session is None else session.journal

    # WebSocket

    async def _handle(self, websocket: ServerConnection) -> None:
        assert websocket.request is not None
        route = pages.websocket_route(websocket.request.path)
        assert route is not None
        authorized = self._access.is_authorized(websocket.request.headers)
        connection = Connection(route, self._access.token, authorized)
        client = Client(websocket, connection, self.sessions, limits=self.config.limits, metrics=self.metrics)
        try:
            with self._counted_as_greeting(route):
                hello = await client.greet()
            await client.serve(hello)
        except ProtocolError as error:
            await client.turn_away(error)
        except ConnectionClosed:
            return

    @contextmanager
    def _counted_as_greeting(self, route: Route) -> Iterator[None]:
        """Hold a place for a speaker that has not said hello, so that a burst of them does not overfill the daemon."""
        self._greeting += route.kind == "session"
        try:
            yield
        finally:
            self._greeting -= route.kind == "session"


async def serve(config: Config, on_listening: Callable[[Address], None]) -> None:
    """Start the engine, serve until SIGTERM or SIGINT, stop in good order.

    Args:
        config: what to serve.
        on_listening: called once connections are accepted, with the address that was bound.

    Raises:
        ServeError: the address cannot be listened on.
        amanuensis.npu.engine.api.EngineError: the model or the device cannot be used.
        amanuensis.stream.config.StreamConfigError: the model cannot do what the settings ask for.

    """
    with open_listener(config.server.address) as listener:  # before the engine: a taken port is told at once
        async with open_pipeline(config) as pipeline:
            stop = stop_signal()  # not before: while the model is loaded a signal ends the process as usual
            daemon = Daemon(config, pipeline.engine, pipeline.tokenizer)
            async with daemon.listening(listener) as address:
                on_listening(address)
                await stop.wait()


def stop_signal() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


def open_listener(address: Address) -> socket.socket:
    """Return a listening socket.

    Raises:
        ServeError: the address is taken, is not this machine's, or is not allowed.

    """
    try:
        family, _, _, _, target = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(target[:2], family=family)
    except OSError as error:
        hints = {
            errno.EADDRINUSE: "another program listens there; stop it or choose another port with --listen HOST:PORT",
            errno.EADDRNOTAVAIL: "this machine has no such address; see `ip address`",
            errno.EACCES: "ports below 1024 need a privilege; choose a higher one",
        }
        what = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
        hint = hints.get(error.errno or 0, "check server.listen")
        raise ServeError(f"cannot listen on {address}: {what}: {hint}") from None
    # All of these are inherited by the connections. asyncio forgets TCP_NODELAY for sockets made this way, which costs
    # an event 40 ms: Nagle's algorithm waits for an acknowledgement that the other side delays.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        listener.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER_BYTES)
    return listener


def _response(page: pages.Page, method: str) -> Response:
    headers = Headers()
    headers["Content-Type"] = page.content_type
    headers["Content-Length"] = str(len(page.body))
    headers["Cache-Control"] = "no-store"
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Connection"] = "close"
    for name, value in page.headers.items():
        headers[name] = value
    return Response(page.status, HTTPStatus(page.status).phrase, headers, b"" if method == "HEAD" else page.body)
