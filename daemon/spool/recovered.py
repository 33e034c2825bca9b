"""A session as a daemon that is gone has left it: repaired, and ready to be taken up again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from amanuensis.daemon.journal import Journal, JournalLimits
from amanuensis.daemon.spool.audio_log import AudioLog, Place
from amanuensis.daemon.spool.audio_reader import AudioHistory, Item
from amanuensis.daemon.spool.clock import Clock, Stamp
from amanuensis.daemon.spool.event_log import EventLog, Step
from amanuensis.daemon.spool.event_reader import EventHistory
from amanuensis.daemon.spool.header import read_header
from amanuensis.daemon.spool.log_file import SpoolError
from amanuensis.daemon.spool.session_folder import remove_unfinished
from amanuensis.daemon.spool.session_spool import SessionSpool
from amanuensis.daemon.spool.vector_log import VectorHistory
from amanuensis.stream.speaker_state import SpeakerState


class RecoveredSession:
    """What is left of a session.

    Args:
        folder: of the session; its files are repaired.
        limits: of the journal.

    Attributes:
        header: what the session is.
        step: the newest checkpoint and where the session stood then; None before the first.

    Raises:
        SpoolError: its header is missing or wrong, or its files cannot be read or repaired.

    """

    def __init__(self, folder: Path, limits: JournalLimits) -> None:
        self.folder = folder
        self.header = read_header(folder)
        if self.header.id != folder.name:
            raise SpoolError(f"{folder}: holds session {self.header.id}; this copy cannot be taken up again")
        remove_unfinished(folder)
        self._events = EventHistory(folder, limits)
        self._audio = AudioHistory(folder, self.header.audio.frame_bytes)
        self.step: Step | None = self._events.step
        self._vectors: VectorHistory | None = None

    @property
    def journal(self) -> Journal:
        """What it has said."""
        return self._events.journal

    @property
    def repairs(self) -> list[str]:
        """What was repaired, in words."""
        return [*self._events.repairs, *self._audio.repairs]

    @property
    def ended(self) -> str:
        """Why the session is over; empty when it is not."""
        return self.step.ended if self.step else ""

    @property
    def place(self) -> Place:
        """Where it stands in what its speaker sends."""
        if self.step is not None and not self._audio.segments and not self._audio.place.index:
            return self.step.place  # its sound is gone, and all that is known of it
        return self._audio.place

    @property
    def last_seen(self) -> Stamp:
        """When it was last written to, as far as that is known."""
        latest = self.header.opened
        for stamp in (self._audio.stamp, self.step.stamp if self.step else None):
            if stamp is not None and stamp.since(latest) > 0:
                latest = stamp
        return latest

    @property
    def fed_from(self) -> int:
        """Bytes of sound before which everything has its fate."""
        return self.step.needs_from * self.header.audio.frame_bytes if self.step else 0

    def replay(self) -> Iterator[Item]:
        """Yield the sound, holes and orders that the stream has to be given again, in order."""
        return self._audio.replay(self.fed_from, self._done)

    @property
    def _done(self) -> int:
        """Index of the first record whose order was not carried out."""
        return self.step.place.index if self.step else 0

    def voices(self, state: SpeakerState) -> VectorHistory:
        """Return what is left of the vectors that belong to a state; they are kept on then. It never fails."""
        try:
            self._vectors = VectorHistory.read(self.folder, state)
        except (SpoolError, OSError) as error:
            return VectorHistory(why=str(error))
        return self._vectors

    def reopen(self, charge: Callable[[int], None], clock: Clock, journal: Journal | None = None) -> SessionSpool:
        """Open its logs for appending.

        Args:
            charge: told of bytes that are added or taken away.
            clock: for stamps.
            journal: of a session that has gone on since; None: that which was found.

        Raises:
            SpoolError: they cannot be.

        """
        header, recorded = self.header, self.header.recorded
        audio = AudioLog(
            self.folder,
            header.audio,
            self.place,
            charge=charge,
            clock=clock,
            durable=recorded,
            closed=self._audio.segments,
            tail=self._audio.tail,
            number=self._audio.next_number,
        )
        try:
            events = EventLog(
                self.folder,
                self.journal.base,
                charge=charge,
                durable=recorded,
                keep_all=recorded,
                closed=self._events.segments,
                number=self._events.next_number,
            )
        except BaseException:
            audio.close()
            raise
        spool = SessionSpool(
            self.folder,
            header,
            self.journal if journal is None else journal,
            audio,
            events,
            charge=charge,
            clock=clock,
            last=self.step,
            vectors=self._vectors,
        )
        if not self.ended:
            spool.carried_out(self._done)
        return spool
