"""What a session has said: steps, each the durable events of one moment and the checkpoint after them, in one record.

A step is written before any of its events is told. Segments hold about a MiB; a closed one loses its checkpoints, of
which only the newest is of use, and goes once the journal has forgotten all of its events.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from amanuensis.daemon.journal import Entry, Journal, JournalBase
from amanuensis.daemon.spool.audio_log import Place
from amanuensis.daemon.spool.clock import Stamp
from amanuensis.daemon.spool.event_maps import event_map
from amanuensis.daemon.spool.log_file import (
    UNFINISHED,
    LogFile,
    SpoolError,
    explained,
    reading,
    sync_folder,
    sync_in_turn,
)
from amanuensis.daemon.spool.records import Record

SEGMENT_BYTES: Final = 2**20
PREFIX: Final = "events-"
SUFFIX: Final = ".log"
FORMAT_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Step:
    """Durable events, and where the stream stood after them.

    Attributes:
        entries: numbered; none when only the checkpoint moves on.
        checkpoint: of the stream, as a plain map.
        needs_from: source samples of each channel before which no audio is needed any more.
        place: of the audio log.
        stamp: when.
        ended: why the session is over; empty while it goes on.

    """

    entries: Sequence[Entry]
    checkpoint: Mapping[str, Any]
    needs_from: int
    place: Place
    stamp: Stamp
    ended: str = ""

    def record(self) -> Record:
        """Return it as it is written."""
        ended = {"end": self.ended} if self.ended else {}
        return {
            "k": "step",
            "e": [event_map(entry.event, entry.seq or 0) for entry in self.entries],
            "c": self.checkpoint,
            "f": self.needs_from,
            "p": self.place.to_plain(),
            "at": self.stamp.to_plain(),
            **ended,
        }


@dataclass(frozen=True, slots=True)
class EventSegment:
    """A segment: what was before its first event, and its bytes on the disk."""

    path: Path
    base: JournalBase
    size: int


class EventLog:
    """The event log of one session, open for appending.

    Args:
        folder: of the session.
        base: what was said before.
        charge: told of bytes that are added or taken away; see `LogFile`.
        durable: `sync` is called from time to time.
        keep_all: for recordings: no event is ever forgotten.
        closed: segments that are there already, oldest first.
        number: of the first segment that is made.

    """

    def __init__(
        self,
        folder: Path,
        base: JournalBase,
        *,
        charge: Callable[[int], None],
        durable: bool = False,
        keep_all: bool = False,
        closed: Sequence[EventSegment] = (),
        number: int = 0,
    ) -> None:
        self._folder = folder
        self._charge = charge
        self._durable = durable
        self._keep_all = keep_all
        self._closed = list(closed)
        self._number = number
        self._unsynced: list[LogFile] = []  # closed segments; `sync` lets go of them
        self._stripped: list[Path] = []  # rewritten segments; `sync` puts them in their places
        self._new_names = True
        self._open = self._new_segment(base)
        self._has_step = False

    def append(self, step: Step, journal: Journal) -> None:
        """Append a step; `journal` has its events already.

        Raises:
            SpoolError: it could not be written.

        """
        self._open.append(step.record())
        if not self._has_step:
            self._has_step = True
            self._tidy(journal)
        if self._open.size >= SEGMENT_BYTES:
            self._rotate(journal.base)

    def sync(self) -> None:
        """Wait until everything is on the disk; may be called from another thread.

        Raises:
            SpoolError: the disk did not take it.

        """
        sync_in_turn(self._unsynced, self._open)
        for path in list(self._stripped):
            _sync_file(path)
            _put_in_place(path)
            self._stripped.remove(path)
            self._new_names = True
        if self._new_names:
            self._new_names = False
            sync_folder(self._folder)

    def close(self) -> None:
        """Let go of the files."""
        for file in (*self._unsynced, self._open):
            file.close()
        self._unsynced.clear()

    def _rotate(self, base: JournalBase) -> None:
        old, old_base = self._open, self._base
        self._open = self._new_segment(base)
        self._closed.append(EventSegment(old.path, old_base, old.size))
        self._has_step = False
        self._new_names = True
        if self._durable:
            self._unsynced.append(old)
        else:
            old.close()

    def _tidy(self, journal: Journal) -> None:
        """Once the open segment has a checkpoint: strip the segment before of its own, drop what is forgotten."""
        if self._closed:
            self._strip(len(self._closed) - 1)
        needed = journal.oldest_needed
        while not self._keep_all and self._closed:
            after = self._closed[1].base if len(self._closed) > 1 else self._base
            if after.seq > needed.seq or after.words > needed.words:
                return
            gone = self._closed.pop(0)
            self._remove(gone.path, gone.size)

    def _strip(self, index: int) -> None:
        """Rewrite a closed segment without its checkpoints; where there is no room it stays as it is."""
        old = self._closed[index]
        path = old.path.with_name(old.path.name + UNFINISHED)
        path.unlink(missing_ok=True)
        try:
            size = self._copy_events(old.path, path)
        except SpoolError:
            self._remove(path, 0)
            return
        self._charge(-old.size)
        self._closed[index] = replace(old, size=size)
        if self._durable:
            self._stripped.append(path)
        else:
            _put_in_place(path)

    def _copy_events(self, source: Path, target: Path) -> int:
        copy = LogFile(target, self._charge)
        try:
            with reading(source) as reader:
                for record in reader:
                    if record.get("k") != "step":
                        copy.append(record)
                    elif record["e"]:
                        copy.append({"k": "said", "e": record["e"], "at": record["at"]})
        except SpoolError:
            self._charge(-copy.size)
            raise
        finally:
            copy.close()
        return copy.size

    def _remove(self, path: Path, size: int) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise explained(path, error) from None
        self._charge(-size)

    def _new_segment(self, base: JournalBase) -> LogFile:
        file = LogFile(self._folder / f"{PREFIX}{self._number:08d}{SUFFIX}", self._charge)
        next_index = [list(item) for item in base.next_index.items()]
        try:
            file.append({"k": "events", "v": FORMAT_VERSION, "seq": base.seq, "words": base.words, "next": next_index})
        except BaseException:
            file.close()
            file.path.unlink(missing_ok=True)
            raise
        self._base = base
        self._number += 1
        return file


def forget_checkpoints(folder: Path, charge: Callable[[int], None]) -> None:
    """Rewrite the log of a session that is over without its checkpoints: they hold what voices are known by.

    Raises:
        SpoolError: the disk did not take it; the log is as it was.

    """
    for path in filter(_has_checkpoint, folder.glob(f"{PREFIX}*{SUFFIX}")):
        target = path.with_name(path.name + UNFINISHED)
        target.unlink(missing_ok=True)
        copy = LogFile(target)  # not charged for: it is smaller than what it takes the place of
        try:
            with reading(path) as reader:
                for record in reader:
                    copy.append({**record, "c": {}} if record.get("k") == "step" else record)
            copy.sync()
        except SpoolError:
            target.unlink(missing_ok=True)
            raise
        finally:
            copy.close()
        charge(copy.size - path.stat().st_size)
        _put_in_place(target)


def _has_checkpoint(path: Path) -> bool:
    with reading(path) as reader:
        return any(record.get("c") for record in reader)


def _put_in_place(path: Path) -> None:
    try:
        path.replace(path.with_name(path.name.removesuffix(UNFINISHED)))
    except OSError as error:
        raise explained(path, error) from None


def _sync_file(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise explained(path, error) from None
