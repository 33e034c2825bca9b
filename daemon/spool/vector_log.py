"""The vectors of a session's voices, for the second look after a restart: beside the checkpoint, which stays small.

They say whose voice it is, so they live no longer than the session goes on. Nothing here ever fails: without vectors
people are told apart as well as can be.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from amanuensis.daemon.spool.log_file import LogFile, SpoolError, reading, repair
from amanuensis.daemon.spool.records import Record, RecordError, RecordReader
from amanuensis.stream.speaker_state import SpeakerState
from amanuensis.stream.speakers import Speakers
from amanuensis.stream.voice_log import MAX_PIECES
from amanuensis.stream.voice_memory import Kept, KeptNames, KeptPieces

log = logging.getLogger(__name__)

PREFIX: Final = "voices-"
SUFFIX: Final = ".log"
FORMAT_VERSION: Final = 1
SEGMENT_PIECES: Final = MAX_PIECES // 4  # 1.3 MB


@dataclass(slots=True)
class VectorSegment:
    """A file, its bytes, and how many pieces are in it."""

    path: Path
    size: int
    n_pieces: int = 0


@dataclass(slots=True)
class VectorHistory:
    """What is left of the vectors of a session.

    Attributes:
        kept: as `Speakers.kept` gave it, oldest first.
        model: whose vectors these are.
        segments: oldest first.
        n_pieces, n_looks: that were kept.
        why: more was not read; empty where nothing is known to be missing.

    """

    kept: list[Kept] = field(default_factory=list)
    model: str = ""
    segments: list[VectorSegment] = field(default_factory=list)
    n_pieces: int = 0
    n_looks: int = 0
    why: str = ""

    @property
    def n_left(self) -> int:
        """Pieces that are there: the oldest may be gone."""
        return sum(segment.n_pieces for segment in self.segments)

    @classmethod
    def read(cls, folder: Path, state: SpeakerState) -> VectorHistory:
        """Return what belongs to a state; what is torn, or came after it, is cut off.

        Raises:
            SpoolError: the files cannot be read or cut.

        """
        history = cls(model=state.model)
        for path in vector_files(folder):
            if history.why:
                path.unlink(missing_ok=True)
                continue
            segment = VectorSegment(path, 0)
            with reading(path) as reader:
                history._take(reader, segment, state)
            repair(path, reader)
            segment.size = reader.good_bytes
            history.segments.append(segment)
            history.why = f"{path.name}: {reader.torn}" if reader.torn else ""
        return history

    def _take(self, reader: RecordReader, segment: VectorSegment, state: SpeakerState) -> None:
        is_first = True
        for record in reader:
            try:
                if is_first:
                    _check_head(record, state.model)
                    is_first = False
                else:
                    self._note(_kept(record), segment, state)
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                reader.reject(str(error))

    def _note(self, part: Kept, segment: VectorSegment, state: SpeakerState) -> None:
        if isinstance(part, KeptNames):
            if part.look > state.memory.n_looks:
                raise ValueError("a look at the voices is newer than the checkpoint")
            self.n_looks = part.look
        else:
            if part.end > state.memory.n_pieces:
                raise ValueError("pieces of speech are newer than the checkpoint")
            if self.n_pieces and part.first != self.n_pieces:
                raise ValueError("pieces of speech are missing")
            if any(isinstance(other, KeptPieces) and other.dim != part.dim for other in self.kept[:1]):
                raise ValueError("vectors are not of one length")
            self.n_pieces = part.end
            segment.n_pieces += len(part.names)
        self.kept.append(part)


class VectorLog:
    """The vectors of one session, open for appending.

    Args:
        folder: of the session.
        charge: told of bytes that are added or taken away; see `LogFile`.
        left: where to go on; None: what is there is removed.

    """

    def __init__(self, folder: Path, charge: Callable[[int], None], left: VectorHistory | None = None) -> None:
        self._folder = folder
        self._charge = charge
        self._is_off = False
        self._open: LogFile | None = None
        self._number = 0
        if left is None:
            self._forget()
            return
        self._model, self._segments = left.model, list(left.segments)
        self._n_pieces, self._n_looks = left.n_pieces, left.n_looks
        self._number = max((_number(segment.path) + 1 for segment in left.segments), default=0)

    def keep(self, speakers: Speakers) -> None:
        """Keep what was found out since it was kept last; where that cannot be, nothing is kept any more."""
        if self._is_off:
            return
        if self._model != speakers.model:
            self._forget(speakers.model)
        try:
            for part in speakers.kept(self._n_pieces, self._n_looks):
                self._append(part)
        except (SpoolError, RecordError) as error:
            log.warning("session %s: after a restart its voices are not looked at again: %s", self._folder.name, error)
            self.remove()

    def remove(self) -> None:
        """Delete all; nothing more is kept."""
        self._forget()
        self._is_off = True

    def close(self) -> None:
        """Let go of the files; nothing more is kept."""
        self._is_off = True
        self._close()

    def _append(self, part: Kept) -> None:
        file = self._open or self._new_segment()
        file.append(_record(part))
        segment = self._segments[-1]
        segment.size = file.size
        if isinstance(part, KeptNames):
            self._n_looks = part.look
            return
        self._n_pieces = part.end
        segment.n_pieces += len(part.names)
        if segment.n_pieces >= SEGMENT_PIECES:
            self._close()
            self._drop_oldest()

    def _new_segment(self) -> LogFile:
        file = self._open = LogFile(self._folder / f"{PREFIX}{self._number:08d}{SUFFIX}", self._charge)
        self._number += 1
        self._segments.append(VectorSegment(file.path, 0))
        file.append({"k": "vectors", "v": FORMAT_VERSION, "model": self._model})
        return file

    def _drop_oldest(self) -> None:
        """Delete the oldest segments, as long as the others hold what is looked at together."""
        while sum(segment.n_pieces for segment in self._segments[1:]) >= MAX_PIECES:
            gone = self._segments.pop(0)
            gone.path.unlink(missing_ok=True)
            self._charge(-gone.size)

    def _forget(self, model: str = "") -> None:
        """Delete what is kept, and begin anew."""
        self._close()
        for path in vector_files(self._folder):
            try:
                size = path.stat().st_size
                path.unlink()
            except OSError as error:
                log.warning("session %s: %s cannot be removed: %s", self._folder.name, path.name, error)
            else:
                self._charge(-size)
        self._model, self._segments = model, list[VectorSegment]()
        self._n_pieces = self._n_looks = 0

    def _close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None


def vector_files(folder: Path) -> list[Path]:
    """Return the files of vectors of a session, oldest first."""
    return sorted(path for path in folder.glob(f"{PREFIX}*{SUFFIX}") if _stem(path).isdecimal())


def _stem(path: Path) -> str:
    return path.name.removeprefix(PREFIX).removesuffix(SUFFIX)


def _number(path: Path) -> int:
    return int(_stem(path))


def _record(part: Kept) -> Record:
    if isinstance(part, KeptNames):
        return {"k": "names", "look": part.look, **_names(part.names)}
    return {
        "k": "pieces",
        "n": part.first,
        "a": part.starts.astype("<i8").tobytes(),
        "b": part.stops.astype("<i8").tobytes(),
        "s": part.speech_s.astype("<f4").tobytes(),
        "g": part.goes_on.astype("u1").tobytes(),
        "d": part.dim,
        "x": part.vectors.astype("<f2").tobytes(),
        **_names(part.names),
    }


def _names(names: tuple[str, ...]) -> dict[str, Any]:
    """Return names as those that there are, and which of them each is."""
    of = sorted(set(names))
    return {"of": of, "w": np.array([of.index(name) for name in names], "<u2").tobytes()}


def _check_head(record: Record, model: str) -> None:
    match record:
        case {"k": "vectors", "v": int(version), "model": str(of)}:
            if version != FORMAT_VERSION:
                raise ValueError(f"vectors of voices have version {version}; this program knows {FORMAT_VERSION}")
            if of != model:
                raise ValueError(f"vectors of voices are of model {of!r}, not {model!r}")
        case _:
            raise ValueError("the file of vectors has no head")


def _kept(record: Record) -> Kept:
    """Return what `_record` was made of; ValueError, TypeError, KeyError or AttributeError when it is nothing of it."""
    of, which = record["of"], _array(record["w"], "<u2")
    if not all(isinstance(name, str) for name in of) or (which.size and which.max() >= len(of)):
        raise ValueError("a record does not say whose pieces are")
    names = tuple(of[k] for k in which.tolist())
    if record["k"] == "names":
        return KeptNames(int(record["look"]), names)
    vectors = _array(record["x"], "<f2").reshape(len(names), int(record["d"])).astype(np.float16)
    return KeptPieces(
        int(record["n"]),
        _array(record["a"], "<i8").astype(np.int64),
        _array(record["b"], "<i8").astype(np.int64),
        _array(record["s"], "<f4").astype(np.float32),
        _array(record["g"], "u1").astype(bool),
        vectors,
        names,
    )


def _array(data: bytes, kind: DTypeLike) -> NDArray[Any]:
    return np.frombuffer(data, kind)
