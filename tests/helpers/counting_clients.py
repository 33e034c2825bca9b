"""A speaker and a watcher that come back until their session is over, and keep everything that they were told for good.

They follow docs/protocol.md alone, and are impatient: a connection that says nothing for a while is given up.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import msgpack
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, WebSocketException
from websockets.typing import Subprotocol

from amanuensis.stream.formats import AudioFormat

Event: TypeAlias = dict[str, Any]
Order: TypeAlias = dict[str, Any]
Item: TypeAlias = bytes | Order

PROTO = "amanuensis.v1"
QUIET_S = 4.0  # the daemon says something every second
OPEN_S = 10.0
RETRY_S = 0.1
PASSING = (1001, 1002, 1006, 1007, 1011, 1012, 1013)  # close codes after which the session may go on


@dataclass
class Told:
    """What a client was told for good.

    Attributes:
        events: the durable ones; number n stands at n - 1.
        broken: promises of the protocol that were not kept, in words.
        reason: of the `bye` that ended the session; empty before it.

    """

    events: list[Event] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    reason: str = ""

    def take(self, event: Event) -> None:
        """Take any event."""
        if event["type"] == "bye" and "resume_until" not in event:
            self.reason = event["reason"]
        seq = event.get("seq")
        if event["type"] == "snapshot":
            if seq != len(self.events):
                self.broken.append(f"a snapshot up to {seq} came after event {len(self.events)}")
        elif seq is not None:
            self._number(seq, event)

    def _number(self, seq: int, event: Event) -> None:
        if seq == len(self.events) + 1:
            self.events.append(event)
        elif seq > len(self.events):
            self.broken.append(f"event {seq} came after event {len(self.events)}")
        elif self.events[seq - 1] != event:
            self.broken.append(f"event {seq} was {self.events[seq - 1]} and came again as {event}")

    def of(self, kind: str) -> list[Event]:
        """Return the events of a type."""
        return [event for event in self.events if event["type"] == kind]

    @property
    def text(self) -> str:
        """The committed words."""
        return "".join(word["text"] for event in self.of("commit") for word in event["words"]).strip()


class Comer:
    """A client that comes back.

    Args:
        port: of the daemon, or of what stands before it.

    Attributes:
        told: what it knows for good.
        session: its name, once it is known.
        failure: why it gave up; empty unless it did.
        known: set once it has its name, or has given up.
        gone: set while there is no connection.
        connections: that said `ready`.

    """

    def __init__(self, port: int) -> None:
        self.told = Told()
        self.session = ""
        self.failure = ""
        self.connections = 0
        self.known = asyncio.Event()
        self.gone = asyncio.Event()
        self.gone.set()
        self._port = port
        self._socket: ClientConnection | None = None

    @property
    def over(self) -> bool:
        """Whether there is nothing more to come for."""
        return bool(self.told.reason or self.failure)

    async def run(self) -> None:
        """Come back until the session is over."""
        while not self.over:
            with suppress(OSError, TimeoutError, WebSocketException):
                await self._connect()
            if not self.over:
                await asyncio.sleep(RETRY_S)
        self.known.set()

    def drop(self) -> None:
        """Cut the connection from this side, without a word."""
        if self._socket is not None:
            self._socket.transport.abort()

    def send_junk(self, junk: bytes) -> None:
        """Send bytes that are no frame."""
        if self._socket is not None:
            self._socket.transport.write(junk)

    async def send_wrong(self, message: bytes) -> None:
        """Send a binary frame that is no message."""
        if self._socket is not None:
            with suppress(WebSocketException):
                await self._socket.send(message)

    def _path(self) -> str:
        raise NotImplementedError

    def _hello(self) -> Event:
        raise NotImplementedError

    async def _attend(self, socket: ClientConnection, ready: Event) -> None:
        """Do what the client is there for, until the connection is over."""
        await self._listen(socket)

    async def _connect(self) -> None:
        address = f"ws://127.0.0.1:{self._port}{self._path()}"
        protocols = [Subprotocol(PROTO)]
        limits: dict[str, Any] = {"open_timeout": OPEN_S, "ping_interval": None, "close_timeout": 0.1, "proxy": None}
        try:
            socket = await connect(address, subprotocols=protocols, max_size=None, **limits)
        except InvalidHandshake:
            return
        self._socket = socket
        self.gone.clear()
        try:
            await socket.send(json.dumps({"type": "hello", "proto": PROTO} | self._hello()))
            ready = await self._receive(socket)
            if self._welcome(ready):
                await self._attend(socket, ready)
        finally:
            self._socket = None
            socket.transport.abort()
            self.gone.set()

    def _welcome(self, answer: Event) -> bool:
        if answer["type"] == "ready":
            self.session = answer["session"]
            self.connections += 1
            self.known.set()
            return True
        if answer["type"] == "error" and answer.get("fatal") and answer["code"] != "full":
            self.failure = f"{answer['code']}: {answer['message']}"
        return False

    async def _receive(self, socket: ClientConnection) -> Event:
        async with asyncio.timeout(QUIET_S):
            frame = await socket.recv()
        event: Event = json.loads(frame) if isinstance(frame, str) else msgpack.unpackb(frame)
        return event

    async def _listen(self, socket: ClientConnection) -> None:
        while not self.over:
            self._take(await self._receive(socket))

    def _take(self, event: Event) -> None:
        self.told.take(event)


class Watcher(Comer):
    """Watches a session that is known by now."""

    def __init__(self, port: int, session: str) -> None:
        super().__init__(port)
        self.session = session

    def _path(self) -> str:
        return f"/v1/watch/{self.session}"

    def _hello(self) -> Event:
        return {"role": "watch", "after_seq": len(self.told.events)}


class CountingSpeaker(Comer):
    """Speaks a script of sound and orders, and then `end`.

    Args:
        port: of the daemon, or of what stands before it.
        script: chunks of sound, and orders between.
        fmt: of the sound.
        ahead_s: of sound that may be sent before it is acknowledged.
        hello: further fields.

    """

    def __init__(
        self,
        port: int,
        script: Sequence[Item],
        fmt: AudioFormat,
        ahead_s: float = 1.0,
        **hello: Any,
    ) -> None:
        super().__init__(port)
        self._script: list[Item] = [*script, {"type": "end"}]
        self._format = fmt
        self._ahead_samples = round(ahead_s * fmt.rate)
        self._sent_samples = 0
        self._extra = hello
        self._token = ""
        self._chunks = [index for index, item in enumerate(self._script) if isinstance(item, bytes)]
        self._starts = _starts(self._script, fmt.frame_bytes)
        self.acked = -1
        self._news = asyncio.Condition()  # more was sent or acknowledged, or the session is over

    @property
    def n_samples(self) -> int:
        """Source samples of the whole script."""
        return self._starts[-1]

    @property
    def acked_samples(self) -> int:
        """Source samples that the daemon has acknowledged."""
        return self._starts[self.acked + 1]

    async def run(self) -> None:
        await super().run()
        await self._note_sent(self.n_samples)

    async def reached(self, samples: int) -> None:
        """Wait until so much was sent for the first time, or the session is over."""
        async with self._news:
            await self._news.wait_for(lambda: self._sent_samples >= samples)

    async def _note_sent(self, samples: int) -> None:
        async with self._news:
            self._sent_samples = max(self._sent_samples, samples)
            self._news.notify_all()

    def _path(self) -> str:
        return "/v1/session" + f"?resume={self.session}" * bool(self._token)

    def _hello(self) -> Event:
        fmt = self._format
        audio = {"enc": fmt.encoding, "rate": fmt.rate, "ch": fmt.channels}
        back = {"session": self.session, "resume_token": self._token, "after_seq": len(self.told.events)}
        return {"role": "speak", "audio": audio} | self._extra | (back if self._token else {})

    def _take(self, event: Event) -> None:
        super()._take(event)
        if event["type"] == "ack":
            self.acked = max(self.acked, event["n"])

    async def _attend(self, socket: ClientConnection, ready: Event) -> None:
        self._token = ready["resume_token"]
        if ready["next"] <= self.acked:
            self.told.broken.append(f"chunk {self.acked} was acknowledged, and chunk {ready['next']} is wanted")
        self.acked = max(self.acked, ready["next"] - 1)
        speaking = asyncio.create_task(self._speak(socket, ready["next"], ready.get("controls", 0)))
        try:
            await self._listen(socket)
        finally:
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)

    async def _listen(self, socket: ClientConnection) -> None:
        while not self.over:
            self._take(await self._receive(socket))
            async with self._news:
                self._news.notify_all()

    async def _speak(self, socket: ClientConnection, n: int, controls: int) -> None:
        """Send the script from chunk `n` on, less so many orders before it that were taken."""
        first = (self._chunks[n - 1] + 1 if n else 0) + controls
        for item in self._script[first:]:
            if isinstance(item, bytes):
                await self._room(n)
                at = self._starts[n]
                await socket.send(msgpack.packb({"t": "a", "n": n, "at": at, "d": item}))
                n += 1
            else:
                await socket.send(json.dumps(item))
            await self._note_sent(self._starts[n])

    async def _room(self, n: int) -> None:
        """Wait until chunk `n` may be sent."""
        async with self._news:
            await self._news.wait_for(lambda: self._starts[n] - self.acked_samples <= self._ahead_samples)


def _starts(script: Sequence[Item], frame_bytes: int) -> list[int]:
    """Return the first sample of every chunk, and the end of the last."""
    starts = [0]
    for item in script:
        if isinstance(item, bytes):
            starts.append(starts[-1] + len(item) // frame_bytes)
    return starts
