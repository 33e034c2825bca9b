"""Python client of the native protocol (docs/protocol.md).

    hello = Hello("speak", AudioFormat("s16le", 16_000, 1))
    async with connect("ws://127.0.0.1:8770/v1/session", hello) as client:
        sending = asyncio.create_task(send(client))  # await client.send_audio(data) ...; await client.end()
        async for event in client:                   # dicts, as in the protocol
            ...
        await sending

Read events while sending: `send_audio` waits when the server takes no more, and a server closes clients that do not
read. When the connection is lost, reading takes the session up again: what the server may not have is sent again, and
no durable event is given twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeAlias

from amanuensis.daemon.dial import ClientError, UnreachableError, again
from amanuensis.daemon.durable_view import DurableView, ViewError
from amanuensis.daemon.link import QUIET_S, ConnectionLostError, Event, Link, decode_event, open_link, refused_text
from amanuensis.daemon.outbox import Outbox, OutboxError
from amanuensis.daemon.protocol import PROTO
from amanuensis.stream.formats import AudioFormat

MAX_CHUNK_S: Final = 0.5  # more sound than this in one call is sent in several messages
MAX_KEPT_BYTES: Final = 16 << 20  # of sound that the server has not acknowledged; then sending waits
OVER: Final = "the session is over: the connection is closed"

__all__ = ["AmanuensisClient", "Client", "ClientError", "Event", "Hello", "Patience", "connect", "decode_event"]

Role: TypeAlias = Literal["speak", "watch"]
Want: TypeAlias = Literal["partial", "words", "stats"]


@dataclass(frozen=True, slots=True)
class Hello:
    """What a client asks of a session; None leaves the choice to the server."""

    role: Role = "speak"
    audio: AudioFormat | None = None  # what will be sent; needed to speak
    session: str | None = None  # to watch or to resume
    lang: str | None = None
    task: Literal["transcribe", "translate"] | None = None
    prompt: str | None = None
    hotwords: Sequence[str] = ()
    want: Sequence[Want] | None = None  # None: everything
    events: Literal["json", "msgpack"] = "json"
    resume_token: str | None = None
    after_seq: int | None = None
    record: bool | None = None
    meeting: Mapping[str, Any] | None = None  # id, title, track, at: a track of a meeting, which is recorded
    speakers: int | None = None  # how many voices; 0: they are not told apart
    max_speakers: int | None = None

    def message(self) -> Event:
        """Return the first message of the connection."""
        fields: Event = {
            "type": "hello",
            "proto": PROTO,
            "role": self.role,
            "session": self.session,
            "lang": self.lang,
            "task": self.task,
            "prompt": self.prompt,
            "hotwords": list(self.hotwords) or None,
            "want": None if self.want is None else list(self.want),
            "events": self.events,
            "speakers": self.speakers,
            "max_speakers": self.max_speakers,
            "resume_token": self.resume_token,
            "after_seq": self.after_seq,
            "record": self.record,
            "meeting": None if self.meeting is None else dict(self.meeting),
        }
        if self.audio is not None:
            fields["audio"] = {"enc": self.audio.encoding, "rate": self.audio.rate, "ch": self.audio.channels}
        return {key: value for key, value in fields.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Patience:
    """How a lost connection is replaced.

    Attributes:
        first_s: before the second try; doubled from try to try.
        most_s: between two tries.
        give_up_s: after so long the session is given up; None: when the server does so too.
        quiet_s: a connection on which nothing comes is asked after so long, and given up after three times as long.

    """

    first_s: float = 0.1
    most_s: float = 5.0
    give_up_s: float | None = None
    quiet_s: float = QUIET_S

    def pause_s(self, tries: int) -> float:
        """Return how long to wait after so many tries that failed."""
        return min(self.most_s, self.first_s * 2.0 ** min(tries - 1, 30))


class AmanuensisClient:
    """One session, over as many connections as it takes; made by `connect`.

    Attributes:
        ready: the server's newest `ready` event: session, resume_token, limits, engine.
        view: what is known of the session for good.
        reconnects: how often the connection was replaced.

    """

    def __init__(
        self,
        link: Link,
        hello: Hello,
        redial: Callable[[Event], Awaitable[Link]],
        patience: Patience = Patience(),
    ) -> None:
        self.ready = link.ready
        self.view = DurableView(hello.after_seq or 0)
        self.reconnects = 0
        self._hello = hello
        self._redial = redial
        self._patience = patience
        self._link = link
        self._out: Link | None = link  # where frames go; None until a new connection has what is sent again
        self._outbox = Outbox(hello.audio or AudioFormat(), first=int(link.ready.get("next", 0)))
        self._rest = b""
        self._end: ClientError | None = None  # why nothing more can be sent
        self._has_left = False
        self._sending = asyncio.Lock()
        self._news = asyncio.Event()  # there may be room in the outbox, or it is over
        self._sending_again: asyncio.Task[None] | None = None

    @property
    def session(self) -> str:
        """The session's name, for watchers."""
        return str(self.ready["session"])

    @property
    def acked(self) -> int:
        """Number of the newest audio chunk that the server keeps, -1 before the first."""
        return self._outbox.acked

    @property
    def seq(self) -> int:
        """Number of the newest durable event that was read."""
        return self.view.seq

    async def send_audio(self, data: bytes) -> None:
        """Send sound in the format of the hello; waits while the server takes no more.

        Args:
            data: interleaved samples, cut anywhere: an incomplete sample frame waits for the next call.

        Raises:
            ClientError: the session is over or lost, or the hello named no audio format.

        """
        fmt = self._hello.audio
        if fmt is None:
            raise ClientError("this client only watches: connect with audio=AudioFormat(...) to send sound")
        data = self._rest + data
        whole = len(data) - len(data) % fmt.frame_bytes
        self._rest = data[whole:]
        step = max(1, round(MAX_CHUNK_S * fmt.rate)) * fmt.frame_bytes
        for at in range(0, whole, step):
            piece = data[at : min(at + step, whole)]
            await self._send(lambda piece=piece: self._outbox.audio(piece))  # type: ignore[misc]

    def skip(self, samples: int) -> None:
        """Leave a hole of so many samples of each channel before the next audio: they were lost on this side."""
        self._outbox.skip(samples)

    async def note(self, id: str | int, text: str = "", at: float | None = None) -> None:  # noqa: A002 - as above
        """Keep a text with the session, at a media time in ms (None: now); without text it is a mark."""
        await self._order("note", id=id, text=text or None, at=at)

    async def leave_out(self, samples: int, why: str) -> None:
        """Say that so many samples of each channel were not captured, and why: they become a `gap`."""
        await self._send(lambda: self._outbox.leave_out(samples, why))

    async def flush(self, id: str | int | None = None) -> None:  # noqa: A002 - the protocol's name
        """Ask that all pending words become final now; the session goes on."""
        await self._order("flush", id=id)

    async def mark(self, id: str | int) -> None:  # noqa: A002 - the protocol's name
        """Ask for `marked` with this id once everything before it is final."""
        await self._order("mark", id=id)

    async def configure(self, **changes: Any) -> None:
        """Change what can change in a session."""
        if changes.get("want") is not None:
            self._hello = replace(self._hello, want=changes["want"])
        await self._order("config", **changes)

    async def end(self) -> None:
        """Say that no more sound comes: the finals follow, then `bye`, then the iteration ends."""
        await self._order("end")

    async def ping(self, id: str | int | None = None) -> None:  # noqa: A002 - the protocol's name
        """Ask for a `pong`; one that is lost with the connection does not come."""
        await self._send(lambda: json.dumps({"type": "ping"} if id is None else {"type": "ping", "id": id}))

    async def __aiter__(self) -> AsyncIterator[Event]:
        """Yield the events in order until `bye` or the connection's normal end.

        Raises:
            ClientError: the session could not be taken up again after the connection was lost, or the server sent a
                fatal `error`.

        """
        try:
            while self._end is None and (event := await self._next()) is not None:
                if self._is_new(event):
                    yield event
                    self._look_for_the_end(event)
        except ClientError as error:
            self._finish(error)
            if not self._has_left:
                raise
        self._finish(ClientError(OVER))

    def _look_for_the_end(self, event: Event) -> None:
        if event["type"] == "error" and event.get("fatal"):
            raise ClientError(refused_text(event))
        if event["type"] == "bye":
            self._finish(ClientError(OVER))

    async def aclose(self) -> None:
        """Leave at once; what was not final stays as it is."""
        self._has_left = True
        self._finish(ClientError("the connection is closed: this client has left"))
        if self._sending_again is not None:
            self._sending_again.cancel()
            await asyncio.gather(self._sending_again, return_exceptions=True)
        await self._link.close()

    def _finish(self, why: ClientError) -> None:
        self._end = self._end or why
        self._news.set()

    # The way out

    async def _order(self, kind: str, **fields: Any) -> None:
        await self._send(lambda: self._outbox.order(kind, **fields))

    async def _send(self, frame: Callable[[], str | bytes]) -> None:
        """Send a frame, which is made when its turn has come."""
        while self._end is None and self._outbox.kept_bytes > MAX_KEPT_BYTES:
            self._news.clear()
            await self._news.wait()
        async with self._sending:
            if self._end is not None:
                raise self._end
            made = frame()
            if not self._is_kept:
                self._outbox.forget()
            if self._out is not None:
                await self._transmit(self._out, made)

    async def _transmit(self, link: Link, frame: str | bytes) -> None:
        try:
            await link.send(frame)
        except ConnectionLostError:
            if not self._can_come_back:
                raise
            # Else the outbox has it, and whoever reads the events takes the session up again.

    # The way in

    async def _next(self) -> Event | None:
        while True:
            try:
                event = await self._link.next()
            except ConnectionLostError as lost:
                await self._come_back(lost, self._wait_s)
                continue
            if event is None or event.get("resume_until") is None or not self._can_come_back:
                return event
            away = ConnectionLostError(f"the server has closed the session for now: {event.get('reason')}")
            # Its clock may not be ours.
            await self._come_back(away, max(self._wait_s, event["resume_until"] - time.time()))

    def _is_new(self, event: Event) -> bool:
        """Take note of an event; False for one that was given before."""
        if event["type"] == "ack":
            self._outbox.acknowledged(int(event["n"]))
            self._news.set()
        try:
            return self.view.take(event)
        except ViewError as error:
            raise ClientError(str(error)) from None

    # Coming back

    @property
    def _is_kept(self) -> bool:
        """Whether what is sent may have to be sent again."""
        return self._hello.role == "speak" and self._can_come_back

    @property
    def _can_come_back(self) -> bool:
        return self._wait_s > 0 and (self._hello.role == "watch" or "resume_token" in self.ready)

    @property
    def _wait_s(self) -> float:
        given = self._patience.give_up_s
        return float(self.ready.get("limits", {}).get("resume_s", 0)) if given is None else given

    async def _come_back(self, lost: ClientError, wait_s: float) -> None:
        """Replace the connection.

        Raises:
            ClientError: it could not be done in time, or is refused.

        """
        if self._end is not None or not self._can_come_back:
            raise self._end or lost
        self._out = None
        self._link.abort()
        if self._sending_again is not None:
            await self._sending_again
        self._link = await self._reach(lost, wait_s)
        self.ready = self._link.ready
        self.reconnects += 1
        if self._hello.role == "speak":
            try:
                self._outbox.resume(int(self.ready["next"]), int(self.ready.get("controls", 0)))
            except OutboxError as error:
                raise ClientError(str(error)) from None
            self._news.set()
        self._sending_again = asyncio.create_task(self._send_again(self._link))

    async def _reach(self, lost: ClientError, wait_s: float) -> Link:
        """Return a connection to the session; one try at least, then for so long."""
        give_up_s, tries = time.monotonic() + wait_s, 0
        while True:
            try:
                return await self._redial(self._hello_again())
            except (ConnectionLostError, UnreachableError) as error:
                tries += 1
                pause_s = self._patience.pause_s(tries)
                if time.monotonic() + pause_s > give_up_s:
                    message = f"{lost}; the session could not be taken up again within {wait_s:.0f} s: {error}"
                    raise ClientError(message) from None
            await asyncio.sleep(pause_s)
            if self._end is not None:
                raise self._end

    def _hello_again(self) -> Event:
        token = self.ready.get("resume_token")
        return replace(self._hello, session=self.session, resume_token=token, after_seq=self.view.seq).message()

    async def _send_again(self, link: Link) -> None:
        """Send what the server may not have, before anything else goes out."""
        async with self._sending:
            for frame in self._outbox.frames:
                try:
                    await link.send(frame)
                except ClientError:
                    return  # whoever reads the events notices
            self._out = link


@contextlib.asynccontextmanager
async def connect(
    url: str,
    hello: Hello | None = None,
    *,
    token: str | None = None,
    ca: str | None = None,
    patience: Patience = Patience(),
) -> AsyncIterator[AmanuensisClient]:
    """Connect to a daemon and open, watch or resume a session.

    Args:
        url: "ws://HOST:PORT/v1/session" or ".../v1/watch/SESSION"; or "wss://..."; or "unix:/SOCKET", to watch with
            ":/v1/watch/SESSION" behind it.
        hello: what is asked for; None: watch.
        token: for a daemon that asks for one.
        ca: PEM file of the certificate that a wss:// daemon is verified with; None: those that this machine trusts.
        patience: with which a lost connection is replaced.

    Yields:
        the client, once the server has said `ready`.

    Raises:
        ClientError: nobody listens there, or the server refused.
        amanuensis.daemon.tls.TlsError: `ca` cannot be used.

    """
    asked = hello or Hello(role="watch")
    first = again(url, asked.session, speaks=True) if asked.resume_token and asked.session else url
    link = await open_link(first, asked.message(), token, ca, quiet_s=patience.quiet_s)
    name = str(link.ready.get("session"))

    async def redial(message: Event) -> Link:
        where = again(url, name, speaks=asked.role == "speak")
        return await open_link(where, message, token, ca, quiet_s=patience.quiet_s)

    client = AmanuensisClient(link, asked, redial, patience)
    try:
        yield client
    finally:
        await client.aclose()


Client = AmanuensisClient
