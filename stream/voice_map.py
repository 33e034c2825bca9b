"""Which parts of the stream are speech, as the voice detector decided."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from amanuensis.stream.vad import FRAME_SAMPLES

__all__ = ["VoiceMap", "VoiceState"]

VOICED: Final = re.compile(rb"\x01+")


@dataclass(frozen=True, slots=True)
class VoiceState:
    """A voice map put down: decisions for `n` frames from frame `first` on, eight to a byte, the first one highest.

    Raises:
        ValueError: there are not as many bytes as `n` decisions take.

    """

    first: int = 0
    n: int = 0
    packed: bytes = b""
    last_voiced: int = 0

    def __post_init__(self) -> None:
        if min(self.first, self.n) < 0 or len(self.packed) != -(-self.n // 8):
            raise ValueError(f"{self.n} decisions from frame {self.first} cannot be {len(self.packed)} bytes")


class VoiceMap:
    """One decision for each 320 samples at 16 kHz, from the oldest that is still needed to the newest."""

    def __init__(self, state: VoiceState | None = None) -> None:
        state = state or VoiceState()
        self._decisions = bytearray(np.unpackbits(np.frombuffer(state.packed, np.uint8), count=state.n).tobytes())
        self._first = state.first  # frame of the oldest decision kept
        self._last_voiced = state.last_voiced

    def state(self) -> VoiceState:
        """Return what another map needs to go on from here."""
        packed = np.packbits(np.frombuffer(self._decisions, np.uint8)).tobytes()
        return VoiceState(self._first, len(self._decisions), packed, self._last_voiced)

    @property
    def stop_frame(self) -> int:
        """The frame after the newest decision."""
        return self._first + len(self._decisions)

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

    def instead_of(self, first: int, decisions: list[bool]) -> list[bool]:
        """Return decisions for frames from frame `first` on, those that were made before in place of the new ones."""
        begin, end = max(first, self._first), first + len(decisions)
        if begin >= end:
            return decisions
        known = self._decisions[begin - self._first : end - self._first]
        return [*decisions[: begin - first], *map(bool, known)]

    @property
    def is_silent(self) -> bool:
        """Whether none of the decisions kept is for speech."""
        return not any(self._decisions)

    def leap(self, n_samples: int) -> None:
        """Let time pass, while `is_silent`: the decisions kept are as well those for whole frames later."""
        self._first += n_samples // FRAME_SAMPLES

    def spans(self, start: int, stop: int) -> list[tuple[int, int]]:
        """Return the parts of [start, stop) that are speech: disjoint, in order, positions in 16 kHz samples."""
        begin, end = max(start // FRAME_SAMPLES, self._first), -(-stop // FRAME_SAMPLES)
        if start >= stop or begin >= end:
            return []
        runs = VOICED.finditer(self._decisions, begin - self._first, end - self._first)
        frames = ((self._first + run.start(), self._first + run.end()) for run in runs)
        return [(max(first * FRAME_SAMPLES, start), min(last * FRAME_SAMPLES, stop)) for first, last in frames]

    def drop_before(self, position: int) -> None:
        """Forget the decisions for samples before `position`."""
        n = max(0, min(position // FRAME_SAMPLES - self._first, len(self._decisions)))
        del self._decisions[:n]
        self._first += n
