"""Sessions that outlive their daemon: killed at any moment, nothing told is untold, nothing kept is lost."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from amanuensis.daemon.cursor import Chunk
from amanuensis.daemon.ended_session import EndedSession
from amanuensis.daemon.live_session import END, LiveSession
from amanuensis.daemon.protocol import End, Flush, Hello, Mark
from amanuensis.daemon.sessions import FullError
from amanuensis.daemon.spool import audio_log
from amanuensis.daemon.spool.audio_log import AudioLog
from amanuensis.daemon.spool.clock import Stamp
from amanuensis.daemon.spool.log_file import reading
from amanuensis.daemon.spool.records import encode_record
from amanuensis.stream.events import Event
from amanuensis.stream.formats import AudioFormat, Encoding
from tests.helpers.daemon_client import cut
from tests.helpers.held_engine import HeldEngine
from tests.helpers.kept_sessions import as_killed, kept_sessions, only, settle, speak, told
from tests.helpers.tone_engine import say, spell

WORDS = [0, 1, 2, 3, 4, 5, 6, 0, 3]
PAUSES_S = (0.0, 0.0, 1.2)
HANGS_S = 30.0  # it takes a fraction of a second


def sound(encoding: Encoding, rate: int, channels: int) -> bytes:
    """Return the words as raw sound."""
    mono = say(WORDS, rate, pauses_s=PAUSES_S)
    frames = mono.repeat(channels)
    if encoding == "f32le":
        return frames.astype("<f4").tobytes()
    return (frames * 32767).astype("<i2").tobytes()


async def finished(session: LiveSession) -> None:
    """End a session and wait for its last words."""
    session.finish(END)
    assert session.task is not None
    await session.task


def hear(session: LiveSession, data: bytes) -> None:
    """Have a session take its first and only chunk."""
    session.cursor.next_chunk, session.cursor.position_bytes = 1, len(data)
    session.hear(Chunk(0, 0, data))


def publish_and_copy(
    publish: Callable[[list[Event]], None], folder: Path, copies: list[Path], events: list[Event]
) -> None:
    """Publish events, and copy what a kill right after them would leave behind."""
    publish(events)
    copies.append(as_killed(folder / "first", folder / f"{len(copies)}"))


def check(session: LiveSession, data: bytes, fmt: AudioFormat) -> None:
    """Assert that all sound has its fate and every word was said once, in order."""
    numbers = [entry.seq for entry in session.journal.replay(0) if entry.seq is not None]  # a partial has none
    assert numbers == list(range(1, len(numbers) + 1))
    assert session.journal.snapshot().text == spell(WORDS)
    totals = session.pump.session.ledger.totals()
    assert (totals.received, totals.unsettled, totals.gap) == (len(data) // fmt.frame_bytes, 0, 0)


async def check_left(folder: Path, data: bytes, marks: list[str]) -> bool:
    """Assert that a session ends by itself with every word and mark; return whether words were missing at the kill."""
    async with kept_sessions(folder) as sessions, asyncio.timeout(HANGS_S):
        session = only(sessions)
        unfinished = session.ending is END and not session.pump.session.done
        assert session.task is not None
        await session.task
        check(session, data, AudioFormat())
        assert [event["id"] for event in told(session.journal.replay(0)) if event["type"] == "marked"] == marks
    return unfinished


@pytest.mark.parametrize(
    ("fmt", "step"),
    [
        (AudioFormat("s16le", 16_000, 1), 4000),
        (AudioFormat("s16le", 44_100, 2), 50_001),
        (AudioFormat("f32le", 8_000, 1), 9_999),
    ],
)
async def test_a_kill_after_any_chunk_loses_nothing(tmp_path: Path, fmt: AudioFormat, step: int) -> None:
    """What was told stays told, the next chunk is asked for, and the text is that of the unbroken session."""
    data = sound(fmt.encoding, fmt.rate, fmt.channels)
    chunks = cut(data, [step])
    left: list[tuple[Path, int, list[dict[str, object]]]] = []
    async with kept_sessions(tmp_path / "first") as sessions:
        session = sessions.open(Hello("speak", fmt))
        for n in range(len(chunks)):
            await speak(session, chunks[: n + 1])
            left.append((as_killed(tmp_path / "first", tmp_path / f"{n}"), n + 1, told(session.journal.replay(0))))
        await finished(session)
        check(session, data, fmt)
    for folder, n_sent, already in left:
        async with kept_sessions(folder) as sessions:
            session = only(sessions)
            assert session.cursor.next_chunk == n_sent
            await speak(session, chunks)
            await finished(session)
            check(session, data, fmt)
            entries = told(session.journal.replay(0))
            assert entries[: len(already)] == already
            assert entries[len(already)]["code"] == "recovered"


async def test_killed_again_and_again(tmp_path: Path) -> None:
    """A session survives one kill after the other, also before it has heard anything new."""
    fmt = AudioFormat()
    data = sound("s16le", 16_000, 1)
    chunks = cut(data, [6400])
    folder = tmp_path / "0"
    async with kept_sessions(folder) as sessions:
        session = sessions.open(Hello("speak", fmt))
        await speak(session, chunks[:5])
        folder = as_killed(folder, tmp_path / "1")
        session.finish(END)
    for n in range(2, 12):
        async with kept_sessions(folder) as sessions:
            session = only(sessions)
            await speak(session, chunks[: 5 + 3 * (n // 2)])
            folder = as_killed(folder, tmp_path / f"{n}")
    async with kept_sessions(folder) as sessions:
        session = only(sessions)
        await speak(session, chunks)
        await finished(session)
        check(session, data, fmt)


async def test_orders_are_carried_out_once(tmp_path: Path) -> None:
    """A flush, a mark and the end that were taken before the kill are answered once, in one process or the other."""
    chunks = cut(sound("s16le", 16_000, 1), [6400])
    async with kept_sessions(tmp_path / "a") as sessions:
        session = sessions.open(Hello("speak", AudioFormat()))
        await speak(session, chunks[:8])
        session.obey(Flush("early"))
        await settle(session)
        await speak(session, chunks)
        session.obey(Mark("late"))
        session.obey(End())
        killed = as_killed(tmp_path / "a", tmp_path / "b")
    async with kept_sessions(killed) as sessions:
        session = only(sessions)
        assert (session.cursor.ended, session.task is not None) == (True, True)
        await finished(session)
        marks = [entry["id"] for entry in told(session.journal.replay(0)) if entry["type"] == "marked"]
        assert marks == ["early", "late"]


async def test_a_kill_between_the_end_and_the_last_word_loses_nothing(tmp_path: Path) -> None:
    """After `end` there are several steps; a daemon killed after any of them leaves a session that ends by itself."""
    data, engine, left = sound("s16le", 16_000, 1), HeldEngine(), list[Path]()
    async with kept_sessions(tmp_path / "first", engine=engine) as sessions:
        session = sessions.open(Hello("speak", AudioFormat()))
        hear(session, data)
        await session.room()
        session.obey(End())
        session.publish = partial(publish_and_copy, session.publish, tmp_path, left)  # type: ignore[method-assign]
        engine.go.set()
        assert session.task is not None
        await session.task
    unfinished = [await check_left(folder, data, []) for folder in left]
    assert sum(unfinished) > 1


async def test_an_end_whose_sound_still_waits_survives_a_kill(tmp_path: Path) -> None:
    """What is told while sound before the end has not been heard yet does not take the end for done."""
    data, engine, left = sound("s16le", 16_000, 1), HeldEngine(), list[Path]()
    async with kept_sessions(tmp_path / "first", engine=engine, backlog_s=1) as sessions:
        session = sessions.open(Hello("speak", AudioFormat()))
        hear(session, data)
        session.obey(Mark("last"))
        session.obey(End())
        session.publish = partial(publish_and_copy, session.publish, tmp_path, left)  # type: ignore[method-assign]
        assert not session.pump.session.ended
        engine.go.set()
        assert session.task is not None
        await session.task
    for folder in left:
        await check_left(folder, data, ["last"])
    assert len(left) > 1


async def test_orders_that_wait_for_their_place_survive_kill_after_kill(tmp_path: Path) -> None:
    """While a session hears again what is kept, orders have not come to their turn; nothing told then forgets them."""
    data = sound("s16le", 16_000, 1)
    engine = HeldEngine()
    async with kept_sessions(tmp_path / "0", engine=engine) as sessions:
        session = sessions.open(Hello("speak", AudioFormat()))
        hear(session, data)
        await session.room()
        session.obey(Mark("last"))
        session.obey(End())
        folder = as_killed(tmp_path / "0", tmp_path / "1")
        engine.go.set()
    for n in (1, 2):
        engine = HeldEngine()
        async with kept_sessions(folder, engine=engine, backlog_s=1) as sessions:
            session = only(sessions)
            assert not session.pump.session.ended
            folder = as_killed(folder, tmp_path / f"{n + 1}")
            engine.go.set()
    await check_left(folder, data, ["last"])


async def test_a_kill_before_old_sound_is_dropped_is_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Segments that the newest checkpoint needs no more may still be there; all are gone at the end."""
    data = sound("s16le", 16_000, 1)
    chunks = cut(data, [6400])
    async with kept_sessions(tmp_path / "0") as sessions:
        with monkeypatch.context() as patch:
            patch.setattr(audio_log, "SEGMENT_S", 0.5)
            patch.setattr(AudioLog, "drop_before", lambda *_, **__: None)
            session = sessions.open(Hello("speak", AudioFormat()))
            await speak(session, chunks[:-3])
            folder = as_killed(tmp_path / "0", tmp_path / "1")
    async with kept_sessions(folder) as sessions:
        session = only(sessions)
        await speak(session, chunks)
        await finished(session)
        assert len(list(folder.rglob("audio-*.log"))) <= 1
        check(session, data, AudioFormat())


async def test_who_comes_for_a_session_that_was_handed_over_is_asked_to_come_again(tmp_path: Path) -> None:
    """While a daemon stops, it does not say that a session never was that the next daemon will have."""
    async with kept_sessions(tmp_path) as sessions:
        session = sessions.open(Hello("speak", audio=AudioFormat("s16le", 16_000, 1)))
    name, token = session.id, session.identity.resume_token
    again = Hello("speak", audio=session.cursor.format, session=name, resume_token=token)
    with pytest.raises(FullError, match="stops"):
        sessions.resume(again)
    assert isinstance(sessions.unknown(name, "it ended"), FullError)  # what a watcher is told
    async with kept_sessions(tmp_path) as next_sessions:
        assert next_sessions.resume(again).identity.id == name
        assert next_sessions.unknown("another", "it ended").code == "no_such_session"


async def test_an_ended_session_is_found_again(tmp_path: Path) -> None:
    """A session that was over when its daemon was killed can still be read, and is not ended twice."""
    data = sound("s16le", 16_000, 1)
    async with kept_sessions(tmp_path / "a") as sessions:
        session = sessions.open(Hello("speak", AudioFormat()))
        await speak(session, cut(data, [6400]))
        await finished(session)
        already = told(session.journal.replay(0))
        killed = as_killed(tmp_path / "a", tmp_path / "b")
    async with kept_sessions(killed) as sessions:
        revived = only(sessions)
        assert revived.task is not None
        await revived.task
        ended = sessions.find(session.id)
        assert isinstance(ended, EndedSession)
        assert (ended.reason, told(ended.journal.replay(0))) == ("end", already)
        assert ended.identity.is_token(session.identity.resume_token)
        assert ended.fates == session.ledger()


async def test_a_spool_is_removed_with_its_session(tmp_path: Path) -> None:
    """Once an ended session is forgotten nothing of it is left on the disk."""
    async with kept_sessions(tmp_path, linger_s=0, ended_sessions=0) as sessions:
        session = sessions.open(Hello("speak", AudioFormat()))
        await speak(session, cut(sound("s16le", 16_000, 1), [6400]))
        assert list((tmp_path / "spool" / "open").iterdir())
        await finished(session)
        assert list((tmp_path / "spool" / "open").iterdir()) == []


class Clock:
    """Both clocks of a machine, set by hand."""

    def __init__(self) -> None:
        self.now = Stamp(1_795_000_000.0, 100.0, "boot")

    def __call__(self) -> Stamp:
        return self.now

    def pass_s(self, seconds: float, jump_s: float = 0.0) -> None:
        """Let time pass, and set the wall clock as well."""
        self.now = Stamp(self.now.wall_s + seconds + jump_s, self.now.uptime_s + seconds, self.now.boot)


async def test_of_ended_sessions_that_are_found_the_newest_are_kept(tmp_path: Path) -> None:
    """Those that ended last stay, in whatever order they are found; time without a daemon does not count."""
    clock = Clock()
    async with kept_sessions(tmp_path / "a", clock=clock) as sessions:
        opened = [sessions.open(Hello("speak", AudioFormat())) for _ in range(4)]
        for session in reversed(opened):
            await speak(session, cut(sound("s16le", 16_000, 1), [6400])[:2])
            await finished(session)
            clock.pass_s(10)
        killed = as_killed(tmp_path / "a", tmp_path / "b")
    clock.pass_s(86_400)
    async with kept_sessions(killed, clock=clock, ended_sessions=2, linger_s=60) as sessions:
        async with asyncio.timeout(HANGS_S):
            while sessions.live:
                await asyncio.sleep(0)
        assert {ended.identity.id for ended in sessions.ended} == {session.id for session in opened[:2]}


@pytest.mark.parametrize("jump_s", [0.0, -86_400.0, 3e8])
async def test_time_without_a_daemon_is_a_gap_for_its_own_input(tmp_path: Path, jump_s: float) -> None:
    """What nobody listened to is a gap as long as it was, whatever was done to the wall clock meanwhile."""
    clock = Clock()
    data = sound("s16le", 16_000, 1)
    chunks = cut(data, [6400])
    async with kept_sessions(tmp_path / "a", clock=clock) as sessions:
        session = sessions.open(Hello("speak", AudioFormat()), "input")
        await speak(session, chunks)
        killed = as_killed(tmp_path / "a", tmp_path / "b")
        heard_s = session.audio_s
    clock.pass_s(12.5, jump_s)
    async with kept_sessions(killed, clock=clock) as sessions:
        session = only(sessions)
        assert sessions.take_input() is session
        assert sessions.take_input() is None
        await settle(session)
        (gap,) = [event for event in told(session.journal.replay(0)) if event["type"] == "gap"]
        assert (gap["from"], gap["to"]) == (1000 * heard_s, 1000 * heard_s + 12_500)
        assert gap["why"] == "the daemon did not run"
        position = session.cursor.position_bytes
        await finished(session)
    totals = session.pump.session.ledger.totals()
    assert (totals.gap, totals.received, totals.unsettled) == (200_000, position // 2, 0)
    assert session.journal.snapshot().text == spell(WORDS)


async def test_after_too_long_a_time_the_input_begins_anew(tmp_path: Path) -> None:
    """A session of the daemon's own input that nobody continued for long becomes final without hours of gap."""
    clock = Clock()
    async with kept_sessions(tmp_path / "a", clock=clock) as sessions:
        session = sessions.open(Hello("speak", AudioFormat()), "input")
        await speak(session, cut(sound("s16le", 16_000, 1), [6400]))
        killed = as_killed(tmp_path / "a", tmp_path / "b")
    clock.pass_s(3600)
    async with kept_sessions(killed, clock=clock) as sessions:
        session = only(sessions)
        assert sessions.take_input() is session
        assert session.task is not None
        await session.task
        assert session.journal.snapshot().text == spell(WORDS)
        assert session.pump.session.ledger.totals().gap == 0


async def test_a_session_whose_speaker_stays_away_becomes_final(tmp_path: Path) -> None:
    """Who does not come back within `resume_s` of the restart finds finals for what there was."""
    async with kept_sessions(tmp_path / "a") as sessions:
        session = sessions.open(Hello("speak", AudioFormat()))
        await speak(session, cut(sound("s16le", 16_000, 1), [6400]))
        killed = as_killed(tmp_path / "a", tmp_path / "b")
    async with kept_sessions(killed, resume_s=0) as sessions:
        session = only(sessions)
        assert session.task is not None
        sessions.tick()
        await session.task
        ended = sessions.find(session.id)
        assert isinstance(ended, EndedSession)
        assert (ended.reason, ended.journal.snapshot().text) == ("speaker_left", spell(WORDS))


async def test_what_the_spool_lost_is_a_gap(tmp_path: Path) -> None:
    """When its sound is gone from the disk, a session goes on with a gap in its place, and says what was repaired."""
    data = sound("s16le", 16_000, 1)
    chunks = cut(data, [6400])
    async with kept_sessions(tmp_path / "a") as sessions:
        session = sessions.open(Hello("speak", AudioFormat()))
        await speak(session, chunks[:10])
        already = told(session.journal.replay(0))
        killed = as_killed(tmp_path / "a", tmp_path / "b")
    (log,) = (killed / "spool" / "open" / session.id).glob("audio-*.log")
    log.write_bytes(log.read_bytes()[:20_000])
    async with kept_sessions(killed) as sessions:
        session = only(sessions)
        assert session.cursor.next_chunk == 3
        await speak(session, chunks)
        await finished(session)
    entries = told(session.journal.replay(0))
    assert entries[: len(already)] == already
    assert "the last record is cut off" in entries[len(already)]["message"]
    totals = session.pump.session.ledger.totals()
    assert (totals.received, totals.unsettled) == (len(data) // 2, 0)
    gaps = [event["to"] - event["from"] for event in entries if event["type"] == "gap"]
    assert sum(gaps) == pytest.approx(totals.gap / 16)
    said = iter(spell(WORDS).split())
    assert all(word in said for word in session.journal.snapshot().text.split())  # in order, each at most once


async def test_a_checkpoint_of_no_use_is_said(tmp_path: Path) -> None:
    """A session whose checkpoint another version wrote is over: its words stay, what was not final is a gap."""
    async with kept_sessions(tmp_path / "a") as sessions:
        session = sessions.open(Hello("speak", AudioFormat()))
        await speak(session, cut(sound("s16le", 16_000, 1), [6400])[:12])
        text = session.journal.snapshot().text
        killed = as_killed(tmp_path / "a", tmp_path / "b")
    (log,) = (killed / "spool" / "open" / session.id).glob("events-*.log")
    with reading(log) as reader:
        records = [record | ({"c": {"version": 99}} if "c" in record else {}) for record in reader]
    log.write_bytes(b"".join(map(encode_record, records)))
    async with kept_sessions(killed) as sessions:
        session = only(sessions)
        assert session.task is not None
        await session.task
        ended = sessions.find(session.id)
        assert isinstance(ended, EndedSession)
        entries = told(ended.journal.replay(0))
    assert ended.journal.snapshot().text == text
    assert [entry["type"] for entry in entries[-2:]] == ["gap", "warning"]
    assert "checkpoint version 99 cannot be read" in entries[-1]["message"]
    assert ended.reason == "fault"


async def test_one_session_does_not_keep_the_daemon_from_starting(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A session that cannot be taken up for a reason that nobody thought of is set aside; the others go on."""
    chunks = cut(sound("s16le", 16_000, 1), [6400])
    async with kept_sessions(tmp_path / "a") as sessions:
        good, bad = (sessions.open(Hello("speak", AudioFormat())) for _ in range(2))
        await speak(good, chunks[:10])
        await speak(bad, chunks[:10])
        killed = as_killed(tmp_path / "a", tmp_path / "b")
    place = killed / "spool" / "open"
    (log,) = (place / bad.id).glob("audio-*.log")
    with reading(log) as reader:
        *_, last = reader
    wrong = {"k": "mark", "p": last["p"] + len(last["d"]), "c": 1, "o": {"id": [1]}}
    log.write_bytes(log.read_bytes() + encode_record(wrong))
    shutil.copytree(place / good.id, place / "copy")
    async with kept_sessions(killed) as sessions:
        session = sessions.find(good.id)
        assert isinstance(session, LiveSession)
        await speak(session, chunks)
        await finished(session)
        assert session.journal.snapshot().text == spell(WORDS)
        assert sorted(path.name for path in place.iterdir()) == sorted([good.id, f"{bad.id}.damaged", "copy.damaged"])
    assert f"session {bad.id}: cannot be taken up again" in caplog.text
    assert f"holds session {good.id}; this copy cannot be taken up again" in caplog.text
