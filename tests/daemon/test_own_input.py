"""The daemon's own input: real sessions, an engine that reads tones, and a source that plays what a test wrote."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import pytest

from amanuensis.daemon.own_input import FIRST_RETRY_S, LAST_RETRY_S, OwnInput
from amanuensis.daemon.server import Daemon
from amanuensis.daemon.sources.base import Chunk, Lost, Pause, Source, SourceError
from amanuensis.stream.events import Word
from amanuensis.stream.formats import AudioFormat
from tests.helpers.daemon_client import connected, hello, running
from tests.helpers.tone_engine import say, spell

RATE = 16_000
MONO, STEREO = AudioFormat("f32le", RATE, 1), AudioFormat("f32le", RATE, 2)
FIRST, SECOND = (0, 3, 1), (6, 2)
Item: TypeAlias = Chunk | SourceError | asyncio.Event
GONE = SourceError("the microphone has gone")


def pcm(words: tuple[int, ...], channels: int = 1) -> bytes:
    """The sound of words and a silence, as bytes."""
    sound = np.concatenate([say(words), np.zeros(RATE, np.float32)])
    return np.repeat(sound, channels).astype("<f4").tobytes()


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


async def test_everybody_may_watch_what_is_captured() -> None:
    """A watcher of `latest` gets the words, what was lost is a gap, and a source that ends ends its session."""
    async with running() as (daemon, address):
        watched = asyncio.Event()
        room = Room([[watched, pcm(FIRST), Lost(RATE, "too slow"), pcm(SECOND)]])
        task = asyncio.create_task(own_input(daemon, room).run())
        while not len(daemon.sessions):
            await asyncio.sleep(0)
        async with connected(address, hello("watch"), "/v1/watch/latest") as watcher:
            await watcher.until(type="ready")
            watched.set()
            await watcher.over()
        await task
    assert watcher.text == spell(FIRST + SECOND)
    assert [gap["to"] - gap["from"] for gap in watcher.find(type="gap")] == [1000]
    assert watcher.events[-1]["reason"] == "end"


async def test_a_source_that_goes_is_opened_again() -> None:
    """The session goes on; the time away is a gap as long as the clock says, and waits grow longer up to a bound."""
    tries = 8
    async with running() as (daemon, _):
        room = Room([[pcm(FIRST), GONE], *[GONE] * tries, [pcm(SECOND), asyncio.Event()]])
        own = own_input(daemon, room)
        task = asyncio.create_task(own.run())
        while own.session is None:
            await asyncio.sleep(0)
        session = own.session
        while len(room.waits) <= tries or room.openings:
            await asyncio.sleep(0)
        while spell(SECOND) not in spoken(session.journal.utterances()):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert own.session is session
        totals = session.pump.session.ledger.totals()
    assert room.waits[0] == FIRST_RETRY_S
    assert room.waits == sorted(room.waits)
    assert room.waits[-1] == LAST_RETRY_S
    assert totals.gap == round(sum(room.waits) * RATE)
    assert spoken(session.journal.utterances()) == spell(FIRST + SECOND)


def spoken(utterances: Iterable[Iterable[Word]]) -> str:
    """The committed words as one text."""
    return "".join(word.text for words in utterances for word in words).strip()


async def test_another_format_is_another_session() -> None:
    """A device that comes back with other channels cannot go on in a session whose format is fixed."""
    async with running() as (daemon, _):
        room = Room([[pcm(FIRST), GONE], [pcm(SECOND, channels=2)]], [MONO, STEREO])
        await own_input(daemon, room).run()
        await daemon.drain()
        texts = [spoken(session.journal.utterances()) for session in daemon.sessions._ended.values()]
    assert texts == [spell(FIRST), spell(SECOND)]


async def test_what_was_captured_by_the_end_is_heard() -> None:
    """When the daemon stops, sound that waits in the device's ring belongs to the session."""
    async with running() as (daemon, _):
        room = Room([[b"", asyncio.Event()]], left=[pcm(FIRST)])
        own = own_input(daemon, room)
        task = asyncio.create_task(own.run())
        while own.session is None:
            await asyncio.sleep(0)
        session = own.session
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await daemon.drain()
    assert spoken(session.journal.utterances()) == spell(FIRST)


async def test_a_sender_that_pauses_makes_its_words_final() -> None:
    """A socket whose sender has gone flushes; the session waits for the next one."""
    async with running() as (daemon, _):
        room = Room([[pcm(FIRST), Pause("the sender has gone"), asyncio.Event()]])
        own = own_input(daemon, room)
        task = asyncio.create_task(own.run())
        while own.session is None or spoken(own.session.journal.utterances()) != spell(FIRST):
            await asyncio.sleep(0)
        assert own.session.ending is None
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_trouble_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """A microphone that is away for a day fills no log, and a full daemon is tried again like one."""
    async with running(sessions=1) as (daemon, address), connected(address, hello()) as speaker:
        await speaker.until(type="ready")
        room = Room([GONE, GONE, [pcm(FIRST)], [pcm(FIRST)]])
        task = asyncio.create_task(own_input(daemon, room).run())
        await asyncio.wait_for(room.empty.wait(), 60)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    said = [record.getMessage() for record in caplog.records if "own input" in record.getMessage()]
    warnings = [line for line in said if line.endswith("trying again")]
    assert len(warnings) == 2, said
    assert GONE.args[0] in warnings[0]
    assert "sessions are taken" in warnings[1]
