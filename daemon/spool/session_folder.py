"""The folder of one session: made, measured, removed, and kept among the recordings when it was one."""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from amanuensis.daemon.spool.header import SessionHeader
from amanuensis.daemon.spool.log_file import (
    FILE_MODE,
    FOLDER_MODE,
    UNFINISHED,
    SpoolError,
    explained,
    sync_folder,
)

log = logging.getLogger(__name__)

LOGS: Final = ("audio-[0-9]*.log", "events-[0-9]*.log")
VECTORS: Final = "voices-[0-9]*.log"  # never copied, nor kept longer than the session goes on
OURS: Final = ("session.log*", *(f"{pattern}*" for pattern in LOGS), VECTORS, "sound-[0-9]*.flac*", "sound-[0-9]*.wav*")


def make_session(folder: Path, header: SessionHeader, charge: Callable[[int], None]) -> None:
    """Make the folder of a session, with its header.

    Raises:
        SpoolError: it cannot be made; nothing is left of it.

    """
    try:
        folder.mkdir(FOLDER_MODE)
    except OSError as error:
        raise explained(folder, error) from None
    try:
        header.write(folder)
        if header.recorded:
            sync_folder(folder.parent)
        charge(session_bytes(folder))
    except SpoolError:
        remove_session(folder, lambda _: None)
        raise


def session_bytes(folder: Path) -> int:
    """Return the bytes of a session's files."""
    total = 0
    for path in _files(folder):
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


def copy_logs(source: Path, target: Path, charge: Callable[[int], None]) -> None:
    """Copy the audio and event logs of a session.

    Raises:
        SpoolError: there is no room, or they cannot be read or written.

    """
    for path in (path for pattern in LOGS for path in source.glob(pattern)):
        try:
            charge(path.stat().st_size)
            shutil.copyfile(path, target / path.name)
            (target / path.name).chmod(FILE_MODE)
        except OSError as error:
            raise explained(path, error) from None


def remove_session(folder: Path, charge: Callable[[int], None]) -> None:
    """Remove a session's files, and its folder unless something else lies there; what cannot be removed is logged."""
    try:
        for path in _files(folder):
            size = path.stat().st_size
            path.unlink()
            charge(-size)
        folder.rmdir()
    except OSError as error:
        log.warning("%s", explained(folder, error))


def remove_unfinished(folder: Path) -> None:
    """Remove files that were about to take the place of others when the process died."""
    for path in _files(folder):
        if path.name.endswith(UNFINISHED):
            path.unlink(missing_ok=True)


def finish_recording(folder: Path, header: SessionHeader) -> Path:
    """Move a recording from those that go on to those that are finished; return where it lies then.

    Raises:
        SpoolError: it cannot be moved.

    """
    for path in folder.glob(VECTORS):
        path.unlink(missing_ok=True)
    opened = datetime.fromtimestamp(header.opened.wall_s, UTC)
    target = folder.parent.parent / f"{opened:%Y-%m-%dT%H-%M-%SZ}-{header.id}"
    try:
        folder.rename(target)
    except OSError as error:
        raise explained(folder, error) from None
    sync_folder(target.parent)
    return target


def _files(folder: Path) -> list[Path]:
    return [path for pattern in OURS for path in folder.glob(pattern)]
