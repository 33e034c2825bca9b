"""One append-only file of records: what was appended is whole or not there at all."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from amanuensis.daemon.spool.records import Record, RecordReader, encode_record

FILE_MODE: Final = 0o600
FOLDER_MODE: Final = 0o700
UNFINISHED: Final = ".new"  # of a file that takes its name once it is whole


class SpoolError(Exception):
    """A log cannot be written or read; the message names the file, the cause and what to do."""


def explained(path: Path, error: OSError) -> SpoolError:
    """Return what went wrong with a file, in one line that says what to do."""
    advice = {
        errno.ENOSPC: "make room on that file system",
        errno.EDQUOT: "the user's quota is used up: make room",
        errno.EFBIG: "the largest file size allowed is reached (ulimit -f)",
        errno.EIO: "the disk fails: see the kernel's log",
        errno.EROFS: "that file system can only be read: name another folder",
        errno.EEXIST: "there is something that is no folder: move it, or name another folder",
        errno.ENOTDIR: "a part of that path is no folder: name another folder",
        errno.EACCES: "let the daemon's user write there, or name another folder",
    }
    what = os.strerror(error.errno) if error.errno else str(error)
    return SpoolError(f"{path}: {what}; {advice.get(error.errno or 0, 'see the folder in [spool] or [recording]')}")


class LogFile:
    """A log that is open for appending.

    Args:
        path: created with mode 0600 when it does not exist; appended to from its end when it does.
        charge: told how many bytes are about to be added, negative when they are taken away; it may raise SpoolError.

    Attributes:
        size: bytes of whole records.
        records: appended since it was opened.

    """

    def __init__(self, path: Path, charge: Callable[[int], None] = lambda _: None) -> None:
        self.path = path
        self._charge = charge
        self.records = 0
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
            self.size = os.lseek(self._fd, 0, os.SEEK_END)
        except OSError as error:
            raise explained(path, error) from None
        self._synced = self.size

    def append(self, record: Record) -> int:
        """Append a record in one write; return its bytes.

        Raises:
            SpoolError: it could not be written; the file is as it was.
            RecordError: it is no record.

        """
        data = encode_record(record)
        self._charge(len(data))
        try:
            self._write(data)
        except OSError as error:
            self._charge(-len(data))
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self.size)
            raise explained(self.path, error) from None
        self.size += len(data)
        self.records += 1
        return len(data)

    def _write(self, data: bytes) -> None:
        done = 0
        while done < len(data):  # a disk that fills up takes a part first
            done += os.pwrite(self._fd, data[done:] if done else data, self.size + done)

    @property
    def synced(self) -> int:
        """Bytes that are known to be on the disk."""
        return self._synced

    def sync(self) -> None:
        """Wait until all that was appended before is on the disk; may be called from another thread.

        Raises:
            SpoolError: the disk did not take it.

        """
        size = self.size
        if size == self._synced:
            return
        try:
            os.fdatasync(self._fd)
        except OSError as error:
            raise explained(self.path, error) from None
        self._synced = max(self._synced, size)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)


def sync_in_turn(closed: list[LogFile], current: LogFile) -> None:
    """Wait until closed files, which are let go of and taken from the list, and the open one are on the disk.

    Raises:
        SpoolError: the disk did not take it; what is still in the list was not synced.

    """
    for file in list(closed):
        file.sync()
        closed.remove(file)
        file.close()
    current.sync()


@contextmanager
def reading(path: Path) -> Iterator[RecordReader]:
    """Open a log for reading.

    Raises:
        SpoolError: it cannot be opened or read.

    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise explained(path, error) from None
    with os.fdopen(descriptor, "rb") as file:
        try:
            yield RecordReader(file, os.fstat(descriptor).st_size)
        except OSError as error:
            raise explained(path, error) from None


def repair(path: Path, reader: RecordReader) -> None:
    """Cut a log after its last good record, once the reader has come to its end.

    Raises:
        SpoolError: it cannot be cut.

    """
    if reader.torn:
        try:
            os.truncate(path, reader.good_bytes)
        except OSError as error:
            raise explained(path, error) from None


def sync_folder(path: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise explained(path, error) from None
