"""One session on its way through the logs: written before it is told, dropped once nobody needs it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from amanuensis.daemon.cursor import Chunk
from amanuensis.daemon.journal import Entry, Journal
from amanuensis.daemon.protocol import Configure, End, Flush, Mark, Note
from amanuensis.daemon.session_store import Order
from amanuensis.daemon.spool.audio_log import AudioLog, Segment
from amanuensis.daemon.spool.clock import Clock
from amanuensis.daemon.spool.event_log import EventLog, Step, forget_checkpoints
from amanuensis.daemon.spool.flac import FlacError, convert, settle
from amanuensis.daemon.spool.header import SessionHeader
from amanuensis.daemon.spool.log_file import SpoolError
from amanuensis.daemon.spool.session_folder import finish_recording, remove_session
from amanuensis.daemon.spool.vector_log import VectorHistory, VectorLog
from amanuensis.stream.session import StreamSession

log = logging.getLogger(__name__)

CHECKPOINT_S: Final = 5.0  # so much sound without an event gets a checkpoint all the same
KINDS: Final[dict[type[Order], str]] = {Flush: "flush", Mark: "mark", Note: "note", Configure: "config", End: "end"}


class SessionSpool:
    """Keeps one session in a folder of its own.

    For a session that is recorded, `sync` is called from another thread at least once a second: it waits for the disk
    and turns closed segments into FLAC. What one method wrote is whole or not there; after a SpoolError `abandon` it.

    Args:
        folder: of the session.
        header: written there.
        journal: of the session, which numbers the events before they come here.
        audio: open for appending.
        events: open for appending.
        charge: told of bytes that are added or taken away.
        clock: for stamps.
        last: the newest step, where there is one.
        vectors: of voices, that were found with it.

    Attributes:
        undone: index of the oldest record whose order may not be carried out yet; None: all are.

    """

    survives = True

    def __init__(
        self,
        folder: Path,
        header: SessionHeader,
        journal: Journal,
        audio: AudioLog,
        events: EventLog,
        *,
        charge: Callable[[int], None],
        clock: Clock,
        last: Step | None = None,
        vectors: VectorHistory | None = None,
    ) -> None:
        self.folder = folder
        self.header = header
        self.journal = journal
        self._audio = audio
        self._events = events
        self._charge = charge
        self._clock = clock
        self._last = last
        self._vectors = VectorLog(folder, charge, vectors)
        self._position_at_step = last.place.position if last else 0
        self._synced_chunk = audio.place.next_chunk - 1
        self._synced_from = last.needs_from if last else 0  # source samples
        self._converted: set[Path] = set()
        self._stays_raw: set[Path] = set()
        self.undone: int | None = None
        self._closed = False
        self._disk = threading.Lock()  # files are not closed while another thread syncs them

    @property
    def newest_kept(self) -> int | None:
        """Number of the newest chunk that may be acknowledged; None: of the newest one that was taken."""
        return self._synced_chunk if self.header.recorded else None

    @property
    def wants_step(self) -> bool:
        """Whether so much sound has come since the last step that a checkpoint alone is worth one."""
        fmt = self.header.audio
        return self._audio.place.position - self._position_at_step >= CHECKPOINT_S * fmt.bytes_per_s

    def append_audio(self, chunk: Chunk) -> None:
        """Keep sound before it is acknowledged."""
        self._audio.append_audio(chunk.n, chunk.missing_bytes, chunk.data)

    def append_skip(self, n_samples: int, why: str, controls: int | None = None) -> None:
        """Keep that so many samples of each channel were lost."""
        self._audio.append_skip(n_samples * self.header.audio.frame_bytes, why, controls)

    def append_order(self, order: Order, controls: int) -> None:
        """Keep an order before it is carried out."""
        if isinstance(order, End) and self.undone is None:
            self.undone = self._audio.place.index  # the stream ends once it has heard everything
        content = {name: value for name, value in asdict(order).items() if value is not None and name != "want"}
        self._audio.append_order(KINDS[type(order)], content, controls)

    def carried_out(self, index: int | None) -> None:
        """Take note that the orders before record `index` are done again; None: all."""
        self.undone = index

    def append_step(self, entries: Sequence[Entry], stream: StreamSession) -> None:
        """Keep durable events before they are told, with the state of the stream after them."""
        checkpoint = stream.checkpoint()
        if stream.speakers is not None:
            self._vectors.keep(stream.speakers)  # before the checkpoint that belongs to them
        place, stamp = self._audio.place, self._clock()
        done = place if self.undone is None else replace(place, index=self.undone)
        self._write(Step(entries, checkpoint.to_plain(), checkpoint.needs_from, done, stamp))
        self._position_at_step = place.position
        self._drop_audio()

    def sync(self) -> None:
        """Wait until what was written before is on the disk, as FLAC where a segment is closed; from another thread.

        Raises:
            SpoolError: the disk did not take it.

        """
        with self._disk:
            if self._closed:
                return
            place, last = self._audio.place, self._last
            self._audio.sync()
            self._events.sync()
            self._synced_chunk = place.next_chunk - 1
            self._synced_from = last.needs_from if last else 0
            for segment in list(self._audio.closed):
                if segment.path not in self._converted | self._stays_raw:
                    self._convert(segment)

    def tidy(self) -> None:
        """Drop the raw sound that is needed no more; after `sync`."""
        if not self._closed:
            self._drop_audio()

    def suspend(self) -> None:
        """Let go of the session, which goes on in another process.

        Raises:
            SpoolError: the disk did not take the last of it.

        """
        try:
            if self.header.recorded:
                self.sync()
        finally:
            self.close()

    def abandon(self) -> None:
        """Let go of a session that can be kept no more: a recording is finished as it is, a spool is removed."""
        self.close()
        self._vectors.remove()
        if not self.header.recorded:
            remove_session(self.folder, self._charge)
            return
        try:
            self._charge(settle(self.folder, self.header.audio))
        except (FlacError, SpoolError) as error:
            log.warning("session %s: the last of its sound stays raw for now: %s", self.header.id, error)
        try:
            forget_checkpoints(self.folder, self._charge)
        except SpoolError as error:
            log.warning("session %s: vectors of its voices stay in its recording: %s", self.header.id, error)
        try:
            finish_recording(self.folder, self.header)
        except SpoolError as error:
            log.error("session %s: %s", self.header.id, error)

    def end(self, reason: str, stream: StreamSession) -> None:
        """Take note that the session is over and everything has been told; the sound is needed no more."""
        self._vectors.remove()
        self.undone = None
        place, stamp = self._audio.place, self._clock()
        received = -(-place.position // self.header.audio.frame_bytes)  # a cut sample ends with it
        try:
            checkpoint = stream.checkpoint().to_plain()
        except Exception:  # a fault of the stream is why it ended
            log.exception("session %s: its last state cannot be kept", self.header.id)
            checkpoint = {}
        self._write(Step((), checkpoint, received, place, stamp, ended=reason))
        self._audio.close_segment()
        self._drop_audio()

    def forget(self) -> None:
        """Remove a session that is over; a recording is put among those that are finished.

        Raises:
            SpoolError: the disk did not take the last of it, or the folder cannot be moved.

        """
        if self.header.recorded:
            self.sync()
            self._audio.drop_before(self._audio.place.position, unless=self._is_raw)
            self.close()
            self._audio.remove_empty()
            forget_checkpoints(self.folder, self._charge)
            finish_recording(self.folder, self.header)
        else:
            self.close()
            remove_session(self.folder, self._charge)

    def close(self) -> None:
        """Let go of the files."""
        with self._disk:
            if not self._closed:
                self._closed = True
                self._audio.close()
                self._events.close()
                self._vectors.close()

    def _write(self, step: Step) -> None:
        self._events.append(step, self.journal)
        self._last = replace(step, entries=())

    def _drop_audio(self) -> None:
        if self.undone is not None:  # the orders stand among the sound
            return
        frame_bytes = self.header.audio.frame_bytes
        if not self.header.recorded:
            self._audio.drop_before(self._last.needs_from * frame_bytes if self._last else 0)
        else:
            self._audio.drop_before(self._synced_from * frame_bytes, unless=self._is_raw)

    def _is_raw(self, segment: Segment) -> bool:
        return segment.path not in self._converted

    def _convert(self, segment: Segment) -> None:
        try:
            self._charge(convert(segment.path, self.header.audio))
        except FlacError as error:
            log.warning("session %s: %s stays raw: %s", self.header.id, segment.path.name, error)
            self._stays_raw.add(segment.path)
        else:
            self._converted.add(segment.path)
