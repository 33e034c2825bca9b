"""What must be remembered to tell later who said which word: pieces of speech and words, both bounded."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Final

import numpy as np

from amanuensis.stream.voice_clusters import Evidence
from amanuensis.stream.voice_turns import Piece

__all__ = ["PieceLog", "WordLog"]

MAX_PIECES: Final = 8192  # some ten hours of talk, 3.5 MB
MAX_WORDS: Final = 100_000  # ten hours of speech, 2 MB
DROPPED: Final = 4  # when there are too many, the oldest of so many parts goes
NOBODY: Final = -1


class PieceLog:
    """The settled pieces, in order.

    Attributes:
        n_ever: pieces since the beginning of the stream.
        lost: some of them are not there.
        anchors: at the beginning stand for voices that were heard in pieces that are lost.

    """

    def __init__(self) -> None:
        self._starts = array("q")
        self._stops = array("q")
        self._speech_s = array("f")
        self._goes_on = array("b")
        self._voices = array("q")
        self._vectors: list[bytes] = []  # float16
        self.anchors = 0
        self.n_ever = 0
        self.lost = False

    def __len__(self) -> int:
        return len(self._starts)

    def add_anchor(self, piece: Piece) -> None:
        """Take what stands for a voice, before any piece."""
        self._append(piece)
        self.anchors += 1

    def add(self, piece: Piece) -> None:
        """Take the next piece."""
        self.n_ever += 1
        self._append(piece)

    def _append(self, piece: Piece) -> None:
        self._starts.append(piece.start)
        self._stops.append(piece.stop)
        self._speech_s.append(piece.speech_s)
        self._goes_on.append(piece.goes_on)
        self._voices.append(piece.voice)
        self._vectors.append(piece.vector.astype(np.float16).tobytes())
        if len(self) > MAX_PIECES:
            self._drop(MAX_PIECES // DROPPED)

    def _drop(self, n: int) -> None:
        self.lost = True
        for values in (self._starts, self._stops, self._speech_s, self._goes_on, self._voices):
            del values[:n]
        del self._vectors[:n]
        self.anchors = max(0, self.anchors - n)

    @property
    def is_whole(self) -> bool:
        """Whether all pieces since the beginning are there."""
        return not (self.lost or self.anchors)

    @property
    def speech_s(self) -> float:
        """How much speech there is in them."""
        return float(sum(self._speech_s[self.anchors :]))

    @property
    def first(self) -> int | None:
        """Where the oldest piece begins, 16 kHz samples; None: there is none."""
        return self._starts[self.anchors] if len(self) > self.anchors else None

    def voice_at(self, position: int) -> int | None:
        """Return whose piece holds a position or is nearest to it."""
        after = bisect_right(self._starts, position, self.anchors)
        if after == self.anchors:
            return self._voices[after] if after < len(self) else None
        before = after - 1
        if after < len(self) and self._starts[after] - position < position - self._stops[before]:
            return self._voices[after]
        return self._voices[before]

    def turns(self, first: int = 0) -> Iterator[tuple[int, int, int]]:
        """Yield start, stop and voice of the pieces from the k-th on, anchors left out."""
        for k in range(max(first, self.anchors), len(self)):
            yield self._starts[k], self._stops[k], self._voices[k]

    def relabel(self, k: int, voice: int) -> None:
        """Give a piece to another voice."""
        self._voices[k] = voice

    def shares(self, clusters: np.ndarray[tuple[int], np.dtype[np.int64]]) -> dict[tuple[int, int], float]:
        """Return how many seconds each voice has in each cluster."""
        found: dict[tuple[int, int], float] = {}
        for cluster, voice, speech_s in zip(clusters.tolist(), self._voices, self._speech_s, strict=True):
            found[cluster, voice] = found.get((cluster, voice), 0.0) + speech_s
        return found

    def evidence(self, first: int = 0) -> Evidence:
        """Return the pieces from the k-th on, anchors included, as arrays."""
        vectors = np.frombuffer(b"".join(self._vectors[first:]), np.float16).astype(np.float32)
        n = len(self._vectors[first:])
        return Evidence(
            vectors.reshape(n, -1) if n else np.zeros((0, 1), np.float32),
            np.array(self._speech_s[first:], np.float32),
            np.array(self._goes_on[first:], bool),
        )


class WordLog:
    """The committed words, in order: which they are, when they are said, and whose they were said to be.

    Attributes:
        n_settled: of the oldest words, whose voice is settled.

    """

    def __init__(self) -> None:
        self._utts = array("q")
        self._indices = array("q")
        self._positions = array("q")
        self._voices = array("q")
        self.n_settled = 0

    def __len__(self) -> int:
        return len(self._utts)

    def add(self, utt: int, index: int, position: int, voice: int | None) -> None:
        """Take the next word; its middle lies at `position`, 16 kHz samples."""
        self._utts.append(utt)
        self._indices.append(index)
        self._positions.append(max(position, self._positions[-1]) if self._positions else position)
        self._voices.append(NOBODY if voice is None else voice)
        if len(self) > MAX_WORDS:
            n = MAX_WORDS // DROPPED
            for values in (self._utts, self._indices, self._positions, self._voices):
                del values[:n]
            self.n_settled = max(0, self.n_settled - n)

    def which(self, k: int) -> tuple[int, int]:
        """Return utterance and index of the k-th word."""
        return self._utts[k], self._indices[k]

    def position(self, k: int) -> int:
        """Return where the k-th word is said."""
        return self._positions[k]

    def before(self, position: int) -> range:
        """Return the words that are said before `position`."""
        return range(bisect_left(self._positions, position))

    def voice(self, k: int) -> int | None:
        """Return whose the k-th word was said to be."""
        return None if self._voices[k] == NOBODY else self._voices[k]

    def give(self, k: int, voice: int) -> None:
        """Say that the k-th word is another's."""
        self._voices[k] = voice

    def since(self, position: int) -> range:
        """Return the words that are said at `position` or later."""
        return range(bisect_left(self._positions, position), len(self))
