"""The folder of a session that comes from the store: laid down here, or removed because another front has it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from amanuensis.daemon.fronts.vault import FILE_NAME
from amanuensis.daemon.journal import JournalLimits
from amanuensis.daemon.keeper import Keeper
from amanuensis.daemon.spool.header import NAME, read_header
from amanuensis.daemon.spool.log_file import FILE_MODE, FOLDER_MODE, SpoolError, explained
from amanuensis.daemon.spool.recovered import RecoveredSession
from amanuensis.daemon.spool.session_folder import remove_session
from amanuensis.daemon.spool.spool_folder import OPEN, SpoolFolder

log = logging.getLogger(__name__)


def lay_down(keeper: Keeper, session: str, files: Mapping[str, bytes]) -> tuple[SpoolFolder, Path]:
    """Write the files of a session where this front keeps such sessions; what was there of it is replaced.

    The sound of a recording that lies there as FLAC is left. Where nothing is recorded the session goes on unrecorded.

    Raises:
        SpoolError: there is no room, or the disk does not take it.

    """
    for folder in keeper.folders:
        path = folder.path / OPEN / session
        if path.is_dir():
            _remove_logs(folder, path)
    spool = _spool_of(keeper)
    path = spool.path / OPEN / session
    _write(spool, path, files)
    header = read_header(path)
    if header.recorded and keeper.recordings is not None:
        remove_session(path, spool.budget.charge)
        spool = keeper.recordings
        path = spool.path / OPEN / session
        _write(spool, path, files)
    elif header.recorded:
        (path / NAME).unlink()
        replace(header, recorded=False).write(path)
    return spool, path


def discard(folder: SpoolFolder, path: Path, limits: JournalLimits) -> None:
    """Remove a session that another front has; the part of a recording that lies here is kept among the finished."""
    charge = folder.budget.charge
    try:
        if read_header(path).recorded:
            RecoveredSession(path, limits).reopen(charge, lambda: read_header(path).opened).abandon()
            return
    except SpoolError as error:
        log.warning("%s", error)
    remove_session(path, charge)


def _spool_of(keeper: Keeper) -> SpoolFolder:
    if keeper.spool is None:
        raise SpoolError("there is no spool: a session of another front cannot be taken up (spool.enabled)")
    return keeper.spool


def _write(folder: SpoolFolder, path: Path, files: Mapping[str, bytes]) -> None:
    folder.budget.charge(sum(map(len, files.values())))
    try:
        path.mkdir(FOLDER_MODE, exist_ok=True)
        for name in sorted(files, key=lambda name: name == NAME):  # without a header it is no session yet
            (path / name).write_bytes(files[name])
            (path / name).chmod(FILE_MODE)
    except OSError as error:
        raise explained(path, error) from None


def _remove_logs(folder: SpoolFolder, path: Path) -> None:
    try:
        for file in sorted(path.iterdir(), key=lambda file: file.name != NAME):
            if FILE_NAME.fullmatch(file.name):
                folder.budget.charge(-file.stat().st_size)
                file.unlink()
    except OSError as error:
        raise explained(path, error) from None
