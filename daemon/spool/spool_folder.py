"""The folder of all sessions of a daemon: locked against another daemon, bounded, and searched when it starts."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Final

from amanuensis.daemon.journal import Journal, JournalLimits
from amanuensis.daemon.spool.audio_log import AudioLog, Place
from amanuensis.daemon.spool.budget import Budget
from amanuensis.daemon.spool.clock import Clock, machine_clock
from amanuensis.daemon.spool.event_log import EventLog
from amanuensis.daemon.spool.header import NAME, SessionHeader
from amanuensis.daemon.spool.log_file import FILE_MODE, FOLDER_MODE, SpoolError, explained
from amanuensis.daemon.spool.recovered import RecoveredSession
from amanuensis.daemon.spool.session_folder import copy_logs, make_session, remove_session
from amanuensis.daemon.spool.session_spool import SessionSpool

log = logging.getLogger(__name__)

LOCK: Final = "lock"
OPEN: Final = "open"  # folder of the sessions that go on; beside it a recording is put when it is finished
SESSION_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
DAMAGED: Final = ".damaged"


class SpoolBusyError(SpoolError):
    """Another daemon uses the folder."""


class SpoolFolder:
    """Sessions on a disk.

    Args:
        path: made with mode 0700 when it does not exist.
        key: the setting of its size, such as `spool.max_bytes`, for messages.
        max_bytes: of everything in it.
        clock: for stamps.

    Attributes:
        budget: what they hold.

    Raises:
        SpoolBusyError: another daemon uses it.
        SpoolError: it cannot be used.

    """

    def __init__(self, path: Path, key: str, max_bytes: int, clock: Clock = machine_clock) -> None:
        self.path = path
        self.budget = Budget(path, key, max_bytes)
        self._clock = clock
        self._open_folder = path / OPEN
        try:
            path.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
            self._lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
        except OSError as error:
            raise explained(path, error) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._open_folder.mkdir(FOLDER_MODE, exist_ok=True)
        except BlockingIOError:
            self.close()
            raise SpoolBusyError(f"{path}: another daemon keeps its sessions there; give each its own folder") from None
        except OSError as error:
            self.close()
            raise explained(path, error) from None
        self.budget.measure()

    def create(self, header: SessionHeader, journal: Journal) -> SessionSpool:
        """Begin to keep a session.

        Raises:
            SpoolError: there is no room, or the disk does not take it.

        """
        folder, charge, recorded = self._open_folder / header.id, self.budget.charge, header.recorded
        make_session(folder, header, charge)
        try:
            audio = AudioLog(folder, header.audio, Place(), charge=charge, clock=self._clock, durable=recorded)
            events = EventLog(folder, journal.base, charge=charge, durable=recorded, keep_all=recorded)
        except SpoolError:
            remove_session(folder, charge)
            raise
        return SessionSpool(folder, header, journal, audio, events, charge=charge, clock=self._clock)

    def recover(self, limits: JournalLimits) -> list[RecoveredSession]:
        """Repair and return the sessions that another process has left; what is no session stays where it is."""
        found = []
        for folder in self.left():
            try:
                found.append(RecoveredSession(folder, limits))
            except SpoolError as error:
                log.warning("%s", error)
                self.set_aside(folder)
        self.budget.measure()
        return sorted(found, key=lambda session: session.header.opened.wall_s)

    def adopt(self, recording: SessionSpool) -> SessionSpool:
        """Go on keeping a session whose recording was closed: what it needs is copied here.

        Raises:
            SpoolError: there is no room, or a disk does not do its work.

        """
        folder, charge, journal = self._open_folder / recording.header.id, self.budget.charge, recording.journal
        make_session(folder, replace(recording.header, recorded=False), charge)
        try:
            copy_logs(recording.folder, folder, charge)
            spool = RecoveredSession(folder, journal.limits).reopen(charge, self._clock, journal)
        except SpoolError:
            remove_session(folder, charge)
            raise
        spool.carried_out(recording.undone)
        return spool

    def reopen(self, session: RecoveredSession) -> SessionSpool:
        """Go on keeping a session.

        Raises:
            SpoolError: its logs cannot be opened.

        """
        return session.reopen(self.budget.charge, self._clock)

    def set_aside(self, folder: Path) -> None:
        """Leave a session that cannot be taken up again to the operator."""
        with contextlib.suppress(OSError):
            folder.rename(folder.with_name(folder.name + DAMAGED))

    def close(self) -> None:
        """Let another daemon have the folder."""
        os.close(self._lock)

    def left(self) -> list[Path]:
        """Return the folders of sessions; one that has not even a header holds nothing, and is removed."""
        try:
            paths = sorted(self._open_folder.iterdir())
        except OSError as error:
            raise explained(self._open_folder, error) from None
        folders = []
        for path in paths:
            if path.is_symlink() or not path.is_dir() or not SESSION_NAME.fullmatch(path.name):
                continue
            if (path / NAME).exists():
                folders.append(path)
            else:
                remove_session(path, self.budget.charge)
        return folders
