"""Notes and pauses of a speaker whose daemon is killed: each counts once, and none is lost."""

from __future__ import annotations

from pathlib import Path

from amanuensis.daemon.live_session import END
from amanuensis.daemon.protocol import Hello, Note, Skip
from amanuensis.stream.events import Gap, Noted
from amanuensis.stream.formats import AudioFormat
from tests.helpers.daemon_client import cut, pcm
from tests.helpers.kept_sessions import as_killed, kept_sessions, only, settle, speak
from tests.helpers.tone_engine import say, spell

FORMAT = AudioFormat("s16le", 16_000, 1)


async def test_a_note_and_a_pause_outlive_the_daemon(tmp_path: Path) -> None:
    """The next daemon knows how many messages it has, tells the note once and the gap once, with its reason."""
    chunks = cut(pcm(say([0, 1, 2, 3])), [6400])
    half = len(chunks) // 2
    async with kept_sessions(tmp_path / "first") as sessions:
        session = sessions.open(Hello("speak", FORMAT))
        await speak(session, chunks[:half])
        session.cursor.controls = 1
        session.obey(Note("n", "a decision"))
        session.cursor.controls = 2
        session.skip(Skip(32_000, "paused"))
        killed = as_killed(tmp_path / "first", tmp_path / "killed")
    async with kept_sessions(killed) as sessions:
        session = only(sessions)
        assert (session.cursor.next_chunk, session.cursor.controls) == (half, 2)
        heard_s = sum(map(len, chunks[:half])) / FORMAT.bytes_per_s
        assert session.audio_s == heard_s + 2
        await settle(session)
        await speak(session, chunks)
        session.finish(END)
        assert session.task is not None
        await session.task
        events = [entry.event for entry in session.journal.replay(0)]
    assert [event for event in events if isinstance(event, Noted)] == [Noted("n", 1000 * heard_s, "a decision")]
    gaps = [event for event in events if isinstance(event, Gap)]
    assert [(gap.why, round(gap.end_ms - gap.start_ms)) for gap in gaps] == [("paused", 2000)]
    assert session.pump.session.ledger.totals().unsettled == 0
    assert set(session.journal.snapshot().text.split()) <= set(spell([0, 1, 2, 3]).split())
