"""A long recording cut into pieces of some minutes, at its pauses. Pure: the cuts depend on the sound alone.

Each piece is heard as a stream of its own. So it is cut in a pause so long that a stream forgets there what was said
before; where there is none for long, in a shorter one, and only in sound without any pause at its quietest place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from amanuensis.stream.resample import MODEL_RATE
from amanuensis.stream.vad import FRAME_SAMPLES, VadConfig, VoiceDetector

Float32 = NDArray[np.float32]
FRAMES_S: Final = MODEL_RATE // FRAME_SAMPLES
QUIETEST_OF_S: Final = 30.0  # at the end of a piece without a pause


@dataclass(frozen=True, slots=True)
class CutRules:
    """Where sound is cut.

    Attributes:
        stages: (length of a piece in s, pause in s): a piece that is so long is cut in the middle of the next pause
            that is so long. 1.2 s is what makes a stream begin a window without a prompt: such a cut changes nothing.
        most_s: a piece is never longer.

    """

    stages: tuple[tuple[float, float], ...] = ((180.0, 1.2), (360.0, 0.6), (540.0, 0.2))
    most_s: float = 900.0

    def pause_frames(self, n_frames: int) -> int | None:
        """Return how many frames a pause must last that ends a piece so long; None: none does yet."""
        found = [pause_s for length_s, pause_s in self.stages if n_frames >= length_s * FRAMES_S]
        return max(2, round(found[-1] * FRAMES_S)) if found else None


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A part of a recording.

    Attributes:
        index: from 0.
        start: first 16 kHz sample.
        samples: float32 [n] in [-1, 1] at 16 kHz, mono: what an engine's stream would hear.
        in_speech: it ends where there was no pause.

    """

    index: int
    start: int
    samples: Float32
    in_speech: bool = False

    @property
    def stop(self) -> int:
        """The sample after it."""
        return self.start + self.samples.size


class PieceCutter:
    """Cuts one recording; keeps the piece that is open, and no more.

    Args:
        rules: where.
        vad: what is speech.

    """

    def __init__(self, rules: CutRules | None = None, vad: VadConfig | None = None) -> None:
        self._rules = rules or CutRules()
        self._detector = VoiceDetector(vad)
        self._most_frames = round(self._rules.most_s * FRAMES_S)
        self._blocks: list[Float32] = []
        self._n_kept = 0  # samples in the blocks
        self._start = 0  # of the open piece
        self._index = 0
        self._n_frames = 0  # of the open piece that are decided
        self._n_quiet = 0  # of these, after the newest speech

    def push(self, samples: Float32) -> list[Piece]:
        """Take float32 [n] at 16 kHz, cut anywhere; return the pieces that are complete now."""
        pieces: list[Piece] = []
        self._blocks.append(samples)
        self._n_kept += samples.size
        for speech in self._detector.push(samples):
            self._n_frames += 1
            self._n_quiet = 0 if speech else self._n_quiet + 1
            if (cut := self._cut()) is not None:
                pieces.append(self._piece(*cut))
        return pieces

    def finish(self) -> list[Piece]:
        """Return the rest, if there is any; of a recording without sound, a piece without samples."""
        return [self._take(self._n_kept, in_speech=False)] if self._n_kept or not self._index else []

    def _cut(self) -> tuple[int, bool] | None:
        """Return how many frames of the open piece to cut off, and whether that is in speech."""
        wanted = self._rules.pause_frames(self._n_frames)
        if wanted is not None and self._n_quiet >= wanted:
            return self._n_frames - wanted // 2, False
        if self._n_frames >= self._most_frames:
            return self._quietest(), True
        return None

    def _quietest(self) -> int:
        """Return the quietest frame at the end of the open piece."""
        n = min(round(QUIETEST_OF_S * FRAMES_S), self._n_frames // 2)
        sound = self._whole()[: self._n_frames * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)[-n:]
        return self._n_frames - n + int(np.einsum("ij,ij->i", sound, sound).argmin())

    def _piece(self, n_frames: int, in_speech: bool) -> Piece:
        piece = self._take(n_frames * FRAME_SAMPLES, in_speech)
        self._n_frames -= n_frames
        self._n_quiet = min(self._n_quiet, self._n_frames)
        return piece

    def _take(self, n: int, in_speech: bool) -> Piece:
        whole = self._whole()
        piece = Piece(self._index, self._start, whole[:n].copy(), in_speech)
        self._blocks, self._n_kept = [whole[n:].copy()], whole.size - n
        self._start += n
        self._index += 1
        return piece

    def _whole(self) -> Float32:
        if len(self._blocks) != 1:
            self._blocks = [np.concatenate(self._blocks)] if self._blocks else [np.zeros(0, np.float32)]
        return self._blocks[0]
