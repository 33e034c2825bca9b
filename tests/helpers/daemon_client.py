"""A daemon over real sockets for tests, a client that follows the protocol to the letter, and what must always hold."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as websocket_connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from amanuensis.daemon.config import Address, Config, LimitSettings, ServerSettings
from amanuensis.daemon.server import Daemon
from amanuensis.daemon.voice_desk import VoiceDesk
from amanuensis.stream.config import StreamConfig
from tests.helpers.tone_engine import ToneEngine, ToneTokenizer

Event: TypeAlias = dict[str, Any]
PROTO = "amanuensis.v1"


@asynccontextmanager
async def running(
    engine: ToneEngine | None = None,
    token: str | None = None,
    stream: StreamConfig | None = None,
    voices: VoiceDesk | None = None,
    **limits: float,
) -> AsyncIterator[tuple[Daemon, Address]]:
    """Run a daemon that reads tones on a port of its own."""
    config = Config(
        ServerSettings("127.0.0.1:0", token),
        stream=stream or StreamConfig(),
        limits=LimitSettings(**limits),  # type: ignore[arg-type]  # whole numbers where they must be
    )
    daemon = Daemon(config, engine or ToneEngine(), ToneTokenizer(), voices=voices)
    async with daemon.listening() as address:
        yield daemon, address


def hello(role: str = "speak", **fields: Any) -> Event:
    """Return a hello; speakers send raw s16le at 16 kHz unless they say otherwise."""
    audio = {"audio": {"enc": "s16le", "rate": 16000, "ch": 1, "framing": "raw"}} if role == "speak" else {}
    return {"type": "hello", "proto": PROTO, "role": role} | audio | fields


@dataclass
class TestClient:
    """One connection; reads all the time, as a client must.

    Attributes:
        events: everything that came, in order.
        closed: close code and reason, once it is over.

    """

    __test__ = False
    socket: ClientConnection
    events: list[Event] = field(default_factory=list)
    closed: tuple[int, str] | None = None
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _reader: asyncio.Task[None] | None = None

    async def send(self, message: Event | bytes) -> None:
        await self.socket.send(message if isinstance(message, bytes) else json.dumps(message))

    def read(self) -> None:
        """Begin to read."""
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            while True:
                frame = await self.socket.recv()
                assert isinstance(frame, str)
                await self._tell(json.loads(frame))
        except ConnectionClosed as error:
            received = error.rcvd
            self.closed = (received.code, received.reason) if received else (1006, "")
            await self._tell(None)

    async def _tell(self, event: Event | None) -> None:
        async with self._news:
            if event is not None:
                self.events.append(event)
            self._news.notify_all()

    async def until(self, **wanted: Any) -> Event:
        """Wait for an event with these fields; AssertionError when the connection ends without it."""
        async with self._news:
            await self._news.wait_for(lambda: self.closed is not None or self.find(**wanted))
        found = self.find(**wanted)
        assert found, f"no event with {wanted}, closed with {self.closed}: {self.events[-3:]}"
        return found[-1]

    async def over(self) -> tuple[int, str]:
        """Wait until the connection is closed."""
        async with self._news:
            await self._news.wait_for(lambda: self.closed is not None)
        assert self.closed is not None
        return self.closed

    async def settled(self) -> None:
        """Wait until the server has acted on everything that was sent."""
        label = f"settled-{len(self.events)}"
        await self.send({"type": "ping", "id": label})
        await self.until(type="pong", id=label)

    def find(self, **wanted: Any) -> list[Event]:
        """Return the events so far that have these fields."""
        return [event for event in self.events if wanted.items() <= event.items()]

    @property
    def text(self) -> str:
        """The committed text."""
        return committed_text(self.events)


@asynccontextmanager
async def connected(
    address: Address, first: Event | str | bytes | None = None, path: str = "/v1/session", **options: Any
) -> AsyncIterator[TestClient]:
    """Connect and send a first message."""
    url = f"ws://{address}{path}"
    async with websocket_connect(url, subprotocols=[Subprotocol(PROTO)], **options) as socket:
        client = TestClient(socket)
        client.read()
        if first is not None:
            with suppress(ConnectionClosed):
                await socket.send(json.dumps(first) if isinstance(first, dict) else first)
        yield client


async def speak(address: Address, chunks: Iterable[bytes], **fields: Any) -> TestClient:
    """Send sound as fast as it is taken, `end` it, and return the client when all is over."""
    async with connected(address, hello(**fields)) as client:
        await client.until(type="ready")
        for chunk in chunks:
            await client.send(chunk)
        await client.send({"type": "end"})
        await client.over()
    return client


def pcm(sound: NDArray[np.float32]) -> bytes:
    """Return s16le bytes."""
    return (sound * 32767).astype("<i2").tobytes()


def cut(data: bytes, sizes: Sequence[int]) -> list[bytes]:
    """Cut bytes into pieces of the given sizes, again from the first size when they are used up."""
    pieces: list[bytes] = []
    at = 0
    while at < len(data):
        pieces.append(data[at : at + sizes[len(pieces) % len(sizes)]])
        at += len(pieces[-1])
    return pieces


def committed_text(events: Iterable[Event]) -> str:
    """Return the committed words as one text."""
    return "".join(word["text"] for event in events if event["type"] == "commit" for word in event["words"]).strip()


def check_invariants(events: Sequence[Event]) -> None:
    """What the protocol promises of every session that was followed from its start (docs/protocol.md)."""
    numbers = [event["seq"] for event in events if "seq" in event and event["type"] != "snapshot"]
    assert numbers == list(range(1, len(numbers) + 1))
    committed: dict[int, list[Event]] = {}
    finals: dict[int, Event] = {}
    last_ms = 0.0
    for event in events:
        if event["type"] == "commit":
            assert event["utt"] not in finals
            for word in event["words"]:
                assert word["from"] <= word["to"]
                assert word["from"] >= last_ms - 1e-3, "a word before one that was committed earlier"
                last_ms = word["from"]
            committed.setdefault(event["utt"], []).extend(event["words"])
        elif event["type"] == "partial":
            assert event["utt"] not in finals
            assert not committed.get(event["utt"]) or event["from"] >= committed[event["utt"]][-1]["from"]
        elif event["type"] == "final":
            assert event["utt"] not in finals
            finals[event["utt"]] = event
            assert event["text"] == "".join(word["text"] for word in committed.get(event["utt"], []))
    assert committed.keys() <= finals.keys()
    assert events[-1]["type"] == "bye"


async def get(address: Address, path: str, **headers: str) -> tuple[int, dict[str, str], str]:
    """Return status, headers and body of an HTTP GET."""
    lines = [f"GET {path} HTTP/1.1", *(f"{k}: {v}" for k, v in ({"Host": str(address)} | headers).items())]
    raw = (await exchange(address, "\r\n".join([*lines, "", ""]).encode())).decode()
    head, _, body = raw.partition("\r\n\r\n")
    status, *fields = head.split("\r\n")
    return int(status.split()[1]), dict(line.split(": ", 1) for line in fields), body


async def exchange(address: Address, data: bytes) -> bytes:
    """Send bytes to the port and return all that comes back."""
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(data)
    with suppress(ConnectionError):
        return await reader.read()
    return b""
