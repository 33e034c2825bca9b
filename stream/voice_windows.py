"""Speech cut into windows for telling voices apart: two seconds of speech every half second, never over a pause."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from amanuensis.stream.resample import MODEL_RATE
from amanuensis.stream.vad import FRAME_SAMPLES

__all__ = ["StretchEnd", "VoiceCutter", "VoiceItem", "VoiceWindow"]

FRAMES_S: Final = MODEL_RATE // FRAME_SAMPLES  # frames a second
WINDOW: Final = 2 * FRAMES_S  # of speech: with less, voices are told apart much worse (docs/speakers.md)
HOP: Final = FRAMES_S // 2
FIRST: Final = FRAMES_S  # a voice is guessed at first after a second
SHORTEST: Final = 2 * FRAMES_S // 5  # less speech says nothing of a voice
PAUSE: Final = 3 * FRAMES_S // 10  # others may speak after it
REST: Final = FRAMES_S // 4  # speech at the end of a stretch that is worth a window of its own
FULL_SCALE: Final = 32767.0


@dataclass(frozen=True, slots=True, eq=False)
class VoiceWindow:
    """The newest speech of a stretch.

    Attributes:
        start, stop: where it lies, 16 kHz samples; pauses in it are shorter than 0.3 s.
        n_speech: samples of speech in it, at most two seconds.
        pcm: these, int16: windows may have to wait.

    """

    start: int
    stop: int
    n_speech: int
    pcm: NDArray[np.int16]

    @property
    def samples(self) -> NDArray[np.float32]:
        """The speech as float32 in [-1, 1]."""
        return self.pcm.astype(np.float32) / np.float32(FULL_SCALE)


@dataclass(frozen=True, slots=True)
class StretchEnd:
    """A pause: speech from `start` to `stop`, 16 kHz samples, is over."""

    start: int
    stop: int


VoiceItem: TypeAlias = VoiceWindow | StretchEnd


class VoiceCutter:
    """Cuts the speech of one stream; memory of two seconds."""

    def __init__(self) -> None:
        self._frames: deque[tuple[int, NDArray[np.int16]]] = deque(maxlen=WINDOW)  # position, speech
        self._start = 0  # of the stretch
        self._n_speech = 0  # frames of the stretch
        self._n_new = 0  # frames since its newest window
        self._n_quiet = 0  # frames of silence since its newest speech

    @property
    def start(self) -> int | None:
        """Where the open stretch begins; None: there is none."""
        return self._start if self._frames else None

    def push(self, position: int, samples: NDArray[np.float32], decisions: Sequence[bool]) -> list[VoiceItem]:
        """Take whole frames of sound from `position` on, in order.

        Args:
            position: of the first sample, 16 kHz.
            samples: float32 [320 * len(decisions)].
            decisions: whether each frame is speech.

        """
        items: list[VoiceItem] = []
        pcm = (samples.clip(-1, 1) * FULL_SCALE).astype(np.int16)
        for k, speech in enumerate(decisions):
            if speech:
                frame = pcm[k * FRAME_SAMPLES : (k + 1) * FRAME_SAMPLES]
                self._hear(position + k * FRAME_SAMPLES, frame, items)
            elif self._frames:
                self._n_quiet += 1
                if self._n_quiet >= PAUSE:
                    items += self.end()
        return items

    def end(self) -> list[VoiceItem]:
        """Close the open stretch."""
        if not self._frames:
            return []
        items: list[VoiceItem] = []
        is_first = self._n_new == self._n_speech
        if self._n_new >= (SHORTEST if is_first else REST):
            items.append(self._window())
        items.append(StretchEnd(self._start, self._frames[-1][0] + FRAME_SAMPLES))
        self._frames.clear()
        return items

    def _hear(self, position: int, frame: NDArray[np.int16], items: list[VoiceItem]) -> None:
        if not self._frames:
            self._start, self._n_speech, self._n_new = position, 0, 0
        self._frames.append((position, frame))
        self._n_quiet = 0
        self._n_speech += 1
        self._n_new += 1
        if self._n_new >= HOP and self._n_speech >= FIRST:
            items.append(self._window())
            self._n_new = 0

    def _window(self) -> VoiceWindow:
        pcm = np.concatenate([frame for _, frame in self._frames])
        return VoiceWindow(self._frames[0][0], self._frames[-1][0] + FRAME_SAMPLES, pcm.size, pcm)
