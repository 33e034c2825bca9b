"""What a connection does once it has said hello: speak into a session of its own, or watch one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from typing import Any, Final, TypeAlias

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from amanuensis.daemon.access import Peer
from amanuensis.daemon.client_io import Inbox, run_client
from amanuensis.daemon.config import LimitSettings
from amanuensis.daemon.connection import Connection
from amanuensis.daemon.cursor import Chunk
from amanuensis.daemon.ended_session import EndedSession
from amanuensis.daemon.flow import Flow
from amanuensis.daemon.fronts.followed import FollowedSession
from amanuensis.daemon.hub import ClientQueue
from amanuensis.daemon.journal import Entry
from amanuensis.daemon.live_session import IDLE, NORMAL, PROTOCOL_FAULT, SPEAKER_IDLE, SPEAKER_LEFT, Ending, LiveSession
from amanuensis.daemon.logs import about
from amanuensis.daemon.metrics import Metrics
from amanuensis.daemon.protocol import Configure, Hello, Ping, ProtocolError, Skip
from amanuensis.daemon.pump import LONG_S
from amanuensis.daemon.sessions import FullError, Sessions
from amanuensis.stream.events import Bye, Error, Pong, Ready

log = logging.getLogger(__name__)

Attended: TypeAlias = LiveSession | FollowedSession

SAMPLE_BYTES: Final = 2  # that count of a sample that was left out, up to LONG_S of them: silence is work too


class Client:
    """One connection.

    Args:
        websocket: its socket.
        connection: its rules.
        sessions: of the daemon.
        peer: who is at the other end.
        flow: how fast clients may send.
        limits: of the daemon.
        metrics: what is counted.

    """

    def __init__(
        self,
        websocket: ServerConnection,
        connection: Connection,
        sessions: Sessions,
        *,
        peer: Peer,
        flow: Flow,
        limits: LimitSettings,
        metrics: Metrics,
    ) -> None:
        self._websocket = websocket
        self._connection = connection
        self._sessions = sessions
        self._client = peer.shared_key
        self._flow = flow
        self._limits = limits
        self._metrics = metrics
        self._inbox = Inbox(websocket)
        self._queue = ClientQueue("json", max_events=limits.queue_events)
        self._ending: Ending = SPEAKER_LEFT  # of the session, if this speaker does not come back

    async def greet(self) -> Hello:
        """Wait for the hello.

        Raises:
            ProtocolError: there was none in time, or none that can be taken.
            ConnectionClosed: the client is gone.

        """
        try:
            frame = await self._inbox.next(self._limits.hello_s)
        except TimeoutError:
            raise ProtocolError("no_hello", f"no hello within {self._limits.hello_s:g} s", IDLE) from None
        hello = self._connection.receive(frame)
        assert isinstance(hello, Hello)
        return hello

    async def serve(self, hello: Hello) -> None:
        """Do what the hello asks for, until the connection is over.

        Raises:
            ProtocolError: it cannot be done.

        """
        self._websocket.protocol.max_message_size = self._limits.message_bytes
        self._queue = ClientQueue(hello.events, hello.want, self._limits.queue_events, self._limits.queue_bytes)
        if hello.role == "speak":
            await self._speak(hello)
        else:
            await self._watch(hello)

    async def turn_away(self, error: ProtocolError) -> None:
        """Say why the connection cannot stay, and close it."""
        self._refuse(error)
        await self._run(self._wait_closed())

    def dismiss(self, code: int, why: str) -> None:
        """Close the connection at once."""
        self._queue.abandon(code, why)

    async def _wait_closed(self) -> None:
        await self._websocket.wait_closed()

    async def _run(self, reader: Coroutine[Any, Any, None]) -> None:
        await run_client(self._websocket, self._inbox, self._queue, reader, self._limits.ping_s)

    async def _attend(self, session: Attended, past: Sequence[Entry], reader: Coroutine[Any, Any, None]) -> None:
        """Be one of a session's clients, told its past first, until the connection is over."""
        about(session=session.id)
        session.hub.join(self._queue, past)
        try:
            await self._run(reader)
        finally:
            session.hub.leave(self._queue)
            self._metrics.overtaken.inc(self._queue.dropped)
            if self._queue.abandoned.is_set():
                self._metrics.slow_clients.inc()
                log.info("session %s: a client was closed: %s", session.id, self._queue.closing)

    def _refuse(self, error: ProtocolError) -> None:
        """Say what was wrong; when the connection cannot go on, close it after that."""
        self._metrics.refused.labels(error.code).inc()
        retry_after = error.retry_after_s if isinstance(error, FullError) else None
        self._queue.send(Error(error.code, str(error), error.close_code is not None, retry_after))
        if error.close_code is not None:
            log.info("connection refused: %s", error.code, extra={"code": error.code})
            self._queue.close(error.close_code, str(error))

    async def _speak(self, hello: Hello) -> None:
        resumed = hello.resume_token is not None
        if resumed:
            await self._sessions.elsewhere.bring(hello)
        session = self._sessions.resume(hello) if resumed else self._sessions.open(hello, client=self._client)
        if isinstance(session, EndedSession):
            await self._tell_the_end(session, session.ready_again, hello.after_seq)
            return
        past = session.journal.replay(hello.after_seq) if resumed else []
        ready = session.ready(for_speaker=True, limits=self._limits, resumed=resumed)
        self._connection.cursor = session.cursor
        session.attach(self._queue)
        try:
            await self._attend(session, [Entry(ready), *past], self._read_speaker(session))
        finally:
            self._leave(session)

    def _leave(self, session: LiveSession) -> None:
        """A speaker that closes with 1000 leaves for good; any other may come back."""
        closed = self._websocket.protocol.close_rcvd
        if self._queue.closing is None and closed is not None and closed.code == NORMAL:
            session.finish(SPEAKER_LEFT)
        self._sessions.leave(session, self._queue, self._ending)

    async def _read_speaker(self, session: LiveSession) -> None:
        """Act on a speaker's messages until it is gone."""
        try:
            while True:
                await self._inbox.hold(session.room())
                frame = await self._inbox.next(None if session.ending else self._limits.idle_s)
                n_lost = self._act(frame, session) if self._queue.closing is None else 0
                await self._keep_pace(frame, SAMPLE_BYTES * min(n_lost, LONG_S * session.cursor.format.rate))
        except TimeoutError:
            session.finish(SPEAKER_IDLE)
            await self._wait_closed()
        except ConnectionClosed:
            return

    async def _keep_pace(self, frame: str | bytes, n_silent: int = 0) -> None:
        """Read nothing more for a while from a client that sends too fast, bytes of silence that it did not counted."""
        key = self._client or f"connection {id(self)}"
        if (wait_s := self._flow.take(key, len(frame) + n_silent, asyncio.get_running_loop().time())) > 0:
            self._metrics.held_back_s.inc(wait_s)
            await self._inbox.hold(asyncio.sleep(wait_s))

    def _act(self, frame: str | bytes, session: LiveSession) -> int:
        """Do what a frame asks for; return how many samples it left out."""
        try:
            message = self._connection.receive(frame)
            if isinstance(message, Ping):
                self._queue.send(Pong(message.id))
            elif isinstance(message, Chunk):
                session.hear(message)
                return message.missing_bytes // session.cursor.format.frame_bytes
            elif message is None:
                session.acknowledge()  # a chunk came again: the client does not know that it was taken
            elif isinstance(message, Skip):
                session.skip(message)
                return message.samples
            elif not isinstance(message, Hello):
                session.obey(message)
                self._change_wants(message)
        except ProtocolError as error:
            self._refuse(error)
            if error.close_code is not None:
                self._ending = PROTOCOL_FAULT
        return 0

    def _change_wants(self, message: object) -> None:
        if isinstance(message, Configure) and message.want is not None:
            self._queue.want = message.want

    async def _watch(self, hello: Hello) -> None:
        name = self._connection.watched(hello) or ""
        if name == "latest":
            name = await self._sessions.elsewhere.newest() or name
        session = self._sessions.find(name) or await self._sessions.elsewhere.follow(name)
        if session is None:
            why = "none goes on now" if name == "latest" else "it never was, or ended too long ago"
            raise self._sessions.unknown(name, why)
        if isinstance(session, EndedSession):
            await self._tell_the_end(session, session.ready, hello.after_seq)
            return
        ready = session.ready(for_speaker=False, limits=self._limits)
        await self._attend(session, [Entry(ready), *session.journal.replay(hello.after_seq)], self._read_watcher())

    async def _tell_the_end(self, session: EndedSession, ready: Ready, after_seq: int | None) -> None:
        await session.store.kept()
        self._queue.replay([Entry(ready), *session.journal.replay(after_seq), Entry(Bye(session.reason))])
        self._queue.close(NORMAL, session.reason)
        await self._run(self._read_watcher())

    async def _read_watcher(self) -> None:
        async for frame in self._inbox.rest():
            await self._keep_pace(frame)
            try:
                message = self._connection.receive(frame)
            except ProtocolError as error:
                self._refuse(error)
                continue
            if isinstance(message, Ping):
                self._queue.send(Pong(message.id))
            self._change_wants(message)
