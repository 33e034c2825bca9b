"""The recordings of meetings and their index, kept in step: what was recorded is found, however it ended."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from amanuensis.daemon.config import Config
from amanuensis.daemon.meetings.model import OVER, Meeting, Track, TrackState
from amanuensis.daemon.meetings.recording import Recording, read_recording
from amanuensis.daemon.meetings.store import Store
from amanuensis.daemon.spool.flac import FlacError, settle
from amanuensis.daemon.spool.header import SessionHeader, read_header
from amanuensis.daemon.spool.log_file import SpoolError
from amanuensis.daemon.spool.session_folder import remove_session, session_bytes
from amanuensis.daemon.spool.spool_folder import LOCK, OPEN

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Library:
    """Where meetings are.

    Attributes:
        recordings: the folder of recorded sessions.
        index: the file of the index.

    """

    recordings: Path
    index: Path

    @classmethod
    def of(cls, config: Config, env: Mapping[str, str]) -> Library:
        """Return where the settings put it."""
        return cls(config.recording.place(env), config.meetings.place(env))

    def open(self) -> Store:
        """Open the index.

        Raises:
            amanuensis.daemon.meetings.model.MeetingError: it cannot be used.

        """
        return Store(self.index)

    def folder(self, session: str) -> Path | None:
        """Return the folder of a recorded session; it moves when the recording is finished."""
        going_on = self.recordings / OPEN / session
        if going_on.is_dir():
            return going_on
        return next((path for path in self.recordings.glob(f"*Z-{session}") if path.is_dir()), None)

    def catch_up(self, store: Store, is_live: Callable[[str], bool]) -> None:
        """Take into the index what was recorded and is not there yet.

        Args:
            store: the index.
            is_live: whether a session still goes on.

        """
        known, removed = store.states(), store.removed()
        for session, folder in self._sessions():
            if session in removed:
                self._remove_sound(folder)
            elif known.get(session) not in OVER and not is_live(session):
                try:
                    self.take(store, folder)
                except SpoolError as error:
                    log.warning("meetings: %s is left out: %s", folder, error)
            elif known.get(session) == "stopped":
                self._settle(folder)

    def take(self, store: Store, folder: Path) -> None:
        """Take what a recorded session holds into the index, if it is of a meeting.

        Raises:
            SpoolError: it cannot be read.

        """
        header = read_header(folder)
        if header.meeting is None:
            return
        found = read_recording(folder)
        state = _state(found, is_open=folder.parent.name == OPEN)
        begin(store, header, "interrupted", found.duration_ms)
        store.fill(header.id, found.utterances(), found.remarks, found.holes)
        begin(store, header, state, found.duration_ms)

    def _settle(self, folder: Path) -> None:
        """Have the last of a recording that was stopped as files that can be played, once there is room for it."""
        try:
            settle(folder, read_header(folder).audio)
        except (FlacError, SpoolError, OSError) as error:
            log.debug("meetings: %s: the last of it stays raw: %s", folder, error)

    def sound_bytes(self, meeting: Meeting) -> int:
        """Return what the recordings of a meeting take."""
        folders = (self.folder(track.session) for track in meeting.tracks)
        return sum(session_bytes(folder) for folder in folders if folder is not None)

    def remove(self, store: Store, name: str) -> Meeting:
        """Remove a meeting for good: its text now, its sound as soon as no daemon has it open.

        Raises:
            amanuensis.daemon.meetings.model.MeetingError: there is none.

        """
        meeting = store.find(name)
        for track in meeting.tracks:
            if (folder := self.folder(track.session)) is not None:
                self._remove_sound(folder)
        return store.remove(meeting.id)

    def _remove_sound(self, folder: Path) -> None:
        if folder.parent.name != OPEN or not self.is_in_use:
            remove_session(folder, lambda _: None)

    @property
    def is_in_use(self) -> bool:
        """Whether a daemon records just now, so that sessions without an end may still go on."""
        try:
            descriptor = os.open(self.recordings / LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def is_open(self, session: str) -> bool:
        """Whether a recording is not finished."""
        return (self.recordings / OPEN / session).is_dir()

    def is_going_on(self, session: str) -> bool:
        """Whether a session may still go on in a daemon that records."""
        return self.is_open(session) and self.is_in_use

    def _sessions(self) -> Iterator[tuple[str, Path]]:
        for path in sorted((self.recordings / OPEN).glob("*")):
            if path.is_dir():
                yield path.name, path
        for path in sorted(self.recordings.glob("*Z-*")):
            if path.is_dir():
                yield path.name.partition("Z-")[2], path


def _state(found: Recording, *, is_open: bool) -> TrackState:
    """Return the state of a recorded session in which nothing goes on."""
    if not found.ended:
        return "interrupted" if is_open else "stopped"
    return "repaired" if found.repaired else "finished"


def begin(store: Store, header: SessionHeader, state: TrackState, duration_ms: float = 0.0) -> None:
    """Have a recorded session in the index, with what is known before it is over."""
    label = header.meeting
    assert label is not None
    meeting = label.id or header.id
    opened_s = header.opened.wall_s - (label.at or 0.0) / 1000
    begun = store.opened_s(meeting)
    offset_ms = label.at if label.at is not None else 1000 * max(0.0, header.opened.wall_s - (begun or opened_s))
    rate, model = header.audio.rate, header.model
    track = Track(header.id, label.track, offset_ms, duration_ms, rate, model, state)
    store.begin(meeting, label.title, opened_s, track)
