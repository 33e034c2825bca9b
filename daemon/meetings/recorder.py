"""Speaks the tracks of a meeting into a daemon: each into a session of its own, all on the clock of the meeting."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from amanuensis.daemon.client import AmanuensisClient, ClientError, Hello, connect
from amanuensis.daemon.sources.base import Chunk, Lost, Source
from amanuensis.daemon.sources.base import Pause as Silence

PAUSED: Final = "paused"
MAX_EARLY_NOTES: Final = 64  # typed before there is sound
PING_S: Final = 20.0  # of sound that is left out: a speaker that sends nothing is taken for gone


@dataclass(frozen=True, slots=True)
class Door:
    """How a daemon is reached."""

    url: str
    token: str | None = None
    ca: str | None = None


@dataclass(slots=True)
class Recorder:
    """One meeting that is recorded.

    Args:
        door: to the daemon.
        title: of the meeting.
        options: further fields of each hello, such as `lang`.
        show: takes the events of all tracks as maps of the protocol, with the name of their track.
        clock: seconds that never go back.

    Attributes:
        id: of the meeting.
        clients: of the tracks that are recorded, by name.
        is_paused: nothing is recorded now.
        left_out: samples of each track that were not recorded in pauses.

    """

    door: Door
    title: str | None
    show: Callable[[str, Mapping[str, Any]], None]
    options: Mapping[str, Any] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic
    id: str = field(default_factory=lambda: secrets.token_hex(6))
    clients: dict[str, AmanuensisClient] = field(default_factory=dict)
    is_paused: bool = False
    _began_s: float | None = None
    left_out: dict[str, int] = field(default_factory=dict)
    _source_ms: dict[str, float] = field(default_factory=dict)  # of each track, pauses included
    _notes: int = 0
    _early: deque[str] = field(default_factory=lambda: deque(maxlen=MAX_EARLY_NOTES))

    async def record(self, track: str, source: Source, stop: asyncio.Event) -> None:
        """Record a track until its source ends or `stop` is set, and everything that was heard is final.

        Raises:
            amanuensis.daemon.dial.ClientError: the daemon refused, or has gone for good.
            amanuensis.daemon.sources.base.SourceError: the source has failed; what it gave before is recorded.

        """
        async with contextlib.aclosing(_until(source, stop)) as chunks:
            first = await anext(chunks, None)
            if first is None:
                return
            meeting = {"id": self.id, "title": self.title, "track": track, "at": self._at_ms(first, source)}
            known = {name: value for name, value in meeting.items() if value is not None}
            hello = Hello("speak", source.format, meeting=known, **self.options)
            async with connect(self.door.url, hello, token=self.door.token, ca=self.door.ca) as client:
                self.clients[track] = client
                await self._tell_notes(track, client)
                showing = asyncio.create_task(self._show(track, client))
                try:
                    await self._speak(track, source, first, chunks)
                finally:
                    del self.clients[track]
                    with contextlib.suppress(ClientError):  # then reading the events says why
                        await client.end()
                    await showing

    async def note(self, text: str = "") -> None:
        """Keep a note, or without text a mark, with the meeting: with the track that was begun first."""
        self._early.append(text)
        for track, client in list(self.clients.items())[:1]:
            await self._tell_notes(track, client)

    async def _tell_notes(self, track: str, client: AmanuensisClient) -> None:
        """Send the notes that wait for a track, with their time: the daemon hears of a pause when it is over."""
        at_ms = self._source_ms.get(track)
        while self._early:
            self._notes += 1
            await client.note(f"{self.id}-{self._notes}", self._early.popleft(), at=at_ms)

    async def pause(self) -> None:
        """Record nothing until `go_on`; what was heard becomes final."""
        self.is_paused = True
        for client in list(self.clients.values()):
            await client.flush()

    def go_on(self) -> None:
        """Record again; the time between is a gap of each track, `paused`."""
        self.is_paused = False

    def _at_ms(self, first: Chunk, source: Source) -> float:
        """Return where a track begins on the clock of the meeting, which begins with the first sound."""
        length_s = len(first) / source.format.bytes_per_s if isinstance(first, bytes) else 0.0
        began_s = self.clock() - length_s
        if self._began_s is None:
            self._began_s = began_s
        return max(0.0, 1000 * (began_s - self._began_s))

    async def _show(self, track: str, client: AmanuensisClient) -> None:
        async for event in client:
            self.show(track, event)

    async def _speak(self, track: str, source: Source, first: Chunk, chunks: AsyncIterator[Chunk]) -> None:
        client, left_out = self.clients[track], 0
        chunk: Chunk | None = first
        while chunk is not None:
            self._count(track, chunk, source)
            if isinstance(chunk, Silence):
                await client.flush()
            elif self.is_paused:
                before, left_out = left_out, left_out + _samples(chunk, source)
                self.left_out[track] = self.left_out.get(track, 0) + _samples(chunk, source)
                if left_out // round(PING_S * source.format.rate) > before // round(PING_S * source.format.rate):
                    await client.ping()
            else:
                left_out = await _leave_out(client, left_out)
                if isinstance(chunk, Lost):
                    await client.leave_out(chunk.samples, chunk.why)
                else:
                    await client.send_audio(chunk)
            chunk = await anext(chunks, None)
        await _leave_out(client, left_out)

    def _count(self, track: str, chunk: Chunk, source: Source) -> None:
        n_samples = 0 if isinstance(chunk, Silence) else _samples(chunk, source)
        self._source_ms[track] = self._source_ms.get(track, 0.0) + 1000 * n_samples / source.format.rate


async def _leave_out(client: AmanuensisClient, samples: int) -> int:
    """Say that so many samples were left out; return how many are left to say."""
    if samples:
        await client.leave_out(samples, PAUSED)
    return 0


def _samples(chunk: bytes | Lost, source: Source) -> int:
    return chunk.samples if isinstance(chunk, Lost) else len(chunk) // source.format.frame_bytes


async def _until(source: Source, stop: asyncio.Event) -> AsyncGenerator[Chunk]:
    """Yield what a source gives until it ends or is to stop, then what it had captured by then."""
    chunks = source.chunks()
    stopping = asyncio.create_task(stop.wait())
    try:
        while True:
            coming = asyncio.ensure_future(anext(chunks, None))
            await asyncio.wait((coming, stopping), return_when=asyncio.FIRST_COMPLETED)
            if not coming.done():
                coming.cancel()
                await asyncio.gather(coming, return_exceptions=True)
                break
            if (chunk := coming.result()) is None:
                return
            yield chunk
            if stopping.done():
                break
        async for chunk in source.drain():
            yield chunk
    finally:
        stopping.cancel()
