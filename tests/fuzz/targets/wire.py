"""The wire decoder: frames of one connection, text and binary, through the rules of the connection.

An input is a sequence of frames: kind (odd: text), length (u16), so many bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from amanuensis.daemon.connection import Connection, Route
from amanuensis.daemon.cursor import Chunk, Cursor
from amanuensis.daemon.protocol import Flush, Mark, Ping, ProtocolError
from amanuensis.daemon.wire import encode_event
from amanuensis.stream.events import Error, Event, Marked, Pong
from tests.fuzz.target import Target, check_line

FIXTURES: Final = Path(__file__).resolve().parents[2] / "data" / "protocol" / "client"
HEAD: Final = struct.Struct("<BH")


def seeds() -> list[bytes]:
    """Return each hello alone and with each of the other messages."""
    texts = {path.stem: path.read_bytes() for path in sorted(FIXTURES.glob("*.json"))}
    sounds = [path.read_bytes() for path in sorted(FIXTURES.glob("*.msgpack"))]
    hellos = [text for name, text in texts.items() if name.startswith("hello")]
    others = [_frame(1, text) for name, text in texts.items() if not name.startswith("hello")]
    others += [_frame(0, sound) for sound in sounds]
    return [_frame(1, hello) + b"".join(rest) for hello in hellos for rest in ([], others, *([one] for one in others))]


def _frame(kind: int, content: bytes) -> bytes:
    return HEAD.pack(kind, len(content)) + content


def frames(data: bytes) -> Iterator[str | bytes]:
    """Yield the frames of an input; the WebSocket layer lets only valid UTF-8 through as text."""
    at = 0
    while at + HEAD.size <= len(data):
        kind, length = HEAD.unpack_from(data, at)
        content = data[at + HEAD.size : at + HEAD.size + length]
        at += HEAD.size + length
        if kind & 1:
            try:
                yield content.decode()
            except UnicodeDecodeError:
                continue
        else:
            yield content


def prepare(folder: Path) -> Callable[[bytes], None]:
    """Return what reads one connection."""
    return read


def read(data: bytes) -> None:
    """Read the frames of a connection until it is over."""
    route = Route("watch" if data[:1] > b"\x7f" else "session")
    connection, received = Connection(route), 0
    for frame in frames(data):
        received += len(frame)
        try:
            message = connection.receive(frame)
        except ProtocolError as error:
            check_line(error)
            _sendable(Error(error.code, str(error), fatal=error.close_code is not None))
            if error.close_code is not None:
                return
            continue
        if connection.cursor is None and connection.hello is not None and connection.hello.audio is not None:
            connection.cursor = Cursor(connection.hello.audio)
        if isinstance(message, Chunk):
            assert len(message.data) <= received
            assert message.missing_bytes >= 0
        elif isinstance(message, Ping):
            _sendable(Pong(message.id))
        elif isinstance(message, Mark | Flush) and message.id is not None:
            _sendable(Marked(message.id, 0.0), 1)


def _sendable(event: Event, seq: int | None = None) -> None:
    """Assert that an answer can be sent in both encodings."""
    text = encode_event(event, seq, "json")
    assert isinstance(text, str)
    text.encode()
    encode_event(event, seq, "msgpack")


TARGET: Final = Target(seeds, prepare)
