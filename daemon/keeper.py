"""Where the sessions of a daemon are kept: the spool, and the folder of recordings."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from amanuensis.daemon.config import Config
from amanuensis.daemon.connection import BAD_HELLO
from amanuensis.daemon.guarded_store import GuardedStore, not_kept
from amanuensis.daemon.journal import Journal
from amanuensis.daemon.protocol import Hello, ProtocolError
from amanuensis.daemon.session_store import MemoryStore, SessionStore
from amanuensis.daemon.spool.clock import Clock, machine_clock
from amanuensis.daemon.spool.header import SessionHeader
from amanuensis.daemon.spool.log_file import SpoolError
from amanuensis.daemon.spool.places import RecordingMode
from amanuensis.daemon.spool.recovered import RecoveredSession
from amanuensis.daemon.spool.session_spool import SessionSpool
from amanuensis.daemon.spool.spool_folder import OPEN, SpoolFolder
from amanuensis.stream.events import Warning  # noqa: A004 - the name on the wire

log = logging.getLogger(__name__)


class Keeper:
    """Makes the spools of new sessions, and finds those that another process has left.

    Args:
        spool: None: sessions that are not recorded live as long as the daemon.
        recordings: None: nothing is recorded.
        mode: which sessions are.
        clock: for stamps.

    """

    def __init__(
        self,
        spool: SpoolFolder | None = None,
        recordings: SpoolFolder | None = None,
        mode: RecordingMode = "off",
        clock: Clock = machine_clock,
    ) -> None:
        self.spool = spool
        self.recordings = recordings
        self.clock = clock
        self._mode: RecordingMode = mode

    @classmethod
    def open(cls, config: Config, env: Mapping[str, str]) -> Keeper:
        """Open the folders that the configuration names.

        A spool in its default place that cannot be had is done without, with a line in the log.

        Raises:
            SpoolError: a folder that was named, or that of recordings, cannot be used.

        """
        mode, place = config.recording.mode, config.recording.place(env)
        recordings = None
        if mode != "off" or _has_sessions(place):  # those that another process has left are finished in any case
            recordings = SpoolFolder(place, "recording.max_bytes", config.recording.max_bytes)
        try:
            return cls(_open_spool(config, env), recordings, mode)
        except SpoolError:
            if recordings is not None:
                recordings.close()
            raise

    @property
    def records(self) -> bool:
        """Whether sessions that ask for it are recorded."""
        return self._mode != "off"

    def is_recorded(self, hello: Hello) -> bool:
        """Whether a session is to be recorded.

        Raises:
            ProtocolError: it asks for it, and nothing is recorded here (`bad_hello`, close 4400).

        """
        if hello.record and not self.records:
            message = "hello: record is true, and this server does not record (recording.mode is 'off'); leave it out"
            raise ProtocolError("bad_hello", message, BAD_HELLO)
        return self._mode == "all" or hello.record

    def keep(self, header: SessionHeader, journal: Journal, tell: Callable[[Warning], None]) -> SessionStore:
        """Begin to keep a session as well as can be; what cannot be is told.

        Args:
            header: of the session.
            journal: of the session.
            tell: takes a warning.

        """
        folder = self.recordings if header.recorded else self.spool
        if folder is None:
            return MemoryStore()
        try:
            return GuardedStore(folder.create(header, journal), tell, self._move)
        except SpoolError as error:
            log.error("session %s: %s", header.id, error)
            tell(not_kept(header, error))
            return self.keep(replace(header, recorded=False), journal, tell) if header.recorded else MemoryStore()

    def take_up(self, folder: SpoolFolder, found: RecoveredSession, tell: Callable[[Warning], None]) -> SessionStore:
        """Go on keeping a session that was found.

        Raises:
            SpoolError: its logs cannot be opened.

        """
        return GuardedStore(folder.reopen(found), tell, self._move)

    def _move(self, recording: SessionSpool) -> SessionSpool | None:
        """Have the spool keep what was recorded until its disk failed."""
        if self.spool is None:
            return None
        try:
            return self.spool.adopt(recording)
        except SpoolError as error:
            log.error("session %s: it would not survive the end of the daemon: %s", recording.header.id, error)
            return None

    @property
    def folders(self) -> list[SpoolFolder]:
        """The folders in which sessions are."""
        return [folder for folder in (self.spool, self.recordings) if folder is not None]

    def close(self) -> None:
        """Let another daemon have the folders."""
        for folder in self.folders:
            folder.close()


def _open_spool(config: Config, env: Mapping[str, str]) -> SpoolFolder | None:
    if not config.spool.enabled:
        return None
    try:
        return SpoolFolder(config.spool.place(env), "spool.max_bytes", config.spool.max_bytes)
    except SpoolError as error:
        if config.spool.folder is not None:
            raise
        log.warning("sessions will not survive this daemon: %s", error)
        return None


def _has_sessions(place: Path) -> bool:
    return (place / OPEN).is_dir() and any((place / OPEN).iterdir())
