"""What a session has received, as it came: chunks of raw sound, holes in it and orders, in segments of at most 10 s.

Positions are bytes of sound from the start of the session, lost ones included. A segment begins at a whole sample
frame: bytes of a frame that was cut by the end of the segment before are written again at its head. Holes lie at the
front of a segment only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from amanuensis.daemon.spool.clock import Clock
from amanuensis.daemon.spool.log_file import LogFile, explained, sync_folder, sync_in_turn
from amanuensis.stream.formats import AudioFormat

SEGMENT_S: Final = 10.0  # a single chunk that is longer has a segment of its own
PREFIX: Final = "audio-"
SUFFIX: Final = ".log"
FORMAT_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment that is closed: bytes of sound [start, stop), bytes on the disk."""

    path: Path
    start: int
    stop: int
    size: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a session's audio log stands.

    Attributes:
        position: bytes of sound received, lost ones included.
        next_chunk: number of the first chunk that is not in the log.
        index: records so far: chunks, holes and orders.
        controls: text frames that the speaker has sent after the newest chunk, as `Cursor` counts them.

    """

    position: int = 0
    next_chunk: int = 0
    index: int = 0
    controls: int = 0

    def to_plain(self) -> list[int]:
        """Return it as a list for a record."""
        return [self.position, self.next_chunk, self.index, self.controls]

    @classmethod
    def from_plain(cls, plain: object) -> Place:
        """Return the place of a record.

        Raises:
            ValueError: it is none.

        """
        match plain:
            case [int(position), int(next_chunk), int(index), int(controls)] if min(plain) >= 0:
                return cls(position, next_chunk, index, controls)
        raise ValueError("a place must be a list of four whole numbers")


def tail_after(tail: bytes, data: bytes, frame_bytes: int) -> bytes:
    """Return the bytes after the last whole sample frame, once `data` has followed on `tail`."""
    n_tail = (len(tail) + len(data)) % frame_bytes
    return (tail + data[-n_tail:])[-n_tail:] if n_tail else b""


class AudioLog:
    """The audio log of one session, open for appending.

    Args:
        folder: of the session.
        fmt: of the sound.
        place: where it goes on.
        charge: told of bytes that are added or taken away; see `LogFile`.
        clock: for the stamps of chunks.
        durable: `sync` is called from time to time; until then closed segments stay open files.
        closed: segments that are there already.
        tail: bytes of a frame that the last of them cut.
        number: of the first segment that is made.

    Attributes:
        place: where it stands.
        closed: segments that are no longer written to, oldest first.

    """

    def __init__(
        self,
        folder: Path,
        fmt: AudioFormat,
        place: Place,
        *,
        charge: Callable[[int], None],
        clock: Clock,
        durable: bool = False,
        closed: Sequence[Segment] = (),
        tail: bytes = b"",
        number: int = 0,
    ) -> None:
        self.place = place
        self.closed = list(closed)
        self._folder = folder
        self._format = fmt
        self._charge = charge
        self._clock = clock
        self._durable = durable
        self._tail = tail
        self._number = number
        self._full_bytes = round(SEGMENT_S * fmt.rate) * fmt.frame_bytes
        self._unsynced: list[LogFile] = []  # closed segments; `sync` lets go of them
        self._new_names = True
        self._open = self._new_segment(tail)

    @property
    def segment_start(self) -> int:
        """The position at which the open segment begins."""
        return self._start

    def append_audio(self, n: int, lost_bytes: int, data: bytes) -> None:
        """Append chunk `n`: so many bytes that the source lost, then `data`.

        Raises:
            SpoolError: it could not be written; nothing was.

        """
        if lost_bytes:
            self._rotate_before_hole()
        elif self._sound_bytes and self._sound_bytes + len(data) > self._full_bytes:
            self._rotate(self._tail)
        place = self.place
        lost = {"lost": lost_bytes} if lost_bytes else {}
        stamp = self._clock().to_plain()
        self._open.append({"k": "audio", "n": n, "p": place.position, **lost, "at": stamp, "d": data})
        self._tail = tail_after(b"" if lost_bytes else self._tail, data, self._format.frame_bytes)
        self._sound_bytes += len(data)
        self.place = Place(place.position + lost_bytes + len(data), n + 1, place.index + 1)

    def append_skip(self, lost_bytes: int, why: str, controls: int | None = None) -> None:
        """Append a hole of the source, or one that the speaker ordered with a text frame: then `controls` counts it."""
        self._rotate_before_hole()
        place = self.place
        counted = {} if controls is None else {"c": controls}
        stamp = self._clock().to_plain()
        self._open.append({"k": "skip", "p": place.position, "lost": lost_bytes, "why": why, **counted, "at": stamp})
        self._tail = b""
        controls = place.controls if controls is None else controls
        self.place = replace(place, position=place.position + lost_bytes, index=place.index + 1, controls=controls)

    def append_order(self, kind: str, content: dict[str, Any], controls: int) -> None:
        """Append an order of the speaker: flush, mark, config or end."""
        self._open.append({"k": kind, "p": self.place.position, "c": controls, "o": content})
        self.place = replace(self.place, index=self.place.index + 1, controls=controls)

    def drop_before(self, position: int, *, unless: Callable[[Segment], bool] = lambda _: False) -> None:
        """Delete closed segments that lie before a position, but those of which `unless` is true."""
        gone = [segment for segment in self.closed if segment.stop <= position and not unless(segment)]
        for segment in gone:
            try:
                segment.path.unlink(missing_ok=True)
            except OSError as error:
                raise explained(segment.path, error) from None
            self._charge(-segment.size)
            self.closed.remove(segment)

    def close_segment(self) -> None:
        """Have all sound in segments that are closed, so that it can be read and dropped; no more may come."""
        if self._sound_bytes:
            self._rotate(b"")

    def sync(self) -> None:
        """Wait until everything is on the disk; may be called from another thread.

        Raises:
            SpoolError: the disk did not take it.

        """
        sync_in_turn(self._unsynced, self._open)
        if self._new_names:
            self._new_names = False
            sync_folder(self._folder)

    def close(self) -> None:
        """Let go of the files."""
        for file in (*self._unsynced, self._open):
            file.close()
        self._unsynced.clear()

    def remove_empty(self) -> None:
        """Remove the open segment of a log that was closed, if there is no sound in it."""
        if not self._sound_bytes:
            self._open.path.unlink(missing_ok=True)
            self._charge(-self._open.size)

    def _rotate_before_hole(self) -> None:
        """Have the hole at the front of a segment; a frame that it cuts stays with the sound before."""
        if self._sound_bytes:
            self._rotate(b"")

    def _rotate(self, carry: bytes) -> None:
        old, start = self._open, self._start
        self._open = self._new_segment(carry)
        self.closed.append(Segment(old.path, start, self.place.position, old.size))
        if self._durable:
            self._unsynced.append(old)
            self._new_names = True
        else:
            old.close()

    def _new_segment(self, carry: bytes) -> LogFile:
        """Open a segment that begins here, less the bytes of a cut frame, which are written again."""
        start = self.place.position - len(carry)
        head = replace(self.place, position=start).to_plain()
        file = LogFile(self._folder / f"{PREFIX}{self._number:08d}{SUFFIX}", self._charge)
        try:
            file.append({"k": "segment", "v": FORMAT_VERSION, "p": head, "d": carry})
        except BaseException:
            file.close()
            file.path.unlink(missing_ok=True)
            raise
        self._number += 1
        self._start = start
        self._sound_bytes = len(carry)
        return file
