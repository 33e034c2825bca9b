"""The shell of Wyoming: connections over TCP and unix sockets, a session for each cycle, frames both ways."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from amanuensis.daemon.access import Peer, Presented
from amanuensis.daemon.addresses import ListenAddress, UnixAddress
from amanuensis.daemon.dialects.settings import WyomingSettings
from amanuensis.daemon.dialects.voice import Listening, Voice
from amanuensis.daemon.dialects.wyoming import Answer, Begin, Cycles, Hear, Stop, Transcript, error_event, info_event
from amanuensis.daemon.dialects.wyoming_wire import (
    MAX_LINE_BYTES,
    WyomingError,
    WyomingEvent,
    encode,
    parse_event,
    parse_header,
)
from amanuensis.daemon.fields import show
from amanuensis.daemon.gate import GuardedSocket
from amanuensis.daemon.listeners import Listener, ServeError, peer_uid
from amanuensis.daemon.live_session import NORMAL
from amanuensis.daemon.logs import about
from amanuensis.daemon.protocol import ProtocolError
from amanuensis.daemon.security import Security
from amanuensis.daemon.server import Daemon
from amanuensis.npu.engine.api import Engine

log = logging.getLogger(__name__)

SLOW: Final = "events were not read"
LAST_WORDS_S: Final = 2.0  # for clients to take them when the daemon stops


def check_trust(settings: WyomingSettings, security: Security) -> None:
    """Raise ServeError where somebody could come in without a token and nobody said that this is meant."""
    for address in settings.addresses:
        guarded = not isinstance(address, UnixAddress) and (not address.is_loopback or bool(security.access.tokens))
        if guarded and not settings.trusted:
            raise ServeError(
                f"wyoming.listen {str(address)!r}: Wyoming knows no tokens; name who may speak there in "
                'wyoming.trusted, such as ["192.168.1.7"], or listen on unix:/PATH'
            )


def is_trusted(host: str, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    """Whether an address is in one of the networks; one of IPv4 that comes by an IPv6 socket is what it is."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in networks)


class WyomingServer:
    """Serves Wyoming beside a daemon, with its sessions and limits.

    Args:
        daemon: whose sessions they are.
        engine: of it.
        settings: who is trusted.

    """

    def __init__(self, daemon: Daemon, engine: Engine, settings: WyomingSettings) -> None:
        self.daemon = daemon
        self.engine = engine
        self._networks = settings.networks
        self._servers: list[asyncio.Server] = []
        self._open: set[asyncio.Task[None]] = set()
        self._connections: set[WyomingConnection] = set()

    async def listen(self, listener: Listener) -> None:
        """Serve the connections of one socket."""
        guarded = GuardedSocket(fileno=listener.socket.detach())
        guarded.guard(listener.address, self.daemon.gate)

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # A task of its own: asyncio complains loudly of one of its callbacks that is cancelled.
            task = asyncio.create_task(self._handle(listener.address, reader, writer))
            self._open.add(task)
            await asyncio.wait({task})
            self._open.discard(task)
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("wyoming: a connection was ended by a fault", exc_info=error)

        self._servers.append(await asyncio.start_server(handle, sock=guarded, limit=MAX_LINE_BYTES))

    async def aclose(self) -> None:
        """Listen no more, tell what is final already, and close what is open."""
        for server in self._servers:
            server.close()
        if telling := [task for connection in self._connections if (task := connection.telling) is not None]:
            await asyncio.wait(telling, timeout=LAST_WORDS_S)
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _handle(self, door: ListenAddress, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sock = writer.get_extra_info("socket")
        unix = isinstance(door, UnixAddress)
        name = writer.get_extra_info("peername") or ("",)  # none: it has gone meanwhile
        peer = Peer(door, "" if unix else name[0], peer_uid(sock) if unix else None)
        about(peer=peer.key)
        connection = WyomingConnection(self, peer, reader, writer)
        self._connections.add(connection)
        try:
            if self.may_speak(peer):
                self.daemon.gate.is_known(sock.fileno())
                await connection.serve()
            else:
                error = WyomingError("unauthorized", f"{peer.key} may not speak here: see wyoming.trusted")
                await connection.refuse(error)
        except ConnectionError:
            log.info("wyoming: the client is gone")
        except TimeoutError:
            self.daemon.metrics.slow_clients.inc()
            log.info("wyoming: a client was closed: it does not read")
        finally:
            self._connections.discard(connection)
            writer.transport.abort() if self._stalled(writer) else writer.close()

    @staticmethod
    def _stalled(writer: asyncio.StreamWriter) -> bool:
        return writer.transport.get_write_buffer_size() > 0

    def may_speak(self, peer: Peer) -> bool:
        """Whether the place that somebody comes from is enough."""
        if self.daemon.reception.access.grant(peer, Presented(), datetime.now(UTC)).may("speak"):
            return True
        if peer.uid is not None:
            return False
        return is_trusted(peer.host, self._networks)


class WyomingConnection:
    """One connection; cycles follow one another.

    Args:
        server: that it came to.
        peer: who is at the other end.
        reader: of it.
        writer: of it.

    Attributes:
        telling: sends the words of the cycle that is open.

    """

    def __init__(
        self, server: WyomingServer, peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._server = server
        self._daemon = server.daemon
        self._limits = server.daemon.config.limits
        self._peer = peer
        self._reader = reader
        self._writer = writer
        self._cycles = Cycles(info_event(server.engine.info))
        self._voice: Voice | None = None
        self.telling: asyncio.Task[None] | None = None

    async def serve(self) -> None:
        """Act on events until the client is gone, or sends what cannot be taken."""
        try:
            while (event := await self._next()) is not None:
                await self._act(event)
            if self._voice is not None:
                raise WyomingError("cut_off", "the connection ended before audio-stop")
        except WyomingError as error:
            await self.refuse(error)
        except ProtocolError as error:
            code = "bad_request" if error.code == "bad_hello" else error.code
            await self.refuse(WyomingError(code, str(error).removeprefix("hello: ")))
        finally:
            await self._leave()

    async def refuse(self, error: WyomingError) -> None:
        """Say why the connection is over."""
        self._daemon.metrics.refused.labels(error.code).inc()
        log.info("wyoming: refused: %s", error.code, extra={"code": error.code})
        await self._send([error_event(error)])

    async def _next(self) -> WyomingEvent | None:
        """Return the next event; None at the end of the stream, or when nothing came for long."""
        reading = asyncio.create_task(self._read())
        waited = {reading} if self.telling is None else {reading, self.telling}
        done, _ = await asyncio.wait(waited, timeout=self._limits.idle_s, return_when=asyncio.FIRST_COMPLETED)
        if reading in done:
            return reading.result()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        if self.telling in done and self.telling is not None:  # the session is over before its client said so
            self.telling.result()
            raise WyomingError("ended", "the daemon ended the session; come again later")
        raise WyomingError("idle", f"nothing came for {self._limits.idle_s:g} s")

    async def _read(self) -> WyomingEvent | None:
        try:
            line = await self._reader.readline()
        except ValueError:  # of asyncio: the limit was reached before the end of the line
            raise WyomingError("bad_frame", f"the line of a frame is longer than {MAX_LINE_BYTES} bytes") from None
        if not line:
            return None
        header = parse_header(line)
        try:
            data = await self._reader.readexactly(header.data_bytes)
            payload = await self._reader.readexactly(header.payload_bytes)
        except asyncio.IncompleteReadError:
            raise WyomingError("cut_off", f"the connection ended within {show(header.type)}") from None
        return parse_event(header, data, payload)

    async def _act(self, event: WyomingEvent) -> None:
        match self._cycles.take(event):
            case Answer(event=answer):
                await self._send([answer])
            case Begin() as begin:
                self._begin(begin)
            case Hear(data=data) if self._voice is not None:
                self._voice.hear(data)
                await self._voice.room()
                await self._keep_pace(len(data))
            case Stop():
                await self._end()

    def _begin(self, begin: Begin) -> None:
        news, abandoned = asyncio.Event(), asyncio.Event()
        listening = Listening(frozenset(), self._limits, news, abandoned)
        sessions, client = self._daemon.sessions, self._peer.shared_key
        self._voice = Voice.open(sessions, begin.format, begin.options, client, listening)
        self.telling = asyncio.create_task(self._tell(self._voice, Transcript(begin.options.lang), listening))

    async def _tell(self, voice: Voice, transcript: Transcript, listening: Listening) -> None:
        """Send words as they are committed, and at the end of the session all of them."""
        while not voice.is_over:
            listening.news.clear()
            await self._send(transcript.tell(voice.take()))
            if not voice.is_over:
                await listening.news.wait()
            if listening.abandoned.is_set():
                raise TimeoutError(SLOW)
        await self._send(transcript.end())

    async def _end(self) -> None:
        voice, telling = self._voice, self.telling
        if voice is not None and telling is not None:
            voice.end()
            await telling
            self._voice = self.telling = None
            voice.leave()
            code, reason = voice.queue.closing or (NORMAL, "")
            if code != NORMAL:
                raise WyomingError(reason or "ended", "the daemon ended the session")

    async def _leave(self) -> None:
        """What was heard still becomes final, for those who watch."""
        if self._voice is not None:
            self._voice.leave()
        if self.telling is not None:
            self.telling.cancel()
            await asyncio.gather(self.telling, return_exceptions=True)

    async def _keep_pace(self, n_bytes: int) -> None:
        key = self._peer.shared_key or f"connection {id(self)}"
        if (wait_s := self._daemon.flow.take(key, n_bytes, asyncio.get_running_loop().time())) > 0:
            self._daemon.metrics.held_back_s.inc(wait_s)
            await asyncio.sleep(wait_s)

    async def _send(self, events: Iterable[WyomingEvent]) -> None:
        """Send events; TimeoutError when the client does not read."""
        for event in events:
            self._writer.write(encode(event))
        async with asyncio.timeout(self._limits.ping_s):
            await self._writer.drain()
