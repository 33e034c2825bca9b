"""Sound on its way to the pump."""

from __future__ import annotations

import asyncio

import pytest

from amanuensis.daemon.cursor import Chunk
from amanuensis.daemon.feeder import LOST_BY_CLIENT, Feeder
from amanuensis.daemon.pump import Pump
from amanuensis.stream.config import StreamConfig
from amanuensis.stream.events import Commit, Event, Gap
from amanuensis.stream.formats import AudioFormat
from amanuensis.stream.session import StreamSession
from tests.helpers.daemon_client import pcm
from tests.helpers.held_engine import HeldEngine
from tests.helpers.tone_engine import ToneTokenizer, say

SOUND = pcm(say([0, 1, 2, 3, 4, 5, 6] * 2))
FORMAT = AudioFormat()


def made() -> tuple[Feeder, Pump, HeldEngine]:
    """Return a feeder of a pump that takes two seconds ahead of an engine that is held."""
    engine = HeldEngine()
    stream = StreamSession(StreamConfig(), FORMAT, ToneTokenizer(), engine.info)
    pump = Pump(stream, engine, engine.open_stream(), 2000)
    return Feeder(pump, FORMAT), pump, engine


async def heard(pump: Pump) -> list[Event]:
    """Return all that the stream says."""
    return [event async for event in pump.events()]


async def test_a_long_chunk_is_given_in_pieces_as_there_is_room() -> None:
    """A chunk that is longer than what may wait is held here, and the end comes after its last piece."""
    feeder, pump, engine = made()
    reading = asyncio.create_task(heard(pump))
    feeder.put(Chunk(0, 0, SOUND))
    feeder.end()
    drained = asyncio.create_task(feeder.drained())
    for _ in range(50):
        await asyncio.sleep(0)
    assert not drained.done()
    assert pump.session.received_ms < 5000
    engine.go.set()
    await drained
    await reading
    totals = pump.session.ledger.totals()
    assert (totals.received, totals.unsettled, totals.gap) == (len(SOUND) // 2, 0, 0)


async def test_a_loss_inside_a_sample_completes_it() -> None:
    """What was lost is a gap of whole samples; the sample that was cut is completed with zeros."""
    feeder, pump, engine = made()
    engine.go.set()
    reading = asyncio.create_task(heard(pump))
    feeder.put(Chunk(0, 0, bytes(1001)))
    feeder.put(Chunk(1, 3999, bytes(1000)))
    await feeder.drained()
    feeder.end()
    (gap,) = (event for event in await reading if isinstance(event, Gap))
    assert gap.why == LOST_BY_CLIENT
    assert pump.session.ledger.totals().received == 3000
    assert pump.session.ledger.totals().gap == 1999


async def test_a_long_loss_waits_until_what_was_said_is_decoded() -> None:
    """Else the words before a pause would be given up with it, as too much that waits."""
    feeder, pump, engine = made()
    reading = asyncio.create_task(heard(pump))
    feeder.put(Chunk(0, 0, pcm(say([0, 1]))))
    feeder.after(pump.flush)
    feeder.lose(1500 * FORMAT.bytes_per_s, "paused")
    for _ in range(50):
        await asyncio.sleep(0)
    assert pump.session.received_ms < 5000
    engine.go.set()
    await feeder.drained()
    feeder.end()
    gaps = [event for event in await reading if isinstance(event, Gap)]
    assert [(gap.end_ms - gap.start_ms, gap.why) for gap in gaps] == [(1_500_000, "paused")]
    assert pump.session.ledger.totals().gap == 1500 * FORMAT.rate


async def test_words_that_a_long_loss_breaks_off_are_told() -> None:
    """Nobody said that they are the last ones: the silence of the loss ends them, and they are decoded in time."""
    feeder, pump, engine = made()
    engine.go.set()
    reading = asyncio.create_task(heard(pump))
    feeder.put(Chunk(0, 0, pcm(say([0, 1]))))
    feeder.lose(48 * 3600 * FORMAT.bytes_per_s, "paused")
    await feeder.drained()
    feeder.end()
    events = await reading
    words = [word.text for event in events if isinstance(event, Commit) for word in event.words]
    assert words == [" alfa", " bravo"]
    gaps = [(gap.end_ms - gap.start_ms, gap.why) for gap in events if isinstance(gap, Gap)]
    assert gaps == [(2000, "paused"), (48 * 3_600_000 - 2000, "paused")]
    assert pump.session.ledger.totals().gap == 48 * 3600 * FORMAT.rate


async def test_what_was_stopped_gives_nothing_more() -> None:
    """After a stop the rest is forgotten, and whoever waits goes on."""
    feeder, pump, _ = made()
    feeder.put(Chunk(0, 0, SOUND))
    before = pump.session.received_ms
    drained = asyncio.create_task(feeder.drained())
    await asyncio.sleep(0)
    feeder.stop()
    await drained
    assert pump.session.received_ms == before
    await pump.aclose()


async def test_a_fault_among_the_sound_ends_the_stream_and_hangs_nobody() -> None:
    """Something that fails in its turn is raised where the events are read."""
    feeder, pump, engine = made()
    engine.go.set()
    reading = asyncio.create_task(heard(pump))

    def fail() -> None:
        raise ZeroDivisionError("a fault")

    feeder.hear(SOUND[:3200])
    feeder.after(fail)
    feeder.hear(SOUND[:3200])
    await feeder.drained()
    feeder.end()
    with pytest.raises(ZeroDivisionError, match="a fault"):
        await reading
