"""A source of the daemon's own input that plays what a test wrote, and a clock for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

from amanuensis.daemon.own_input import OwnInput
from amanuensis.daemon.server import Daemon
from amanuensis.daemon.sources.base import Chunk, Source, SourceError
from amanuensis.stream.formats import AudioFormat

RATE = 16_000
MONO = AudioFormat("f32le", RATE, 1)
Item: TypeAlias = Chunk | SourceError | asyncio.Event


class Script(Source):
    """A source that yields pieces, waits for an event, fails, or ends."""

    name = "script"

    def __init__(self, items: list[Item], fmt: AudioFormat, left: list[Chunk]) -> None:
        self.format = fmt
        self.closed = False
        self._items = items
        self._left = left

    async def chunks(self) -> AsyncIterator[Chunk]:
        for item in self._items:
            if isinstance(item, SourceError):
                raise item
            if isinstance(item, asyncio.Event):
                await item.wait()
            else:
                yield item

    async def drain(self) -> AsyncIterator[Chunk]:
        left, self._left = self._left, []
        for chunk in left:
            yield chunk

    async def aclose(self) -> None:
        self.closed = True


@dataclass
class Room:
    """What the input finds: its openings in order, and a clock that goes on while it waits."""

    openings: list[list[Item] | SourceError]
    fmts: list[AudioFormat] = field(default_factory=list)
    left: list[Chunk] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    now_s: float = 100.0
    empty: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Source]:
        if not self.openings:
            self.empty.set()
            await asyncio.Event().wait()
        opening = self.openings.pop(0)
        if isinstance(opening, SourceError):
            raise opening
        source = Script(opening, self.fmts.pop(0) if self.fmts else MONO, self.left)
        try:
            yield source
        finally:
            await source.aclose()

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now_s += seconds
        await asyncio.sleep(0)


def own_input(daemon: Daemon, room: Room) -> OwnInput:
    """The input under test."""
    return OwnInput(daemon.sessions, room.open, clock=lambda: room.now_s, sleep=room.sleep)
