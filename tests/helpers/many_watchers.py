"""`python -m tests.helpers.many_watchers PORT SESSION COUNT`: watchers so light that they do not measure themselves.

Prints "watching" once all of them are told `ready`, and when the session is over, as JSON, when each event came to each
of them, in seconds of CLOCK_MONOTONIC.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections import defaultdict
from collections.abc import Iterator

from tests.helpers.counting_clients import PROTO

EVENT = re.compile(rb'"type":"partial".*?"utt":(\d+),"rev":(\d+)|"seq":(\d+)')
READY = b'"type":"ready"'
PING, PONG, TEXT = 0x9, 0xA, 0x1
Times = dict[str, list[float]]


class Crowd:
    """All watchers.

    Args:
        count: of them.

    Attributes:
        times: when an event came to each of them.
        watching: set once all were told `ready`.
        gone: set once all connections are over.

    """

    def __init__(self, count: int) -> None:
        self.times: Times = defaultdict(list)
        self.watching = asyncio.Event()
        self.gone = asyncio.Event()
        self._unready = self._left = count

    def note(self, payload: bytes) -> None:
        """Take note of an event that has come now."""
        now_s = time.monotonic()
        if READY in payload:
            self._unready -= 1
            if not self._unready:
                self.watching.set()
        elif found := EVENT.search(payload):
            utterance, revision, seq = (text.decode() if text else "" for text in found.groups())
            self.times[seq or f"{utterance}.{revision}"].append(now_s)

    def leave(self) -> None:
        """Take note that one connection is over."""
        self._left -= 1
        if not self._left:
            self.gone.set()


class Watcher(asyncio.Protocol):
    """One of them: a WebSocket client that knows what it needs of RFC 6455."""

    def __init__(self, crowd: Crowd, opening: bytes) -> None:
        self._crowd = crowd
        self._opening = opening
        self._buffer = b""
        self._upgraded = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._opening)

    def connection_lost(self, exc: Exception | None) -> None:
        self._crowd.leave()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._upgraded:
            _, end, rest = self._buffer.partition(b"\r\n\r\n")
            self._upgraded, self._buffer = bool(end), rest if end else self._buffer
        for opcode, payload in self._frames():
            if opcode == TEXT:
                self._crowd.note(payload)
            elif opcode == PING and self._transport is not None:
                self._transport.write(masked(PONG, payload))

    def _frames(self) -> Iterator[tuple[int, bytes]]:
        while self._upgraded and len(self._buffer) >= 2:
            size, start = self._buffer[1], 2
            if size >= 126:
                start = 4 if size == 126 else 10
                size = int.from_bytes(self._buffer[2:start])
            if len(self._buffer) < start + size:
                return
            yield self._buffer[0] & 0xF, self._buffer[start : start + size]
            self._buffer = self._buffer[start + size :]


def masked(opcode: int, payload: bytes) -> bytes:
    """Return a frame of a client; shorter than 126 bytes, masked with zeros."""
    return bytes((0x80 | opcode, 0x80 | len(payload), 0, 0, 0, 0)) + payload


def opening_of(port: int, session: str) -> bytes:
    """Return what a watcher sends first."""
    head = (
        f"GET /v1/watch/{session} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {'A' * 22}==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: {PROTO}\r\n\r\n"
    )
    hello = {"type": "hello", "proto": PROTO, "role": "watch"}
    return head.encode() + masked(TEXT, json.dumps(hello).encode())


async def watch(port: int, session: str, count: int) -> Times:
    """Have so many watch a session to its end."""
    crowd, loop, opening = Crowd(count), asyncio.get_running_loop(), opening_of(port, session)
    for _ in range(count):
        await loop.create_connection(lambda: Watcher(crowd, opening), "127.0.0.1", port)
    await crowd.watching.wait()
    print("watching", flush=True)
    await crowd.gone.wait()
    return crowd.times


if __name__ == "__main__":
    port, session, count = sys.argv[1:]
    print(json.dumps(asyncio.run(watch(int(port), session, int(count)))))
