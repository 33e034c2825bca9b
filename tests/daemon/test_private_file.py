"""Files of their owner alone."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from amanuensis.daemon.private_file import PrivateFileError, locked, read_private, write_private

OTHERS = 0o077


def read(file: Path, max_bytes: int = 100) -> bytes:
    """Read it as a file of secrets."""
    return read_private(file, max_bytes, forbidden=OTHERS, what="secrets")


def test_nobody_else_reads_what_is_written(tmp_path: Path) -> None:
    """Not even where others could read what it replaces; what a process left that was killed is gone with it."""
    file, left = tmp_path / "new" / "secrets", tmp_path / "new" / ".secrets.new"
    with locked(file):
        left.write_text("half of")
        write_private(file, "first", forbidden=OTHERS)
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    file.chmod(0o644)
    write_private(file, "second", forbidden=OTHERS)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert read(file) == b"second"
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("fifo", "is not a regular file"),
        ("folder", "Is a directory"),
        ("long", "is longer than 100 bytes"),
        ("loop", "links"),
    ],
)
def test_what_is_no_such_file_is_named_at_once(tmp_path: Path, kind: str, message: str) -> None:
    """Nobody waits for a pipe to be written to."""
    file = tmp_path / "secrets"
    match kind:
        case "fifo":
            os.mkfifo(file, 0o600)
        case "folder":
            file.mkdir()
        case "long":
            write_private(file, "x" * 101, forbidden=OTHERS)
        case _:
            file.symlink_to(file)
    with pytest.raises(PrivateFileError, match=message) as caught:
        read(file)
    assert str(file) in str(caught.value)


def test_a_missing_file_is_told_from_a_bad_one(tmp_path: Path) -> None:
    """Whoever asks says what that means."""
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "nosuch")


def test_where_nothing_can_be_written_the_old_file_stays(tmp_path: Path) -> None:
    """A folder in the place of the part that is written first stands for any error there; the message says so."""
    file = tmp_path / "secrets"
    write_private(file, "old", forbidden=OTHERS)
    (tmp_path / ".secrets.new").mkdir()
    with pytest.raises(PrivateFileError, match="secrets cannot be written"):
        write_private(file, "new", forbidden=OTHERS)
    assert read(file) == b"old"
    with pytest.raises(PrivateFileError, match="File exists"), locked(file / "below"):
        pass
