"""Reading an event log after a restart: repaired, then the journal and the newest checkpoint in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from amanuensis.daemon.journal import Journal, JournalBase, JournalLimits
from amanuensis.daemon.spool.audio_log import Place
from amanuensis.daemon.spool.clock import Stamp
from amanuensis.daemon.spool.event_log import FORMAT_VERSION, PREFIX, SUFFIX, EventSegment, Step
from amanuensis.daemon.spool.event_maps import read_event
from amanuensis.daemon.spool.log_file import reading, repair
from amanuensis.daemon.spool.records import Record, RecordReader


class EventHistory:
    """What is left of an event log, repaired.

    Args:
        folder: of the session.
        limits: of the journal.

    Attributes:
        journal: the events and words.
        step: the newest one; its entries are in the journal. None where no checkpoint is left.
        segments: in order.
        next_number: of the next segment.
        repairs: what was repaired, in words.

    Raises:
        SpoolError: the folder cannot be read or repaired.

    """

    def __init__(self, folder: Path, limits: JournalLimits) -> None:
        self.journal = Journal(limits)
        self.step: Step | None = None
        self.segments: list[EventSegment] = []
        self.next_number = 0
        self.repairs: list[str] = []
        self._limits = limits
        for path in sorted(folder.glob(f"{PREFIX}*{SUFFIX}")):
            self._take(path)

    def _take(self, path: Path) -> None:
        number = path.name.removeprefix(PREFIX).removesuffix(SUFFIX)
        if not number.isdecimal():
            return
        self.next_number = int(number) + 1
        with reading(path) as reader:
            base = self._read(reader)
        if reader.torn:
            self.repairs.append(f"{path.name}: {reader.torn}")
        repair(path, reader)
        if base is not None:
            self.segments.append(EventSegment(path, base, reader.good_bytes))

    def _read(self, reader: RecordReader) -> JournalBase | None:
        """Take all records of a segment; return its base, or None when it has no head."""
        base: JournalBase | None = None
        for record in reader:
            try:
                if base is None:
                    base = _head(record)
                    self._join(base)
                else:
                    self._note(record)
            except ValueError as error:
                reader.reject(str(error))
        return base

    def _join(self, base: JournalBase) -> None:
        """Go on with a segment; events that are missing before it make the journal begin anew."""
        last = self.journal.last_seq
        if base.seq == last:
            return
        if self.segments:
            lost = f"events {last + 1} to {base.seq} are lost"
            self.repairs.append(lost if base.seq > last else f"the events after {base.seq} begin anew, after {last}")
        self.journal = Journal(self._limits, base)

    def _note(self, record: Record) -> None:
        match record:
            case {"k": "said", "e": list(said)}:
                self._add(said)
            case {"k": "step", "e": list(said), "c": dict(), "f": int()}:
                step = _step(record)  # before the events are taken: all of it or nothing
                self._add(said)
                self.step = step
            case _:
                raise ValueError(f"a record of kind {str(record.get('k'))[:20]!r} is not as it should be")

    def _add(self, said: list[Any]) -> None:
        events = [read_event(item) for item in said if isinstance(item, Mapping)]
        expected = range(self.journal.last_seq + 1, self.journal.last_seq + 1 + len(said))
        if [seq for seq, _ in events] != list(expected):
            raise ValueError(f"events are not numbered from {expected.start} on")
        for _, event in events:
            self.journal.add(event)


def _head(record: Record) -> JournalBase:
    match record:
        case {"k": "events", "v": int(version), "seq": int(seq), "words": int(words), "next": list(items)}:
            if version != FORMAT_VERSION:
                raise ValueError(f"the segment has version {version}; this program knows {FORMAT_VERSION}")
            return JournalBase(seq, words, dict(_pair(item) for item in items))
    raise ValueError("the segment has no head")


def _pair(item: object) -> tuple[int, int]:
    match item:
        case [int(utt), int(index)]:
            return utt, index
    raise ValueError("the head does not say where utterances go on")


def _step(record: Record) -> Step:
    place, stamp = Place.from_plain(record.get("p")), Stamp.from_plain(record.get("at"))
    return Step((), record["c"], record["f"], place, stamp, _ended(record))


def _ended(record: Record) -> str:
    ended = record.get("end", "")
    if not isinstance(ended, str):
        raise ValueError("a step does not say why the session ended")
    return ended
