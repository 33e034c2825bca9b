"""One session that goes on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from amanuensis.daemon.config import LimitSettings
from amanuensis.daemon.cursor import Cursor
from amanuensis.daemon.hub import ClientQueue
from amanuensis.daemon.journal import Journal, JournalLimits
from amanuensis.daemon.live_session import END, SPEAKER_IDLE, SPEAKER_LEFT, LiveSession
from amanuensis.daemon.metrics import Metrics
from amanuensis.daemon.protocol import Audio, Configure, ProtocolError
from amanuensis.daemon.pump import Pump
from amanuensis.stream.config import StreamConfig
from amanuensis.stream.events import Warning  # noqa: A004 - the name on the wire
from amanuensis.stream.formats import AudioFormat
from amanuensis.stream.session import StreamSession
from tests.helpers.daemon_client import cut, pcm
from tests.helpers.tone_engine import INFO, ToneEngine, ToneTokenizer, say, spell

WORDS = [0, 1, 2, 3]
SOUND = pcm(say(WORDS))


def made(metrics: Metrics | None = None) -> LiveSession:
    """Return a session with a speaker that wants everything."""
    engine = ToneEngine()
    pipeline = StreamSession(StreamConfig(), AudioFormat(), ToneTokenizer(), INFO)
    pump = Pump(pipeline, engine, engine.open_stream())
    session = LiveSession(pump, Cursor(AudioFormat()), INFO, Journal(JournalLimits()), metrics or Metrics())
    session.speaker = ClientQueue("json")
    session.hub.clients.add(session.speaker)
    return session


async def hear(session: LiveSession, data: bytes) -> None:
    """Have a session take a chunk, and wait until there is room for the next one."""
    chunk = session.cursor.take(Audio(None, None, data))
    assert chunk is not None
    session.hear(chunk)
    await session.room()


async def said(session: LiveSession) -> list[dict[str, Any]]:
    """Return what waits for the speaker."""
    assert session.speaker is not None
    return [json.loads(await session.speaker.get() or "") for _ in range(len(session.speaker))]


async def test_acks_come_for_every_tenth_of_a_second() -> None:
    """Small chunks are acknowledged together, and what is left when the session ends."""
    session = made()
    acks = []
    for data in cut(SOUND[:16000], [640]):  # 25 chunks of 20 ms
        await hear(session, data)
        acks += [event["n"] for event in await said(session) if event["type"] == "ack"]
    assert acks == [4, 9, 14, 19, 24]
    await hear(session, SOUND[16000:16640])
    assert session.owes_ack
    session.finish(END)
    assert not session.owes_ack
    assert [event["n"] for event in await said(session) if event["type"] == "ack"] == [25]


async def test_first_ending_counts() -> None:
    """A speaker that ends and then goes has ended; the close codes are of the first reason."""
    session = made()
    session.finish(SPEAKER_IDLE)
    session.finish(SPEAKER_LEFT)
    watcher = ClientQueue("json")
    session.hub.clients.add(watcher)
    assert await session.run() == SPEAKER_IDLE
    assert session.speaker is not None
    assert session.speaker.closing == (4408, "idle")
    assert watcher.closing == (1000, "idle")


async def test_everything_said_is_counted() -> None:
    """Seconds of sound, words and events reach the metrics and the stats."""
    metrics = Metrics()
    session = made(metrics)
    await hear(session, SOUND)
    session.finish(END)
    await session.run()
    value = metrics.registry.get_sample_value
    assert value("amanuensis_words_total") == len(WORDS)
    assert value("amanuensis_audio_seconds_total") == pytest.approx(len(SOUND) / 32000)
    assert value("amanuensis_events_total", {"type": "final"}) == 1
    fates = {
        fate: value("amanuensis_ledger_seconds_total", {"fate": fate}) for fate in ("transcribed", "silence", "gap")
    }
    assert sum(filter(None, fates.values())) == pytest.approx(len(SOUND) / 32000)
    assert (fates["gap"], session.unsettled_s) == (0, 0)
    assert value("amanuensis_commit_latency_seconds_count") == len(WORDS)
    assert value("amanuensis_final_latency_seconds_count") == 1
    assert session.journal.snapshot().text == spell(WORDS)
    stats = session.stats()
    assert (stats.lag_ms, stats.queue_ms, stats.engine.model) == (0.0, 0.0, "tones")
    assert 0 < stats.rtf < 0.1
    assert stats.tick_every_ms >= session.pump.session.config.tick_ms


async def test_warnings_are_numbered_told_and_counted() -> None:
    """A warning is a durable event, and the metrics count it by its code."""
    metrics = Metrics()
    session = made(metrics)
    session.publish([Warning("engine_restarted", "again")])
    (told,) = await said(session)
    assert told == {"type": "warning", "seq": 1, "code": "engine_restarted", "message": "again"}
    assert metrics.registry.get_sample_value("amanuensis_warnings_total", {"code": "engine_restarted"}) == 1


async def test_settings_change_or_are_refused_whole() -> None:
    """A wrong setting leaves the others as they were."""
    session = made()
    session.configure(Configure(prompt="alfa", hotwords=("golf",)))
    with pytest.raises(ProtocolError, match="'xx' is not known") as caught:
        session.configure(Configure(lang="xx", prompt="bravo"))
    assert (caught.value.code, caught.value.close_code) == ("bad_config", None)
    assert session.pump.session.config.prompt == "alfa"


async def test_ready_tells_limits_and_engine() -> None:
    """The answer to a hello carries what a client must know."""
    ready = made().ready(for_speaker=True, limits=LimitSettings(message_bytes=8192))
    assert ready.limits == {"message_bytes": 8192, "idle_s": 300.0, "backlog_s": 10.0, "resume_s": 30.0}
    assert (ready.next, ready.engine.encoder, ready.engine.model) == (0, "cpu", "tones")
