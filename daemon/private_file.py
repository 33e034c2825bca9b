"""Files of their owner alone: looked at before they are believed, changed by one at a time, written whole."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PRIVATE: Final = 0o600
FOLDER_MODE: Final = 0o700


class PrivateFileError(Exception):
    """The file cannot be used; the message names it and says what to do."""


def read_private(file: Path, max_bytes: int, *, forbidden: int, what: str) -> bytes:
    """Return what is in a file; of a link, what it leads to.

    Args:
        file: its name.
        max_bytes: it may have.
        forbidden: bits of its mode that must not be set.
        what: it should be, for the message.

    Raises:
        FileNotFoundError: there is none.
        PrivateFileError: it cannot be read, is too long or no regular file, or is not its owner's alone.

    """
    try:
        with open(file, "rb", opener=_open_at_once) as opened:
            _check_rights(file, os.fstat(opened.fileno()), forbidden)
            data = opened.read(max_bytes + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise PrivateFileError(f"{file} cannot be read: {error.strerror}") from None
    if len(data) > max_bytes:
        raise PrivateFileError(f"{file} is longer than {max_bytes} bytes; it is not a file of {what}")
    return data


def _open_at_once(name: str, flags: int) -> int:
    return os.open(name, flags | os.O_NONBLOCK)  # a FIFO would be waited for


def _check_rights(file: Path, status: os.stat_result, forbidden: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise PrivateFileError(f"{file} is not a regular file")
    if status.st_mode & forbidden:
        mode = stat.S_IMODE(status.st_mode)
        raise PrivateFileError(f"{file} has mode {mode:04o}: others could read or change it; chmod 600 {file}")
    if status.st_uid not in (os.geteuid(), 0):
        raise PrivateFileError(f"{file} belongs to user {status.st_uid}: it must be this daemon's or root's own")


@contextlib.contextmanager
def locked(file: Path) -> Iterator[None]:
    """Let no other process change the file meanwhile.

    Raises:
        PrivateFileError: its folder cannot be made or locked.

    """
    try:
        file.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        descriptor = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise PrivateFileError(f"{file.parent}: {error.strerror}") from None
    try:
        _lock(file.parent, descriptor)
        yield
    finally:
        os.close(descriptor)


def _lock(folder: Path, descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError as error:
        raise PrivateFileError(f"{folder} cannot be locked: {error.strerror}") from None


def write_private(file: Path, text: str, *, forbidden: int) -> None:
    """Write a file in the place of the old one, with its owner and rights; where it is locked.

    Args:
        file: its name, no link.
        text: in it, as UTF-8.
        forbidden: bits of its mode that are not kept.

    Raises:
        PrivateFileError: it cannot be written; the old one is left.

    """
    new = file.with_name(f".{file.name}.new")
    try:
        new.unlink(missing_ok=True)  # of a process that was killed
        try:
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE)
            with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
                opened.write(text)
                opened.flush()
                _like_before(file, descriptor, forbidden)
                os.fsync(descriptor)
            new.replace(file)
        except BaseException:
            new.unlink(missing_ok=True)
            raise
        _sync_folder(file.parent)
    except OSError as error:
        why = error.strerror or os.strerror(errno.EIO)
        raise PrivateFileError(f"{file} cannot be written: {why}; make room, or let this user write there") from None


def _like_before(file: Path, descriptor: int, forbidden: int) -> None:
    try:
        old = file.stat()
    except FileNotFoundError:
        return
    if (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
        os.fchown(descriptor, old.st_uid, old.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode) & ~forbidden)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
