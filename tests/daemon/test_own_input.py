"""The daemon's own input: real sessions, an engine that reads tones, and a source that plays what a test wrote."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import numpy as np
import pytest

from amanuensis.daemon.live_session import SHUTDOWN
from amanuensis.daemon.own_input import FIRST_RETRY_S, LAST_RETRY_S
from amanuensis.daemon.sources.base import Lost, Pause, SourceError
from amanuensis.stream.events import Word
from amanuensis.stream.formats import AudioFormat
from tests.helpers.daemon_client import connected, hello, running
from tests.helpers.scripted_input import MONO, RATE, Room, own_input
from tests.helpers.tone_engine import say, spell

STEREO = AudioFormat("f32le", RATE, 2)
FIRST, SECOND = (0, 3, 1), (6, 2)
GONE = SourceError("the microphone has gone")


def pcm(words: tuple[int, ...], channels: int = 1) -> bytes:
    """The sound of words and a silence, as bytes."""
    sound = np.concatenate([say(words), np.zeros(RATE, np.float32)])
    return np.repeat(sound, channels).astype("<f4").tobytes()


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


async def test_what_is_captured_when_its_session_is_over_is_a_gap_of_the_next() -> None:
    """Sound in hand, sound left in the device's ring, and what only the session that is gone had: none has no fate."""
    async with running() as (daemon, _):
        over, left, forsaken = asyncio.Event(), pcm(FIRST), 3 * RATE
        room = Room([[b"", over, bytes(4 * RATE), b""], [pcm(SECOND), asyncio.Event()]], left=[left, Lost(7, "slow")])
        own = own_input(daemon, room)
        task = asyncio.create_task(own.run())
        while own.session is None:
            await asyncio.sleep(0)
        first = own.session
        first.forsaken_bytes = forsaken * MONO.frame_bytes
        first.finish(SHUTDOWN)
        over.set()
        while own.session is first or spoken(own.session.journal.utterances()) != spell(SECOND):
            await asyncio.sleep(0)
        second = own.session
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        totals = second.pump.session.ledger.totals()
    assert totals.gap == RATE + len(left) // MONO.frame_bytes + 7 + forsaken


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
