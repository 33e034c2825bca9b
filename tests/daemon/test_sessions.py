"""All sessions of a daemon: limits, names, and for how long they are kept."""

from __future__ import annotations

import asyncio
import logging

import pytest

from amanuensis.daemon.config import Config, LimitSettings, ServerSettings
from amanuensis.daemon.ended_session import EndedSession
from amanuensis.daemon.hub import ClientQueue
from amanuensis.daemon.live_session import END, LiveSession
from amanuensis.daemon.metrics import Metrics
from amanuensis.daemon.protocol import Audio, Hello, Options, ProtocolError
from amanuensis.daemon.sessions import Sessions
from amanuensis.stream.config import StreamConfig
from amanuensis.stream.formats import AudioFormat
from tests.helpers.daemon_client import pcm
from tests.helpers.tone_engine import ToneEngine, ToneTokenizer, say, spell

HELLO = Hello("speak", AudioFormat())
SOUND = pcm(say([0, 1, 2]))


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def made(engine: ToneEngine | None = None, clock: Clock | None = None, **limits: int) -> Sessions:
    """Return an empty registry."""
    config = Config(ServerSettings(), stream=StreamConfig(prompt="alfa"), limits=LimitSettings(**limits))
    return Sessions(engine or ToneEngine(), ToneTokenizer(), config, Metrics(), clock=clock or Clock())


async def hear(session: LiveSession, data: bytes) -> None:
    """Have a session take a chunk, and wait until there is room for the next one."""
    chunk = session.cursor.take(Audio(None, None, data))
    assert chunk is not None
    session.hear(chunk)
    await session.room()


async def spoken(sessions: Sessions) -> LiveSession:
    """Return a session that has heard three words and is over."""
    session = sessions.open(HELLO)
    await hear(session, SOUND)
    session.finish(END)
    assert session.task is not None
    await session.task
    return session


async def test_ended_sessions_stay_for_a_while() -> None:
    """An ended session can be found until its time is over."""
    clock = Clock()
    sessions = made(clock=clock, linger_s=60)
    session = await spoken(sessions)
    clock.now_s = 60
    sessions.tick()
    kept = sessions.find(session.id)
    assert isinstance(kept, EndedSession)
    assert kept.journal.snapshot().text == spell([0, 1, 2])
    assert (kept.reason, kept.ready.resume_token) == ("end", "")
    clock.now_s = 60.1
    sessions.tick()
    assert sessions.find(session.id) is None


async def test_ended_sessions_are_bounded() -> None:
    """Of many ended sessions the newest are kept."""
    sessions = made(ended_sessions=2)
    names = [(await spoken(sessions)).id for _ in range(4)]
    assert [sessions.find(name) is not None for name in names] == [False, False, True, True]
    assert sessions.gauges().ended_sessions == 2


async def test_streams_are_given_back() -> None:
    """A session that is over leaves its place in the engine and in the daemon."""
    engine = ToneEngine(max_streams=1)
    sessions = made(engine, sessions=1)
    for _ in range(3):
        session = sessions.open(HELLO)
        assert (len(engine.open), sessions.refusal() is None) == (1, False)
        with pytest.raises(ProtocolError, match="all 1 sessions are taken"):
            sessions.open(HELLO)
        session.finish(END)
        assert session.task is not None
        await session.task
        assert (len(engine.open), sessions.refusal() is None) == (0, True)


async def test_latest_is_the_newest_that_goes_on() -> None:
    """`latest` follows the sessions as they open and end."""
    sessions = made()
    first, second = sessions.open(HELLO), sessions.open(HELLO)
    assert sessions.find("latest") is second
    second.finish(END)
    assert second.task is not None
    await second.task
    assert sessions.find("latest") is first
    await sessions.close(5)
    assert sessions.find("latest") is None


async def test_speakers_options_override_the_configuration() -> None:
    """What the hello leaves out comes from the configuration; what the model cannot do is refused."""
    sessions = made()
    assert sessions.open(HELLO).pump.session.config.prompt == "alfa"
    asked = Hello("speak", AudioFormat(), options=Options("en", "transcribe", "bravo", ("golf",)))
    config = sessions.open(asked).pump.session.config
    assert (config.language, config.prompt, config.hotwords) == ("en", "bravo", ("golf",))
    for options in (Options(lang="de"), Options(task="translate"), Options(hotwords=(" ",))):
        with pytest.raises(ProtocolError) as caught:
            sessions.open(Hello("speak", AudioFormat(), options=options))
        assert (caught.value.code, caught.value.close_code) == ("bad_hello", 4400)
    await sessions.close(5)


async def test_names_and_tokens_are_not_guessable() -> None:
    """Sessions have different names, and tokens of 128 bits that are told to the speaker only."""
    sessions = made()
    opened = [sessions.open(HELLO) for _ in range(8)]
    assert len({session.id for session in opened}) == len({session.identity.resume_token for session in opened}) == 8
    limits = LimitSettings()
    assert len(opened[0].ready(for_speaker=True, limits=limits).resume_token) >= 22
    assert opened[0].ready(for_speaker=False, limits=limits).resume_token == ""
    await sessions.close(5)


async def test_tick_tells_stats_and_owed_acks() -> None:
    """Once a second everybody hears how far behind the text is, and the speaker which chunks are kept."""
    sessions = made()
    session = sessions.open(HELLO)
    session.speaker = queue = ClientQueue("json")
    session.hub.clients.add(queue)
    await hear(session, SOUND[:64])
    assert session.owes_ack
    sessions.tick()
    assert not session.owes_ack
    frames = [await queue.get() for _ in range(2)]
    assert '"type":"stats"' in str(frames[0])
    assert frames[1] == '{"type":"ack","n":0}'
    gauges = sessions.gauges()
    assert (gauges.sessions, gauges.clients) == (1, 1)
    await sessions.close(5)


async def test_closing_waits_no_longer_than_it_may() -> None:
    """An engine that hangs does not keep the daemon from stopping; the clients hear bye anyway."""

    class Stuck(ToneEngine):
        __slots__ = ()

        async def decode(self, *_: object) -> None:  # type: ignore[override]
            await asyncio.Event().wait()

    engine = Stuck()
    sessions = made(engine)
    session = sessions.open(HELLO)
    queue = ClientQueue("json")
    session.hub.clients.add(queue)
    await hear(session, SOUND)
    await sessions.close(0)
    assert queue.closing == (1001, "shutdown")
    assert engine.open == set()
    full = sessions.refusal()
    assert full is not None
    assert full.why == "the daemon stops"
    await sessions.close(0)


async def test_log_tells_facts_and_no_words(caplog: pytest.LogCaptureFixture) -> None:
    """One line when a session opens and one when it ends, with neither text nor token."""
    with caplog.at_level(logging.INFO, "amanuensis"):
        session = await spoken(made())
    assert len(caplog.records) == 2
    assert f"session {session.id}: ended (end), 1.8 s of audio" in caplog.text
    assert "alfa" not in caplog.text
    assert session.identity.resume_token not in caplog.text
