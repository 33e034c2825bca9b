"""Python client of the native protocol (docs/protocol.md).

    hello = Hello("speak", AudioFormat("s16le", 16_000, 1))
    async with connect("ws://127.0.0.1:8770/v1/session", hello) as client:
        sending = asyncio.create_task(send(client))  # await client.send_audio(data) ...; await client.end()
        async for event in client:                   # dicts, as in the protocol
            ...
        await sending

Read events while sending: `send_audio` waits when the server takes no more, and a server closes clients that do not
read.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, cast

import msgpack
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from amanuensis.daemon.dial import OPEN_TIMEOUT_S, ClientError, open_websocket
from amanuensis.daemon.protocol import PROTO
from amanuensis.stream.formats import AudioFormat

MAX_CHUNK_S: Final = 0.5  # more sound than this in one call is sent in several messages
NORMAL_CLOSE: Final = (1000, 1001)

__all__ = ["Client", "ClientError", "Event", "Hello", "connect", "decode_event"]

Event: TypeAlias = dict[str, Any]
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
            "resume_token": self.resume_token,
            "after_seq": self.after_seq,
        }
        if self.audio is not None:
            fields["audio"] = {"enc": self.audio.encoding, "rate": self.audio.rate, "ch": self.audio.channels}
        return {key: value for key, value in fields.items() if value is not None}


class Client:
    """One open connection; made by `connect`.

    Attributes:
        ready: the server's `ready` event: session, resume_token, limits, engine.
        acked: number of the newest audio chunk that the server keeps, -1 before the first.
        seq: number of the newest durable event that was read.

    """

    def __init__(self, socket: ClientConnection, hello: Hello, ready: Event) -> None:
        self.ready = ready
        self.acked = -1
        self.seq = hello.after_seq or 0
        self._socket = socket
        self._audio = hello.audio
        self._chunk = int(ready.get("next", 0))
        self._sample = 0
        self._rest = b""
        self._over = False

    @property
    def session(self) -> str:
        """The session's name, for watchers."""
        return str(self.ready["session"])

    async def send_audio(self, data: bytes) -> None:
        """Send sound in the format of the hello; waits while the server takes no more.

        Args:
            data: interleaved samples, cut anywhere: an incomplete sample frame waits for the next call.

        Raises:
            ClientError: the connection is gone, or the hello named no audio format.

        """
        if self._audio is None:
            raise ClientError("this client only watches: connect with audio=AudioFormat(...) to send sound")
        data = self._rest + data
        frame = self._audio.frame_bytes
        whole = len(data) - len(data) % frame
        self._rest = data[whole:]
        step = max(1, round(MAX_CHUNK_S * self._audio.rate)) * frame
        for at in range(0, whole, step):
            piece = data[at : min(at + step, whole)]
            await self._send(msgpack.packb({"t": "a", "n": self._chunk, "at": self._sample, "d": piece}))
            self._chunk += 1
            self._sample += len(piece) // frame

    def skip(self, samples: int) -> None:
        """Leave a hole of so many samples of each channel before the next audio: they were lost on this side."""
        self._sample += samples

    async def flush(self, id: str | int | None = None) -> None:  # noqa: A002 - the protocol's name
        """Ask that all pending words become final now; the session goes on."""
        await self._send_json("flush", id=id)

    async def mark(self, id: str | int) -> None:  # noqa: A002 - the protocol's name
        """Ask for `marked` with this id once everything before it is final."""
        await self._send_json("mark", id=id)

    async def ping(self, id: str | int | None = None) -> None:  # noqa: A002 - the protocol's name
        """Ask for a `pong`."""
        await self._send_json("ping", id=id)

    async def configure(self, **changes: Any) -> None:
        """Change what can change in a session."""
        await self._send_json("config", **changes)

    async def end(self) -> None:
        """Say that no more sound comes: the finals follow, then `bye`, then the iteration ends."""
        await self._send_json("end")

    async def __aiter__(self) -> AsyncIterator[Event]:
        """Yield the events in order until `bye` or the connection's normal end.

        Raises:
            ClientError: the connection broke, or the server sent a fatal `error`.

        """
        while not self._over:
            try:
                event = decode_event(await self._socket.recv())
            except ConnectionClosed as closed:
                self._over = True
                if closed.rcvd is not None and closed.rcvd.code in NORMAL_CLOSE:
                    return
                raise ClientError(closed_text(closed)) from None
            self._note(event)
            yield event
            if event["type"] == "error" and event.get("fatal"):
                raise ClientError(refused_text(event))

    async def aclose(self) -> None:
        """Leave at once; what was not final stays as it is."""
        self._over = True
        await self._socket.close()

    def _note(self, event: Event) -> None:
        self.seq = max(self.seq, int(event.get("seq", 0)))
        if event["type"] == "ack":
            self.acked = int(event["n"])
        self._over = event["type"] == "bye"

    async def _send_json(self, kind: str, **fields: Any) -> None:
        present = {key: value for key, value in fields.items() if value is not None}
        await self._send(json.dumps({"type": kind, **present}))

    async def _send(self, message: str | bytes) -> None:
        try:
            await self._socket.send(message)
        except ConnectionClosed as closed:
            raise ClientError(closed_text(closed)) from None


@contextlib.asynccontextmanager
async def connect(
    url: str, hello: Hello | None = None, *, token: str | None = None, ca: str | None = None
) -> AsyncIterator[Client]:
    """Connect to a daemon and open, watch or resume a session.

    Args:
        url: "ws://HOST:PORT/v1/session" or ".../v1/watch/SESSION"; or "wss://..."; or "unix:/SOCKET", to watch with
            ":/v1/watch/SESSION" behind it.
        hello: what is asked for; None: watch.
        token: for a daemon that asks for one.
        ca: PEM file of the certificate that a wss:// daemon is verified with; None: those that this machine trusts.

    Yields:
        the client, once the server has said `ready`.

    Raises:
        ClientError: nobody listens there, or the server refused.
        amanuensis.daemon.tls.TlsError: `ca` cannot be used.

    """
    hello = hello or Hello(role="watch")
    socket = await open_websocket(url, token, ca)
    try:
        ready = await _greet(socket, hello)
        yield Client(socket, hello, ready)
    finally:
        await socket.close()


async def _greet(socket: ClientConnection, hello: Hello) -> Event:
    """Say hello and return the server's `ready`."""
    try:
        await socket.send(json.dumps(hello.message()))
        async with asyncio.timeout(OPEN_TIMEOUT_S):
            event = decode_event(await socket.recv())
    except ConnectionClosed as closed:
        raise ClientError(closed_text(closed)) from None
    except TimeoutError:
        raise ClientError(f"the server does not answer to hello within {OPEN_TIMEOUT_S:.0f} s") from None
    if event["type"] == "error":
        raise ClientError(refused_text(event))
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
    except ValueError as error:
        raise ClientError(f"the server sent something that is not an event: {error}") from None
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        raise ClientError("the server sent something that is not an event: it has no type")
    return cast(Event, event)


def refused_text(event: Event) -> str:
    """Say in words what an `error` event means."""
    after = event.get("retry_after")
    return f"the server says: {event.get('message') or event.get('code')}" + (
        f"; try again in {after} s" if after else ""
    )


def closed_text(closed: ConnectionClosed) -> str:
    """Say in words how a connection ended."""
    if closed.rcvd is None:
        return "the connection to the server broke"
    return f"the server closed the connection: {closed.rcvd.code} {closed.rcvd.reason}".rstrip()
