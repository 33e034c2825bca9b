"""Reading an audio log after a restart: repaired, then played again from where the checkpoint wants it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

from amanuensis.daemon.spool.audio_log import FORMAT_VERSION, PREFIX, SUFFIX, Place, Segment, tail_after
from amanuensis.daemon.spool.clock import Stamp
from amanuensis.daemon.spool.log_file import explained, reading, repair
from amanuensis.daemon.spool.records import Record, RecordReader

ORDERS: Final = ("flush", "mark", "note", "config", "end")
DAMAGED: Final = ".damaged"
LOST_BY_SPOOL: Final = "lost: the spool was damaged"


@dataclass(frozen=True, slots=True)
class Sound:
    """Bytes of sound that are to be fed again."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Hole:
    """Bytes of sound that were lost."""

    n_bytes: int
    why: str


@dataclass(frozen=True, slots=True)
class Order:
    """What the speaker ordered: flush, mark, note, config or end; `index` of its record."""

    kind: str
    content: dict[str, Any]
    index: int = 0


Item: TypeAlias = Sound | Hole | Order


@dataclass(frozen=True, slots=True)
class Entry:
    """A record of a segment: so many bytes that were lost, then sound; or an order.

    Attributes:
        before: where the log stood before it.
        after: and after it.

    """

    before: Place
    after: Place
    lost: int = 0
    why: str = ""
    data: bytes = field(default=b"", repr=False)
    order: Order | None = None
    stamp: Stamp | None = None


class AudioHistory:
    """The segments of a session that are left on the disk, repaired.

    Args:
        folder: of the session.
        frame_bytes: of its format.

    Attributes:
        segments: in order.
        place: where the log goes on.
        tail: bytes after the last whole sample frame.
        next_number: of the next segment.
        stamp: when the newest chunk or hole was written, where one is left.
        repairs: what was repaired, in words.

    Raises:
        SpoolError: the folder cannot be read or repaired.

    """

    def __init__(self, folder: Path, frame_bytes: int) -> None:
        self.segments: list[Segment] = []
        self.place = Place()
        self.tail = b""
        self.next_number = 0
        self.stamp: Stamp | None = None
        self.repairs: list[str] = []
        self._frame_bytes = frame_bytes
        for path in sorted(folder.glob(f"{PREFIX}*{SUFFIX}")):
            self._take(path)

    def replay(self, position: int, index: int) -> Iterator[Item]:
        """Yield what has to be done again.

        Args:
            position: bytes of sound that are not needed any more; at a whole sample frame.
            index: records that were there at the checkpoint: their orders were carried out.

        """
        for segment in self.segments:
            with reading(segment.path) as reader:
                for entry in read_entries(reader):
                    if entry.order is None:
                        yield from self._again(entry, position)
                        position = max(position, entry.after.position)
                    elif entry.before.index >= index:
                        yield entry.order

    def _again(self, entry: Entry, position: int) -> Iterator[Item]:
        """Yield the part of an entry that lies after `position`."""
        start = entry.before.position
        if start > position:  # a whole sample frame is the least that can be left out
            first = -(-start // self._frame_bytes) * self._frame_bytes
            yield Hole(first - position, LOST_BY_SPOOL)
            position = first
        begin = start + entry.lost
        if entry.lost and begin > position:
            yield Hole(begin - position, entry.why)
            position = begin
        if entry.after.position > position:
            yield Sound(entry.data[position - begin :])

    def _take(self, path: Path) -> None:
        """Repair one segment and go through it."""
        number = path.name.removeprefix(PREFIX).removesuffix(SUFFIX)
        if not number.isdecimal():
            return
        self.next_number = int(number) + 1
        first: Entry | None = None
        with reading(path) as reader:
            for entry in read_entries(reader):
                first = first or entry
                self._note(entry)
        if reader.torn:
            self.repairs.append(f"{path.name}: {reader.torn}")
        if first is None:
            _set_aside(path)
        else:
            repair(path, reader)
            self.segments.append(Segment(path, first.before.position, self.place.position, reader.good_bytes))

    def _note(self, entry: Entry) -> None:
        follows = entry.before.position == self.place.position and not entry.lost
        self.tail = tail_after(self.tail if follows else b"", entry.data, self._frame_bytes)
        self.place = entry.after
        self.stamp = entry.stamp or self.stamp


def read_entries(reader: RecordReader) -> Iterator[Entry]:
    """Yield the entries of a segment, its head first."""
    place: Place | None = None
    for record in reader:
        try:
            entry = _head(record) if place is None else _entry(record, place)
        except ValueError as error:
            reader.reject(str(error))
            return
        place = entry.after
        yield entry


def _head(record: Record) -> Entry:
    match record:
        case {"k": "segment", "v": int(version), "p": place, "d": bytes(carry)}:
            if version != FORMAT_VERSION:
                raise ValueError(f"the segment has version {version}; this program knows {FORMAT_VERSION}")
            before = Place.from_plain(place)
            return Entry(before, replace(before, position=before.position + len(carry)), data=carry)
    raise ValueError("the segment has no head")


def _entry(record: Record, place: Place) -> Entry:
    if record.get("p") != place.position:
        raise ValueError(f"a record does not follow on the one before: it is not at position {place.position}")
    lost, why = record.get("lost", 0), record.get("why", "")
    if not isinstance(lost, int) or lost < 0 or not isinstance(why, str):
        raise ValueError("a record does not say what was lost")
    counted = replace(place, position=place.position + lost, index=place.index + 1)
    match record:
        case {"k": "audio", "n": int(n), "d": bytes(data), "at": stamp} if n == place.next_chunk:
            after = replace(counted, position=counted.position + len(data), next_chunk=n + 1, controls=0)
            return Entry(place, after, lost, why, data, stamp=Stamp.from_plain(stamp))
        case {"k": "skip", "at": stamp}:
            controls = record.get("c", place.controls)
            if not isinstance(controls, int) or controls < 0:
                raise ValueError("a skip does not count the text frames of its speaker")
            return Entry(place, replace(counted, controls=controls), lost, why, stamp=Stamp.from_plain(stamp))
        case {"k": str(kind), "c": int(controls), "o": dict(content)} if kind in ORDERS and not lost:
            return Entry(place, replace(counted, controls=controls), order=Order(kind, content, place.index))
    raise ValueError(f"a record of kind {str(record.get('k'))[:20]!r} is not as it should be")


def _set_aside(path: Path) -> None:
    try:
        path.rename(path.with_name(path.name + DAMAGED))
    except OSError as error:
        raise explained(path, error) from None
