"""Sessions whose disk fails: told once, and captions go on; recordings that lose power."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from amanuensis.daemon.ended_session import EndedSession
from amanuensis.daemon.guarded_store import GuardedStore
from amanuensis.daemon.live_session import END, LiveSession
from amanuensis.daemon.protocol import Hello, ProtocolError
from amanuensis.daemon.session_store import MemoryStore
from amanuensis.daemon.sessions import Sessions
from amanuensis.daemon.spool.clock import Stamp
from amanuensis.daemon.spool.flac import settle as settle_sound
from amanuensis.daemon.spool.flac import sound_files
from amanuensis.daemon.spool.log_file import LogFile
from amanuensis.stream.formats import AudioFormat
from tests.helpers.daemon_client import cut, pcm
from tests.helpers.kept_sessions import as_killed, kept_sessions, only, settle, speak, told
from tests.helpers.small_disk import small_disk
from tests.helpers.tone_engine import say, spell

WORDS = [k % 7 for k in range(60)]
DATA = pcm(say(WORDS, pauses_s=(0.0, 0.0, 0.0, 0.9)))  # 37 s
CHUNKS = cut(DATA, [6400])
SPEAK = Hello("speak", AudioFormat())


async def over(session: LiveSession) -> None:
    """End a session and wait until it is over."""
    session.finish(END)
    assert session.task is not None
    await session.task


def warnings(session: LiveSession) -> list[str]:
    """Return the codes of the warnings told so far."""
    return [event["code"] for event in told(session.journal.replay(0)) if event["type"] == "warning"]


def folders(root: Path) -> list[str]:
    """Return the names of what lies in a folder."""
    return sorted(path.name for path in root.iterdir())


class FullDisk:
    """A disk that takes nothing more below a folder, as the kernel would say it."""

    def __init__(self, patch: pytest.MonkeyPatch, number: int = errno.ENOSPC) -> None:
        self.folder: Path | None = None
        write = LogFile._write

        def refuse(file: LogFile, data: bytes) -> None:
            if self.folder is not None and self.folder in file.path.parents:
                raise OSError(number, os.strerror(number))
            write(file, data)

        patch.setattr(LogFile, "_write", refuse)


@pytest.mark.parametrize("n_before", [0, 3, 40])
async def test_without_a_spool_the_session_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_before: int
) -> None:
    """When the spool is full the session is told once, its files go, and its text is complete."""
    disk = FullDisk(monkeypatch)
    async with kept_sessions(tmp_path) as sessions:
        session = sessions.open(SPEAK)
        await speak(session, CHUNKS[:n_before])
        disk.folder = tmp_path
        await speak(session, CHUNKS)
        assert not session.store.survives
        assert folders(tmp_path / "spool" / "open") == []
        await over(session)
        assert warnings(session) == ["spool_stopped"]
        assert session.journal.snapshot().text == spell(WORDS)
        assert [entry.seq for entry in session.journal.replay(0)] == list(range(1, session.journal.last_seq + 1))


async def test_a_session_that_finds_no_room_is_opened_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first thing that such a session tells is that it is not kept."""
    disk = FullDisk(monkeypatch, errno.EDQUOT)
    async with kept_sessions(tmp_path, mode="all") as sessions:
        disk.folder = tmp_path
        session = sessions.open(SPEAK)
        assert isinstance(session.store, MemoryStore)
        await speak(session, CHUNKS)
        await over(session)
        assert warnings(session) == ["recording_stopped", "spool_stopped"]
        assert session.journal.snapshot().text == spell(WORDS)


@pytest.mark.parametrize("n_before", [0, 7, 90])
async def test_a_recording_without_room_goes_on_in_the_spool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_before: int
) -> None:
    """When the disk of recordings is full, recording stops with a warning, and the session still survives a kill."""
    disk = FullDisk(monkeypatch)
    async with kept_sessions(tmp_path / "a", mode="all") as sessions:
        session = sessions.open(SPEAK)
        await speak(session, CHUNKS[:n_before])
        await sessions.sync()
        disk.folder = tmp_path / "a" / "recordings"
        await speak(session, CHUNKS[:120])
        assert warnings(session) == ["recording_stopped"]
        assert session.store.survives
        assert session.store.newest_kept is None
        (finished,) = (tmp_path / "a" / "recordings").glob(f"*-{session.id}")
        assert not list(finished.glob("audio-*"))
        check_sound(finished, sum(len(chunk) // 2 for chunk in CHUNKS[:n_before]))
        killed = as_killed(tmp_path / "a", tmp_path / "b")
        already = told(session.journal.replay(0))
        assert folders(killed / "recordings" / "open") == []
    async with kept_sessions(killed, mode="all") as sessions:
        session = only(sessions)
        await speak(session, CHUNKS)
        await over(session)
        assert session.journal.snapshot().text == spell(WORDS)
        assert told(session.journal.replay(0))[: len(already)] == already
        totals = session.pump.session.ledger.totals()
        assert (totals.received, totals.gap, totals.unsettled) == (len(DATA) // 2, 0, 0)


async def recorded(sessions: Sessions, chunks: list[bytes], every: int = 5) -> LiveSession:
    """Speak into a session that is recorded, and sync it now and then."""
    session = sessions.open(SPEAK)
    for n in range(0, len(chunks), every):
        await speak(session, chunks[: n + every])
        await sessions.sync()
    return session


def check_sound(folder: Path, n_samples: int = len(DATA) // 2) -> None:
    """Assert that the FLAC files hold the sound that was sent, up to a sample."""
    expected = np.frombuffer(DATA, "<i2")[:n_samples]
    position = 0
    for start, path in sound_files(folder):
        sound, rate = soundfile.read(path, dtype="int16")
        assert (start, rate) == (position, 16_000)
        assert len(sound) <= 160_000
        assert np.array_equal(sound, expected[position : position + len(sound)])
        position += len(sound)
    assert position == n_samples


async def test_a_finished_recording_holds_no_raw_sound(tmp_path: Path) -> None:
    """Once a recorded session is forgotten its folder has a date, FLAC, events and its header, and no more."""
    async with kept_sessions(tmp_path, mode="asked", ended_sessions=0, linger_s=60) as sessions:
        session = sessions.open(Hello("speak", AudioFormat(), record=True))
        await speak(session, CHUNKS)
        assert isinstance(session.store, GuardedStore)
        await sessions.sync()
        session.finish(END)
        await settle(session)
        while isinstance(sessions.find(session.id), LiveSession):
            await settle(session)
    names = folders(tmp_path / "recordings")
    (name,) = [name for name in names if name.endswith(session.id)]
    folder = tmp_path / "recordings" / name
    check_sound(folder)
    assert {path.name.split("-")[0] for path in folder.iterdir()} == {"session.log", "events", "sound"}


async def test_chunks_of_a_recording_are_acknowledged_from_the_disk(tmp_path: Path) -> None:
    """A chunk counts as kept once the disk has it; those of other sessions at once."""
    async with kept_sessions(tmp_path, mode="asked") as sessions:
        session = sessions.open(Hello("speak", AudioFormat(), record=True))
        other = sessions.open(SPEAK)
        await speak(session, CHUNKS[:7])
        await speak(other, CHUNKS[:7])
        assert (session.store.newest_kept, other.store.newest_kept) == (-1, None)
        await sessions.sync()
        assert session.store.newest_kept == 6
        await speak(session, CHUNKS[:9])
        assert session.store.newest_kept == 6


async def test_power_loss_costs_what_the_disk_did_not_have(tmp_path: Path) -> None:
    """What was not synced is gone; all that was acknowledged is there, and the speaker sends the rest again."""
    async with kept_sessions(tmp_path / "a", mode="all") as sessions:
        session = await recorded(sessions, CHUNKS[:100])
        kept = session.store.newest_kept
        await speak(session, CHUNKS[:104])
        without_power = lose_unsynced(as_killed(tmp_path / "a", tmp_path / "b"), session)
    async with kept_sessions(without_power, mode="all") as sessions:
        session = only(sessions)
        assert kept == 99
        assert session.cursor.next_chunk == 100
        await speak(session, CHUNKS)
        await over(session)
        assert session.journal.snapshot().text == spell(WORDS)
        totals = session.pump.session.ledger.totals()
        assert (totals.received, totals.gap, totals.unsettled) == (len(DATA) // 2, 0, 0)
        await sessions.sync()
        (folder,) = (without_power / "recordings" / "open").iterdir()
        check_sound(folder)


def lose_unsynced(folder: Path, session: LiveSession) -> Path:
    """Cut every log of a recording to what its disk had."""
    assert isinstance(session.store, GuardedStore)
    spool: Any = session.store._spool
    files = [spool._audio._open, *spool._audio._unsynced, spool._events._open, *spool._events._unsynced]
    for file in files:
        path = folder / file.path.relative_to(folder.parent / "a")
        os.truncate(path, file.synced)
    return folder


async def test_who_asks_for_a_recording_that_is_not_made_is_told(tmp_path: Path) -> None:
    """`record` in a hello is refused where nothing is recorded."""
    async with kept_sessions(tmp_path) as sessions:
        with pytest.raises(ProtocolError, match=r"this server does not record \(recording.mode is 'off'\)") as caught:
            sessions.open(Hello("speak", AudioFormat(), record=True))
        assert (caught.value.code, caught.value.close_code) == ("bad_hello", 4400)


async def test_a_recording_that_was_killed_is_finished(tmp_path: Path) -> None:
    """Raw segments of a killed daemon become FLAC in the next one, and the recording is whole."""
    async with kept_sessions(tmp_path / "a", mode="all") as sessions:
        session = await recorded(sessions, CHUNKS[:80])
        await speak(session, CHUNKS[:83])
        killed = as_killed(tmp_path / "a", tmp_path / "b")
    async with kept_sessions(killed, mode="all") as sessions:
        session = only(sessions)
        await speak(session, CHUNKS)
        await over(session)
        await sessions.sync()
        assert isinstance(sessions.find(session.id), EndedSession)
    (folder,) = (killed / "recordings" / "open").iterdir()
    check_sound(folder)
    assert warnings(session) == ["recovered"]


async def test_a_disk_that_is_really_full_stops_the_recording_alone(tmp_path: Path) -> None:
    """On a file system that fills up while it is recorded on, captions go on and what was recorded can be read."""
    with small_disk(tmp_path, 700) as disk:
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "recordings").symlink_to(disk)
        async with kept_sessions(tmp_path / "a", mode="all") as sessions:
            session = await recorded(sessions, CHUNKS)
            assert session.store.survives
            await over(session)
            assert warnings(session) == ["recording_stopped"]
            assert session.journal.snapshot().text == spell(WORDS)
        (folder,) = (path for path in disk.iterdir() if path.name.endswith(session.id))
        with_room = Path(shutil.copytree(folder, tmp_path / "room"))
        settle_sound(with_room, AudioFormat())
        assert not list(with_room.glob("audio-*"))
        check_sound(with_room, sum(soundfile.info(path).frames for _, path in sound_files(with_room)))
        n_samples = sum(soundfile.info(path).frames for _, path in sound_files(folder))
        assert n_samples >= 160_000
        check_sound(folder, n_samples)


class Clock:
    """The clocks of a machine, set by hand."""

    def __init__(self) -> None:
        self.now = Stamp(1_795_000_000.0, 100.0, "first")

    def __call__(self) -> Stamp:
        return self.now


async def test_power_loss_is_a_gap_for_the_daemon_s_own_input(tmp_path: Path) -> None:
    """A microphone cannot send again: from the last sound that the disk had to the new start there is a gap."""
    clock = Clock()
    async with kept_sessions(tmp_path / "a", mode="all", clock=clock) as sessions:
        session = sessions.open(SPEAK, "input")
        for n in range(1, 61):
            clock.now = Stamp(1_795_000_000.0 + 0.2 * n, 100.0 + 0.2 * n, "first")
            await speak(session, CHUNKS[:n])
            if n == 55:
                await sessions.sync()
        without_power = lose_unsynced(as_killed(tmp_path / "a", tmp_path / "b"), session)
    clock.now = Stamp(1_795_000_000.0 + 30, 15.0, "second")
    async with kept_sessions(without_power, mode="all", clock=clock) as sessions:
        session = only(sessions)
        assert sessions.take_input() is session
        await settle(session)
        gaps = [event for event in told(session.journal.replay(0)) if event["type"] == "gap"]
        assert [gap["from"] for gap in gaps] == [55 * 200.0, *(gap["to"] for gap in gaps[:-1])]  # told in parts
        assert gaps[-1]["to"] == 30_000.0
        assert session.audio_s == 30


async def test_a_disk_that_fails_at_sync_stops_the_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A disk that takes bytes and then cannot keep them (EIO) is found out, and no chunk is acknowledged for it."""
    async with kept_sessions(tmp_path, mode="all") as sessions:
        session = sessions.open(SPEAK)
        await speak(session, CHUNKS[:20])

        fdatasync = os.fdatasync

        def broken(descriptor: int) -> None:
            if "recordings" in Path(f"/proc/self/fd/{descriptor}").readlink().parts:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            fdatasync(descriptor)

        with monkeypatch.context() as patch:
            patch.setattr(os, "fdatasync", broken)
            assert session.store.newest_kept == -1
            await sessions.sync()
        await settle(session)
        assert warnings(session) == ["recording_stopped"]
        assert "the disk fails: see the kernel's log" in caplog.text
        assert (session.store.survives, session.store.newest_kept) == (True, None)
        await speak(session, CHUNKS)
        await over(session)
        assert session.journal.snapshot().text == spell(WORDS)


async def test_when_no_disk_works_the_session_lives_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recording whose spool has no room either goes on, and says that it would not survive."""
    disk = FullDisk(monkeypatch)
    async with kept_sessions(tmp_path, mode="all") as sessions:
        session = sessions.open(SPEAK)
        await speak(session, CHUNKS[:20])
        disk.folder = tmp_path
        await speak(session, CHUNKS)
        assert not session.store.survives
        await over(session)
        assert warnings(session) == ["recording_stopped", "spool_stopped"]
        assert session.journal.snapshot().text == spell(WORDS)
        assert folders(tmp_path / "spool" / "open") == []


async def test_a_recording_that_cannot_be_finished_is_finished_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """When the disk fails as a recording is put away, the next daemon does it."""
    async with kept_sessions(tmp_path, mode="all", ended_sessions=0, linger_s=60) as sessions:
        session = await recorded(sessions, CHUNKS)

        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(Path, "rename", full)
        await over(session)
    monkeypatch.undo()
    assert "its recording is finished when the daemon starts next" in caplog.text
    assert folders(tmp_path / "recordings" / "open") == [session.id]
    async with kept_sessions(tmp_path, mode="all", ended_sessions=0, linger_s=60) as sessions:
        revived = only(sessions)
        assert revived.task is not None
        await revived.task
    assert folders(tmp_path / "recordings" / "open") == []
    (name,) = [name for name in folders(tmp_path / "recordings") if name.endswith(session.id)]
    check_sound(tmp_path / "recordings" / name)
