"""Sessions that outlive their daemon: killed at any moment, nothing told is untold, nothing kept is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from amanuensis.daemon.live_session import END, LiveSession
from amanuensis.daemon.protocol import End, Flush, Hello, Mark
from amanuensis.daemon.sessions import EndedSession
from amanuensis.stream.formats import AudioFormat, Encoding
from tests.helpers.daemon_client import cut
from tests.helpers.kept_sessions import as_killed, kept_sessions, only, settle, speak, told
from tests.helpers.tone_engine import say, spell

WORDS = [0, 1, 2, 3, 4, 5, 6, 0, 3]
PAUSES_S = (0.0, 0.0, 1.2)


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


def check(session: LiveSession, data: bytes, fmt: AudioFormat) -> None:
    """Assert that all sound has its fate and every word was said once, in order."""
    entries = session.journal.replay(0)
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    assert session.journal.snapshot().text == spell(WORDS)
    totals = session.pump.session.ledger.totals()
    assert (totals.received, totals.unsettled, totals.gap) == (len(data) // fmt.frame_bytes, 0, 0)


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
