"""The folder of a session that comes from the store, where some of it lies already or nothing is recorded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from amanuensis.daemon.fronts.landing import discard, lay_down
from amanuensis.daemon.journal import JournalLimits
from amanuensis.daemon.keeper import Keeper
from amanuensis.daemon.protocol import Options
from amanuensis.daemon.spool.clock import machine_clock
from amanuensis.daemon.spool.header import SessionHeader, read_header
from amanuensis.daemon.spool.spool_folder import SpoolFolder
from amanuensis.stream.formats import AudioFormat

HEADER = SessionHeader(
    "s", "token", AudioFormat("s16le", 16_000, 1), Options(), "m", "client", recorded=False, opened=machine_clock()
)


def files(folder: Path, header: SessionHeader) -> dict[str, bytes]:
    """Return what the store may have of a session."""
    folder.mkdir()
    header.write(folder)
    return {"session.log": (folder / "session.log").read_bytes(), "audio-00000003.log": b"sound"}


def test_what_lies_there_is_replaced(tmp_path: Path) -> None:
    """Logs of an earlier time go, and the budget knows the bytes that are there then."""
    spool = SpoolFolder(tmp_path / "spool", "spool.max_bytes", 2**20)
    old = spool.path / "open" / "s"
    old.mkdir()
    (old / "audio-00000000.log").write_bytes(bytes(1000))
    spool.budget.measure()
    taken = files(tmp_path / "copy", HEADER)
    folder, path = lay_down(Keeper(spool), "s", taken)
    assert (folder, path) == (spool, old)
    assert {file.name: file.read_bytes() for file in path.iterdir()} == taken
    used = spool.budget.used
    spool.budget.measure()
    assert spool.budget.used == used
    assert {file.stat().st_mode & 0o777 for file in path.iterdir()} == {0o600}


def test_a_recording_goes_where_recordings_are(tmp_path: Path) -> None:
    """Its sound that is finished stays; where nothing is recorded, the session goes on unrecorded."""
    spool = SpoolFolder(tmp_path / "spool", "spool.max_bytes", 2**20)
    recordings = SpoolFolder(tmp_path / "recordings", "recording.max_bytes", 2**20)
    taken = files(tmp_path / "copy", replace(HEADER, recorded=True))
    place = recordings.path / "open" / "s"
    place.mkdir()
    (place / "sound-000000000000000.flac").write_bytes(b"flac")
    assert lay_down(Keeper(spool, recordings, "asked"), "s", taken) == (recordings, place)
    assert (place / "sound-000000000000000.flac").exists()
    assert not (spool.path / "open" / "s").exists()
    folder, path = lay_down(Keeper(spool), "s", taken)
    assert folder is spool
    assert not read_header(path).recorded


def test_what_another_front_has_is_removed(tmp_path: Path) -> None:
    """Also a folder that holds no session any more."""
    spool = SpoolFolder(tmp_path / "spool", "spool.max_bytes", 2**20)
    for name in ("s", "t"):
        folder = spool.path / "open" / name
        folder.mkdir()
        (folder / "audio-00000000.log").write_bytes(b"x")
    HEADER.write(spool.path / "open" / "s")
    for name in ("s", "t"):
        discard(spool, spool.path / "open" / name, JournalLimits())
    assert list((spool.path / "open").iterdir()) == []
