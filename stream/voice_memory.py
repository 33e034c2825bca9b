"""What must outlive a process so that a second look reaches what was said before it: pieces, and whose they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from amanuensis.stream.voice_log import PieceLog
from amanuensis.stream.voice_turns import Piece

__all__ = ["Kept", "KeptNames", "KeptPieces", "MemoryState", "kept_since", "recalled"]

Int64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class MemoryState:
    """How far what is kept beside a checkpoint belongs to it.

    Attributes:
        n_pieces: settled since the beginning.
        n_looks: second looks at them.
        is_whole: none of them was forgotten.
        unseen_s: speech since the newest look.

    """

    n_pieces: int = 0
    n_looks: int = 0
    is_whole: bool = True
    unseen_s: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class KeptPieces:
    """Pieces in a row, put down.

    Attributes:
        first: number of the first of them, from 0 at the beginning of the stream.
        starts, stops: int64 [n], 16 kHz samples.
        speech_s: float32 [n].
        goes_on: bool [n].
        vectors: float16 [n, dim].
        names: whose they are, n of them.

    Raises:
        ValueError: these are not as many as one another, or a vector is not finite.

    """

    first: int
    starts: Int64
    stops: Int64
    speech_s: NDArray[np.float32]
    goes_on: NDArray[np.bool_]
    vectors: NDArray[np.float16]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        parts = (self.starts, self.stops, self.speech_s, self.goes_on, self.vectors)
        if {len(part) for part in parts} != {len(self.names)}:
            raise ValueError("the parts of kept pieces are not as many as one another")
        if not (np.isfinite(self.vectors).all() and np.isfinite(self.speech_s).all()):
            raise ValueError("a vector of kept pieces is not finite")

    @property
    def dim(self) -> int:
        """Components of a vector."""
        return int(self.vectors.shape[1])

    @property
    def end(self) -> int:
        """Number of the piece after them."""
        return self.first + len(self.names)


@dataclass(frozen=True, slots=True)
class KeptNames:
    """Whose the newest pieces are after the `look`-th second look, from 1."""

    look: int
    names: tuple[str, ...]


Kept: TypeAlias = KeptPieces | KeptNames


def kept_since(log: PieceLog, names: Mapping[int, str], n_pieces: int, state: MemoryState, n_looks: int) -> list[Kept]:
    """Return what has to be kept beside the first `n_pieces` and `n_looks`, for the state to be had again.

    Args:
        log: the pieces.
        names: of the voices.
        n_pieces: that are kept.
        state: what is to be had again.
        n_looks: that are kept.

    """
    kept: list[Kept] = []
    n = min(log.n_ever - n_pieces, len(log) - log.anchors)
    if n > 0:
        kept.append(_newest(log, n, names))
    if state.n_looks > n_looks and log.first is not None:
        kept.append(KeptNames(state.n_looks, tuple(names.get(voice, "") for _, _, voice in log.turns())))
    return kept


def _newest(log: PieceLog, n: int, names: Mapping[int, str]) -> KeptPieces:
    at = len(log) - n
    evidence = log.evidence(at)
    turns = list(log.turns(at))
    starts, stops = (np.array([turn[side] for turn in turns], np.int64) for side in (0, 1))
    labels = tuple(names.get(voice, "") for _, _, voice in turns)
    vectors = evidence.vectors.astype(np.float16)
    return KeptPieces(log.n_ever - n, starts, stops, evidence.speech_s, evidence.goes_on, vectors, labels)


def recalled(
    kept: Sequence[Kept], voices: Mapping[str, int], state: MemoryState, anchors: Mapping[int, Piece]
) -> PieceLog:
    """Return the pieces that were kept; where some are missing, voices without any are stood for by their anchors.

    Args:
        kept: oldest first; names that are not among the voices say nothing.
        voices: number of each by name.
        state: what they are to be.
        anchors: of the voices, by number.

    """
    rows = [row for part in kept if isinstance(part, KeptPieces) for row in _rows(part)]
    labels = _labels(kept)
    known = [(row, voices[name]) for row, name in zip(rows, labels, strict=True) if name in voices]
    is_whole = state.is_whole and len(known) == state.n_pieces
    log = PieceLog()
    if not is_whole:
        heard = {voice for _, voice in known}
        for voice, anchor in anchors.items():
            if voice not in heard:
                log.add_anchor(anchor)
    for (start, stop, speech_s, goes_on, vector), voice in known:
        log.add(Piece(start, stop, speech_s, vector, voice, goes_on))
    log.n_ever = max((part.end for part in kept if isinstance(part, KeptPieces)), default=0)
    log.lost = log.lost or not is_whole
    return log


_Row: TypeAlias = tuple[int, int, float, bool, NDArray[np.float32]]


def _rows(part: KeptPieces) -> list[_Row]:
    vectors = list(part.vectors.astype(np.float32))
    columns = (part.starts.tolist(), part.stops.tolist(), part.speech_s.tolist(), part.goes_on.tolist())
    return [(*row, vector) for row, vector in zip(zip(*columns, strict=True), vectors, strict=True)]


def _labels(kept: Sequence[Kept]) -> list[str]:
    """Return whose each piece is in the end; a look that knew more pieces than are left is for the newest of them."""
    labels: list[str] = []
    for part in kept:
        if isinstance(part, KeptPieces):
            labels += part.names
        elif n := min(len(labels), len(part.names)):
            labels[-n:] = part.names[-n:]
    return labels
