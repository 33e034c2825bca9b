"""One file of records: whole or not there at all, also when the disk is full."""

from __future__ import annotations

import errno
import os
import resource
from pathlib import Path

import pytest

from amanuensis.daemon.spool.log_file import LogFile, SpoolError, explained, reading, repair, sync_folder
from tests.helpers.small_disk import small_disk

ROOM_KIB = 64


def records(path: Path) -> list[dict[str, object]]:
    """Return what is in a log."""
    with reading(path) as reader:
        found = list(reader)
    assert not reader.torn
    return found


def fill(log: LogFile) -> str:
    """Append until the disk is full; return what is said then."""
    try:
        for n in range(1000):
            log.append({"n": n, "d": bytes(1500)})
    except SpoolError as error:
        return str(error)
    raise AssertionError("the disk was never full")


def test_a_full_disk_leaves_whole_records(tmp_path: Path) -> None:
    """When the disk is full the error says so, the log ends with a whole record, and goes on when there is room."""
    with small_disk(tmp_path, ROOM_KIB) as disk:
        fill_and_go_on(disk)


def fill_and_go_on(disk: Path) -> None:
    """Fill the disk by a log, make room, and append again."""
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(1024 * (ROOM_KIB - 16)))
    log = LogFile(disk / "log")
    assert "No space left on device; make room" in fill(log)
    written = log.records
    assert 0 < written < 16
    assert [record["n"] for record in records(log.path)] == list(range(written))
    ballast.unlink()
    log.append({"n": written})
    log.sync()
    log.close()
    assert len(records(log.path)) == written + 1


def test_a_limit_of_the_file_size_is_as_good_as_a_full_disk(tmp_path: Path) -> None:
    """EFBIG in the middle of a record leaves the records before it, and what was charged is given back."""
    charged = [0]
    log = LogFile(tmp_path / "log", lambda n: charged.append(charged[-1] + n))
    log.append({"d": bytes(1000)})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1500, before[1]))
    try:
        with pytest.raises(SpoolError, match=r"File too large; .*ulimit -f"):
            log.append({"d": bytes(1000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    log.close()
    assert len(records(log.path)) == 1
    assert charged[-1] == log.size == log.path.stat().st_size


def test_files_are_their_owner_s_alone(tmp_path: Path) -> None:
    """A log has mode 0600, and what it is opened through may not be a link."""
    LogFile(tmp_path / "log").close()
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600
    (tmp_path / "link").symlink_to(tmp_path / "log")
    with pytest.raises(SpoolError, match="link"):
        LogFile(tmp_path / "link")
    with pytest.raises(SpoolError, match="link"), reading(tmp_path / "link"):
        pass


def test_a_torn_tail_is_cut(tmp_path: Path) -> None:
    """After repair a log is whole, and is appended to where its last good record ended."""
    path = tmp_path / "log"
    log = LogFile(path)
    log.append({"n": 0})
    log.close()
    path.write_bytes(path.read_bytes() + b"\x05\x00")
    with reading(path) as reader:
        assert [record["n"] for record in reader] == [0]
    assert "cut off" in reader.torn
    repair(path, reader)
    log = LogFile(path)
    log.append({"n": 1})
    log.close()
    assert [record["n"] for record in records(path)] == [0, 1]


def test_synced_says_what_is_on_the_disk(tmp_path: Path) -> None:
    """`synced` moves when `sync` has returned, and not before."""
    log = LogFile(tmp_path / "log")
    log.append({"n": 0})
    assert log.synced == 0
    log.sync()
    assert log.synced == log.size
    sync_folder(tmp_path)
    log.close()


@pytest.mark.parametrize("path", ["/proc/self/status", "/dev/full/log", "/no/such/folder/log"])
def test_places_that_cannot_be_written_are_named(path: str) -> None:
    """The message names the file, the cause and what to do."""
    with pytest.raises(SpoolError, match=f"^{path}: .*; "):
        LogFile(Path(path)).append({"n": 0})


@pytest.mark.parametrize(
    "number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EACCES, errno.ENOTDIR, errno.EEXIST]
)
def test_causes_are_explained(number: int) -> None:
    """Each cause comes with its own advice."""
    text = str(explained(Path("/x"), OSError(number, os.strerror(number))))
    assert text.startswith(f"/x: {os.strerror(number)}; ")
