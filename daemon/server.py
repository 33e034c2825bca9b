"""The WebSocket server: listens, admits, joins connections to sessions, and stops in good order."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Final, TypeAlias

import websockets.asyncio.server
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed, NegotiationError
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from amanuensis.daemon import http as pages
from amanuensis.daemon.access import Grant, Peer
from amanuensis.daemon.addresses import Address, ListenAddress, UnixAddress
from amanuensis.daemon.admission import Full
from amanuensis.daemon.clients import Client
from amanuensis.daemon.config import Config, LimitSettings, ServerSettings
from amanuensis.daemon.connection import NOT_ALLOWED, Connection, Route
from amanuensis.daemon.dialects.deepgram_client import DeepgramClient
from amanuensis.daemon.dialects.deepgram_request import parse_listen
from amanuensis.daemon.dialects.listen_door import ListenDoor, chosen_subprotocol, response_headers
from amanuensis.daemon.facts import Facts
from amanuensis.daemon.flow import Flow, Rates
from amanuensis.daemon.fronts.front import Front
from amanuensis.daemon.fronts.token_exchange import TokenExchange
from amanuensis.daemon.gate import Gate, GateLimits, GuardedSocket
from amanuensis.daemon.keeper import Keeper
from amanuensis.daemon.listeners import Listener, open_listeners, peer_uid
from amanuensis.daemon.live_session import GOING_AWAY
from amanuensis.daemon.logs import about
from amanuensis.daemon.meetings.admin import AdminClient, sound_file
from amanuensis.daemon.meetings.library import Library
from amanuensis.daemon.metrics import Metrics
from amanuensis.daemon.poison import PoisonKeeper, poison_folder
from amanuensis.daemon.protocol import MAX_HELLO_BYTES, PROTO, ProtocolError
from amanuensis.daemon.reception import Reception
from amanuensis.daemon.security import Security
from amanuensis.daemon.sessions import Sessions
from amanuensis.daemon.tokens import Token, TokenTable
from amanuensis.daemon.unread_bodies import HttpConnection
from amanuensis.daemon.voice_desk import VoiceDesk
from amanuensis.npu.engine.api import Engine
from amanuensis.stream.words import WordTokenizer

log = logging.getLogger(__name__)
library_log = logging.getLogger("amanuensis.websockets")
library_log.setLevel(logging.WARNING)  # our own lines say what happens to connections

STATS_S: Final = 1.0  # DESIGN 6: once a second
SYNC_S: Final = 0.5  # power loss costs a recording no more than this and the time that the disk takes
MAX_QUEUED_FRAMES: Final = 4  # of a client, parsed but not taken yet; TCP holds the rest back
NOT_ALLOWED_ANY_MORE: Final = "the token was revoked or has expired"


Guest: TypeAlias = Client | DeepgramClient | AdminClient


class Daemon:
    """One daemon: its sessions and its connections.

    Args:
        config: what it was told.
        engine: started; the caller closes it.
        tokenizer: of the engine's model.
        security: None: as the configuration says.
        keeper: keeps the sessions; None: they live as long as the daemon.
        voices: tells speakers apart; None: nobody does.
        front: shares the sessions with other daemons; None: they are its own.

    Attributes:
        urls: where clients find it, once it listens.
        gate: counts the connections of all doors.
        library: of recorded meetings.
        flow: how fast clients may send.

    """

    def __init__(
        self,
        config: Config,
        engine: Engine,
        tokenizer: WordTokenizer,
        security: Security | None = None,
        keeper: Keeper | None = None,
        *,
        voices: VoiceDesk | None = None,
        front: Front | None = None,
    ) -> None:
        self.config = config
        self._front = front
        self.metrics = Metrics()
        if voices is not None:
            voices.on_vector = lambda device: self.metrics.embeddings.labels(device).inc()
        poison = PoisonKeeper(poison_folder(os.environ), lambda: engine.info)
        self.sessions = Sessions(engine, tokenizer, config, self.metrics, keeper=keeper, poison=poison, voices=voices)
        self.urls: list[str] = []
        self.security = security or Security.load(config.server, os.environ)
        self.gate = Gate(
            _gate_limits(config.limits),
            self._is_stranger,
            lambda code: self.metrics.refused.labels(code).inc(),
        )
        self.library = Library.of(config, os.environ)
        facts = Facts(engine, self.sessions, self.metrics, self.gate, lambda: self.config.limits.sessions)
        listen = ListenDoor(self.sessions.check)
        site = replace(facts.site(), sound=partial(sound_file, self.library))
        self.reception = Reception(site, self.metrics, self._refusal, self.security.access, listen)
        self.flow = Flow(_rates(config.limits))
        self._doors: list[ListenAddress] = []
        self._guests: dict[Guest, Grant] = {}
        self._greeting = 0  # connections to /v1/session that have not said hello
        self._drained = False

    @asynccontextmanager
    async def listening(self, listeners: Sequence[Listener] | None = None) -> AsyncIterator[Address]:
        """Accept connections; on leaving, end the sessions and close everything.

        Args:
            listeners: sockets that listen already; None: they are opened as the configuration says.

        Yields:
            the first TCP address; where there is none, port 0 of a host without a name.

        Raises:
            ServeError: an address cannot be listened on, or needs a token and there is none.

        """
        async with AsyncExitStack() as stack:
            if listeners is None:
                listeners = stack.enter_context(open_listeners(self.config.server.addresses, os.environ))
            self._doors = [listener.address for listener in listeners]
            self.security.check(self._doors)
            await self._take_up()
            servers = [await self._serve(listener) for listener in listeners]
            self.urls = [self._url(door) for door in self._doors]
            tickers = [asyncio.create_task(self._tick()), asyncio.create_task(self._sync())]
            log.info("listening on %s", ", ".join(self.urls))
            try:
                yield next((door for door in self._doors if isinstance(door, Address)), Address("", 0))
            finally:
                for ticker in tickers:
                    ticker.cancel()
                await asyncio.gather(*tickers, return_exceptions=True)
                await self.sessions.close(self._grace_s())
                if self._front is not None:
                    await self._front.close()
                for server in servers:
                    server.close(code=GOING_AWAY, reason="shutdown")
                for server in servers:
                    await server.wait_closed()
                log.info("stopped")

    async def _take_up(self) -> None:
        """Go on with the sessions that another process has left."""
        if self._front is None:
            self.sessions.recover()
        else:
            await self._front.begin(self.sessions, TokenExchange(self._tokens, self._share_tokens))

    def _tokens(self) -> TokenTable:
        return self.security.access.tokens

    def _share_tokens(self, others: tuple[Token, ...]) -> None:
        """Take the tokens of other fronts for good; those that are not among them any more are worth nothing."""
        self.security = self.security.sharing(others)
        self.reception.access = self.security.access

    async def drain(self) -> None:
        """Take no more speakers; what was heard becomes final or waits for the next process, and everybody is told.

        Leaving `listening` does the same. If this is cancelled, it cuts off what is left.
        """
        self._drained = True
        await self.sessions.close(self.config.limits.shutdown_s)

    def _grace_s(self) -> float:
        return 0.0 if self._drained else self.config.limits.shutdown_s

    def reconfigure(self, config: Config) -> None:
        """Go on with other settings; new sessions and connections have them, those that are open keep theirs.

        Raises:
            as `reload_security`; all stays as it was.

        """
        self.reload_security(config.server)
        self.config = config
        self.gate.limits = _gate_limits(config.limits)
        self.flow.rates = _rates(config.limits)
        self.sessions.reconfigure(config)

    def reload_security(self, settings: ServerSettings) -> None:
        """Read tokens, origins and certificate again; who is no longer allowed is closed within a second.

        Raises:
            amanuensis.daemon.token_file.TokenFileError: the file of tokens cannot be used; all stays as it was.
            amanuensis.daemon.tls.TlsError: the certificate or its key cannot be used; all stays as it was.
            amanuensis.daemon.listeners.ServeError: no token is left, and other machines can come in.

        """
        changed = self.security.reloaded(settings, os.environ)
        changed.check(self._doors)
        if self.security.access.tokens and not changed.access.tokens:
            log.warning("security: no token is left: whoever uses this machine may do everything over loopback now")
        self.security, self.reception.access = changed, changed.access
        log.info("security: %d tokens are known now", len(changed.access.tokens.tokens))

    def _url(self, door: ListenAddress) -> str:
        if isinstance(door, UnixAddress):
            return str(door)
        return f"{'ws' if self.security.tls is None else 'wss'}://{door}/v1/session"

    async def _serve(self, listener: Listener) -> websockets.asyncio.server.Server:
        """Serve the connections of one socket."""
        door = listener.address
        guarded = GuardedSocket(fileno=listener.socket.detach())
        guarded.guard(door, self.gate)
        return await websockets.asyncio.server.serve(
            partial(self._handle, door),
            sock=guarded,
            ssl=self.security.tls.context if self.security.tls is not None and isinstance(door, Address) else None,
            subprotocols=[Subprotocol(PROTO)],
            select_subprotocol=_select_subprotocol,
            process_request=partial(self._process_request, door),
            process_response=_process_response,
            create_connection=HttpConnection,
            compression=None,  # sound does not shrink, and each connection would cost 100 KB
            open_timeout=self.config.limits.hello_s,
            close_timeout=1.0,
            ping_interval=None,  # client_io pings: a pong may lie behind audio that is not read yet
            max_size=MAX_HELLO_BYTES,  # raised when the hello is accepted
            max_queue=MAX_QUEUED_FRAMES,
            server_header=None,
            logger=library_log,
        )

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(STATS_S)
            self.sessions.tick()
            for client in self._no_longer_allowed():
                client.dismiss(NOT_ALLOWED, NOT_ALLOWED_ANY_MORE)

    async def _sync(self) -> None:
        while True:
            await asyncio.sleep(SYNC_S)
            await self.sessions.sync()

    def _no_longer_allowed(self) -> list[Guest]:
        now = self.reception.clock()
        return [client for client, grant in self._guests.items() if not self.reception.access.still(grant, now)]

    # HTTP

    async def _process_request(
        self, door: ListenAddress, websocket: ServerConnection, request: Request
    ) -> Response | None:
        return await self.reception.answer(_peer(websocket, door), request, secure=_is_secure(websocket))

    async def _listen(self, peer: Peer, websocket: ServerConnection, request: Request) -> None:
        """Serve a client of Deepgram's protocol, which was let in before it was a WebSocket."""
        client = DeepgramClient(
            websocket,
            parse_listen(request.path),
            self.sessions,
            peer=peer,
            flow=self.flow,
            limits=self.config.limits,
            metrics=self.metrics,
        )
        grant = self.reception.listener(peer, request)
        self.gate.is_known(_socket(websocket).fileno())
        self._guests[client] = grant
        log.info("connection accepted: %s, who may speak in Deepgram's protocol", grant.holder)
        try:
            await client.serve()
        finally:
            del self._guests[client]

    async def _administer(self, peer: Peer, websocket: ServerConnection, request: Request) -> None:
        """Serve somebody who looks at meetings."""
        authorize, limits = self.reception.authorize(peer, request), self.config.limits
        client = AdminClient(websocket, authorize, self.library, self.sessions.is_live, limits)
        try:
            self._guests[client] = await client.greet()
            self.gate.is_known(_socket(websocket).fileno())
            await client.serve()
        except ProtocolError as error:
            await client.turn_away(error)
        except ConnectionClosed:
            return
        finally:
            self._guests.pop(client, None)

    def _is_stranger(self, peer: Peer) -> bool:
        return self.reception.is_stranger(peer)

    def _refusal(self, peer: Peer) -> Full | None:
        return self.sessions.refusal(peer.shared_key, self._greeting)

    # WebSocket

    async def _handle(self, door: ListenAddress, websocket: ServerConnection) -> None:
        assert websocket.request is not None
        route = pages.websocket_route(websocket.request.path)
        assert route is not None
        peer = _peer(websocket, door)
        about(peer=peer.key)
        if route.kind == "listen":
            await self._listen(peer, websocket, websocket.request)
            return
        if route.kind == "admin":
            await self._administer(peer, websocket, websocket.request)
            return
        connection = Connection(route, self.reception.authorize(peer, websocket.request))
        client = Client(
            websocket,
            connection,
            self.sessions,
            peer=peer,
            flow=self.flow,
            limits=self.config.limits,
            metrics=self.metrics,
        )
        try:
            with self._counted_as_greeting(route):
                hello = await client.greet()
            self.gate.is_known(_socket(websocket).fileno())
            self._guests[client] = connection.grant
            log.info("connection accepted: %s, who may %s", connection.grant.holder, hello.role)
            await client.serve(hello)
        except ProtocolError as error:
            await client.turn_away(error)
        except ConnectionClosed:
            return
        finally:
            self._guests.pop(client, None)

    @contextmanager
    def _counted_as_greeting(self, route: Route) -> Iterator[None]:
        """Hold a place for a speaker that has not said hello, so that a burst of them does not overfill the daemon."""
        counted = route.kind == "session" and route.resumes is None
        self._greeting += counted
        try:
            yield
        finally:
            self._greeting -= counted


def _select_subprotocol(websocket: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    assert websocket.request is not None
    if _listens(websocket.request):
        return chosen_subprotocol(offered)
    if PROTO not in offered:
        raise NegotiationError(f"missing subprotocol: {PROTO}")
    return Subprotocol(PROTO)


def _process_response(websocket: ServerConnection, request: Request, response: Response) -> None:
    if _listens(request) and response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
        response.headers.update(response_headers(request.path, str(websocket.id)))


def _listens(request: Request) -> bool:
    route = pages.websocket_route(request.path)
    return route is not None and route.kind == "listen"


def _gate_limits(limits: LimitSettings) -> GateLimits:
    return GateLimits(limits.connections, limits.strangers, limits.connections_each)


def _rates(limits: LimitSettings) -> Rates:
    return Rates(limits.client_bytes_s, limits.client_messages_s, limits.backlog_s)


def _peer(websocket: ServerConnection, door: ListenAddress) -> Peer:
    if isinstance(door, UnixAddress):
        return Peer(door, uid=peer_uid(_socket(websocket)))
    address = websocket.remote_address
    return Peer(door, address[0] if address else "")  # none: it has gone meanwhile


def _socket(websocket: ServerConnection) -> socket.socket:
    found: socket.socket = websocket.transport.get_extra_info("socket")
    return found


def _is_secure(websocket: ServerConnection) -> bool:
    return websocket.transport.get_extra_info("ssl_object") is not None
