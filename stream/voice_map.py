"""Which parts of the stream are speech, as the voice detector decided."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from amanuensis.stream.vad import FRAME_SAMPLES

__all__ = ["VoiceMap"]


class VoiceMap:
    """One decision for each 320 samples at 16 kHz, from the oldest that is still needed to the newest."""

    def __init__(self) -> None:
        self._decisions = bytearray()
        self._first = 0  # frame of the oldest decision kept
        self._last_voiced = 0

    @property
    def last_voiced(self) -> int:
        """Where the newest speech ends, position in 16 kHz samples."""
        return self._last_voiced

    def push(self, decisions: Sequence[bool]) -> None:
        """Take decisions in order."""
        self._decisions += bytes(decisions)
        voiced = self._decisions.rfind(1)
        if voiced >= 0:
            self._last_voiced = (self._first + voiced + 1) * FRAME_SAMPLES

    def spans(self, start: int, stop: int) -> list[tuple[int, int]]:
        """Return the parts of [start, stop) that are speech: disjoint, in order, positions in 16 kHz samples."""
        begin, end = max(start // FRAME_SAMPLES, self._first), -(-stop // FRAME_SAMPLES)
        if start >= stop or begin >= end:
            return []
        frames = np.frombuffer(self._decisions, np.int8)[begin - self._first : end - self._first]
        edges = np.flatnonzero(np.diff(frames, prepend=np.int8(0), append=np.int8(0)))
        positions = ((edges + begin) * FRAME_SAMPLES).clip(start, stop).tolist()
        return list(zip(positions[::2], positions[1::2], strict=True))

    def drop_before(self, position: int) -> None:
        """Forget the decisions for samples before `position`."""
        n = max(0, min(position // FRAME_SAMPLES - self._first, len(self._decisions)))
        del self._decisions[:n]
        self._first += n
