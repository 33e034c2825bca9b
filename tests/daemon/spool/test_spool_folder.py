"""All sessions of a daemon on a disk: locked, bounded, found again."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from amanuensis.daemon.cursor import Chunk
from amanuensis.daemon.journal import Journal, JournalLimits
from amanuensis.daemon.spool.log_file import SpoolError
from amanuensis.daemon.spool.spool_folder import SpoolBusyError, SpoolFolder
from tests.daemon.spool.conftest import MakeHeader

LIMITS = JournalLimits()
HOLD = """
import sys
from pathlib import Path
from amanuensis.daemon.spool.spool_folder import SpoolFolder
folder = SpoolFolder(Path(sys.argv[1]), "spool.max_bytes", 2**20)
print("held", flush=True)
sys.stdin.read()
"""


def opened(path: Path, max_bytes: int = 2**30) -> SpoolFolder:
    """Return the folder, opened."""
    return SpoolFolder(path / "spool", "spool.max_bytes", max_bytes)


def test_two_daemons_never_share_a_folder(tmp_path: Path) -> None:
    """While one process has the folder another is refused in one line; when it is killed the lock is free."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "spool")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(SpoolBusyError, match="another daemon keeps its sessions there; give each its own folder"):
            opened(tmp_path)
        other.kill()
        other.wait()
        opened(tmp_path).close()


def test_folders_are_their_owner_s_alone(tmp_path: Path, make_header: MakeHeader) -> None:
    """Folders have mode 0700, files 0600."""
    folder = opened(tmp_path)
    spool = folder.create(make_header(), Journal(LIMITS))
    spool.append_audio(Chunk(0, 0, bytes(100)))
    for path in [folder.path, *folder.path.rglob("*")]:
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path
    spool.close()
    folder.close()


def test_bytes_are_bounded_and_given_back(tmp_path: Path, make_header: MakeHeader) -> None:
    """Beyond `max_bytes` nothing is written; what is removed makes room, whoever removed it."""
    folder = opened(tmp_path, 200_000)
    first = folder.create(make_header("first"), Journal(LIMITS))
    second = folder.create(make_header("second"), Journal(LIMITS))
    first.append_audio(Chunk(0, 0, bytes(150_000)))
    with pytest.raises(SpoolError, match=r"spool.max_bytes allows 200000: raise it, or remove"):
        second.append_audio(Chunk(0, 0, bytes(60_000)))
    used = folder.budget.used
    assert used == sum(path.stat().st_size for path in folder.path.rglob("*") if path.is_file())
    first.forget()
    second.append_audio(Chunk(0, 0, bytes(60_000)))
    (ballast := folder.path / "foreign").write_bytes(bytes(130_000))
    folder.budget.measure()
    with pytest.raises(SpoolError, match="allows 200000"):
        second.append_audio(Chunk(1, 0, bytes(60_000)))
    ballast.unlink()
    second.append_audio(Chunk(1, 0, bytes(60_000)))
    second.forget()
    assert folder.budget.used == 0
    folder.close()


def test_foreign_files_stay_where_they_are(
    tmp_path: Path, make_header: MakeHeader, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever else lies in the folder is neither read as a session nor removed, and does no harm."""
    folder = opened(tmp_path)
    spool = folder.create(make_header(), Journal(LIMITS))
    spool.append_audio(Chunk(0, 0, bytes(1000)))
    spool.close()
    inside = spool.folder
    (inside / "notes.txt").write_text("mine")
    (inside / "audio-x.log").write_bytes(b"not ours")
    (inside / "events-99999999.log.new").write_bytes(b"unfinished")
    (inside.parent / "a file").write_text("mine")
    (inside.parent / "link").symlink_to(inside)
    (inside.parent / "empty").mkdir()
    wrong = inside.parent / "wrong"
    wrong.mkdir()
    (wrong / "session.log").write_bytes(b"no header at all")
    folder.close()
    folder = opened(tmp_path)
    with caplog.at_level(logging.WARNING):
        (found,) = folder.recover(LIMITS)
    assert "wrong/session.log" in caplog.text
    assert (found.header, found.place.next_chunk, found.repairs) == (make_header(), 1, [])
    names = {path.name for path in inside.parent.iterdir()}
    assert names == {"a file", "link", "wrong.damaged", inside.name}
    folder.reopen(found).forget()
    assert (inside / "notes.txt").read_text() == "mine"
    assert (inside / "audio-x.log").exists()
    folder.close()


def test_a_place_that_cannot_be_had_is_named(tmp_path: Path) -> None:
    """A folder that is a file is refused in one line."""
    (tmp_path / "spool").write_text("")
    with pytest.raises(SpoolError, match="spool: "):
        opened(tmp_path)
