"""A session without sockets and clocks: the pure parts of server and client, and a wire that can be cut anywhere.

The stream is one that was recorded: it says what a real one said, and only to the very input that the real one had.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from amanuensis.daemon.client import decode_event
from amanuensis.daemon.connection import Connection, Route
from amanuensis.daemon.cursor import Chunk, Cursor
from amanuensis.daemon.durable_view import DurableView
from amanuensis.daemon.hub import ClientQueue, Outgoing
from amanuensis.daemon.journal import Entry, Journal, JournalLimits
from amanuensis.daemon.outbox import Outbox
from amanuensis.daemon.protocol import PROTO, Configure, EventEncoding, Flush, Framing, Hello, Mark
from amanuensis.stream.config import StreamConfig
from amanuensis.stream.events import Ack, EngineUse, Event, Ready
from amanuensis.stream.formats import MULAW_TABLE, AudioFormat
from amanuensis.stream.session import StreamSession
from tests.helpers.tone_engine import INFO, ToneTokenizer, read_tones
from tests.helpers.words import result

Wire: TypeAlias = str | bytes
Message: TypeAlias = bytes | tuple[str, dict[str, Any]]  # sound, or an order with its fields
TOKEN: Final = "the secret of the speaker"


def encoded(sound: NDArray[np.float32], fmt: AudioFormat) -> bytes:
    """Return mono sound in one of the encodings."""
    if fmt.encoding == "f32le":
        return sound.astype("<f4").tobytes()
    if fmt.encoding == "s16le":
        return (sound * 32767).astype("<i2").tobytes()
    order = np.argsort(MULAW_TABLE)
    nearest = np.searchsorted(MULAW_TABLE[order], sound).clip(0, 255)
    codes: NDArray[np.uint8] = order[nearest].astype(np.uint8)
    return codes.tobytes()


@dataclass(frozen=True)
class Recording:
    """What a stream was given and what it said to each of it."""

    format: AudioFormat
    script: Sequence[Message]
    said: Sequence[Sequence[Event]]


def record(script: Sequence[Message], fmt: AudioFormat) -> Recording:
    """Have a real stream hear a script, every window answered before the next message."""
    stream = StreamSession(StreamConfig(), fmt, ToneTokenizer(), INFO)
    return Recording(fmt, script, [_said(stream, message) for message in script])


def _said(stream: StreamSession, message: Message) -> list[Event]:
    events: list[Event] = []
    if isinstance(message, bytes):
        events += stream.receive(message)
    else:
        kind, fields = message
        match kind:
            case "flush" | "mark":
                events += getattr(stream, kind)(fields.get("id"))
            case "config":
                stream.configure(fields)
            case "end":
                events += stream.end()
    while (ticket := stream.next_job()) is not None:
        heard = read_tones(ticket.job.features)[len(ticket.job.forced) :]
        tokens, frames = tuple(word for word, _ in heard), tuple(frame // 2 for _, frame in heard)
        answer = result(tokens, frames, logprob=-0.05, avg_logprob=-0.05)
        events += stream.deliver(ticket.id, answer)
    return events


@dataclass
class PureServer:
    """The session and the connection of its speaker."""

    recording: Recording
    journal: Journal
    cursor: Cursor
    heard: list[Message] = field(default_factory=list)
    connection: Connection = field(default_factory=lambda: Connection(Route("session")))
    _hello: Hello | None = None

    @classmethod
    def of(cls, recording: Recording, ring: int = 4096) -> PureServer:
        """Return a session that says what was recorded."""
        return cls(recording, Journal(JournalLimits(events=ring)), Cursor(recording.format))

    def connect(self, text: str) -> list[Wire]:
        """Take the hello of a connection; return the answer."""
        self.connection = Connection(Route("session"))
        hello = self.connection.receive(text)
        assert isinstance(hello, Hello)
        self._hello = hello
        self.connection.cursor = self.cursor
        back = hello.resume_token is not None
        assert not back or hello.resume_token == TOKEN
        controls = self.cursor.controls if back else None
        ready = Ready("s", TOKEN, PROTO, {}, self.cursor.next_chunk, EngineUse("cpu", "cpu", "tones"), controls)
        past = self.journal.replay(hello.after_seq) if back else []
        return self._told([Entry(ready), *past])

    def receive(self, frame: Wire) -> list[Wire]:
        """Take a frame; return what is said to it."""
        message = self.connection.receive(frame)
        if message is None:
            return []
        assert not isinstance(message, Hello)
        self._hear(message)
        events = self.recording.said[len(self.heard) - 1]
        ack = [Entry(Ack(message.n))] if isinstance(message, Chunk) else []
        return self._told([*(self.journal.add(event) for event in events), *ack])

    def _hear(self, message: object) -> None:
        expected = self.recording.script[len(self.heard)]
        if isinstance(message, Chunk):
            assert not message.missing_bytes
            assert message.data == expected
        else:
            assert not isinstance(expected, bytes)
            assert type(message).__name__.lower() in (expected[0], {"config": "configure"}.get(expected[0]))
            label = message.id if isinstance(message, Flush | Mark) else None
            assert label == expected[1].get("id")
            assert not isinstance(message, Configure) or message.prompt == expected[1]["prompt"]
        self.heard.append(expected)

    def _told(self, entries: Sequence[Entry]) -> list[Wire]:
        assert self._hello is not None
        queue = ClientQueue(self._hello.events, self._hello.want)
        return [Outgoing(entry).encoded(queue.encoding, queue.want) for entry in entries]


@dataclass
class PureClient:
    """A speaker that comes back, and what it knows for good."""

    format: AudioFormat
    framing: Framing
    events: EventEncoding
    view: DurableView = field(default_factory=DurableView)
    durable: list[dict[str, Any]] = field(default_factory=list)
    ready: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.outbox = Outbox(self.format, self.framing)

    def hello(self) -> str:
        """Return the first message of the next connection."""
        fmt = self.format
        audio = {"enc": fmt.encoding, "rate": fmt.rate, "ch": fmt.channels, "framing": self.framing}
        hello: dict[str, Any] = {
            "type": "hello",
            "proto": "amanuensis.v1",
            "role": "speak",
            "audio": audio,
            "events": self.events,
        }
        if self.ready:
            hello |= {"session": "s", "resume_token": self.ready["resume_token"], "after_seq": self.view.seq}
        return json.dumps(hello)

    def put(self, message: Message) -> Wire:
        """Return the frame of a message."""
        if isinstance(message, bytes):
            return self.outbox.audio(message)
        return self.outbox.order(message[0], **message[1])

    def take(self, frames: Sequence[Wire]) -> None:
        """Take what the server says."""
        for frame in frames:
            event = decode_event(frame)
            if event["type"] == "ready":
                self.ready = event
            elif event["type"] == "ack":
                self.outbox.acknowledged(event["n"])
            elif self.view.take(event) and ("seq" in event):
                self.durable.append(event)


@dataclass(frozen=True)
class Cut:
    """After so many frames of this connection have reached the server, and so many of its frames the client."""

    received: int
    told: int
    in_flight: int = 3  # frames that were sent and reached nobody


def talk(server: PureServer, client: PureClient, cuts: Sequence[Cut]) -> None:
    """Say the whole script over as many connections as there are cuts, and one more."""
    script, sent = server.recording.script, 0
    for cut in [*cuts, None]:
        answers = server.connect(client.hello())
        client.take(answers[:1])
        resumed = client.ready.get("controls")
        waiting = [] if resumed is None else client.outbox.resume(client.ready["next"], resumed)
        n = len(waiting) + len(script) - sent if cut is None else cut.received
        told, arrived = answers[1:], 0
        while arrived < n and (waiting or sent < len(script)):
            if not waiting:
                waiting = [client.put(script[sent])]
                sent += 1
            told += server.receive(waiting.pop(0))
            arrived += 1
        client.take(told if cut is None else told[: cut.told])
        for _ in range(0 if cut is None else cut.in_flight):
            if sent < len(script):
                client.put(script[sent])
                sent += 1
