"""When each token is said: from the frames that the decoder listens to, and from the loudness of the sound.

A token begins where the attention says. It ends where the next one begins, unless the sound falls silent before that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
FRAME_MS = 20  # an encoder frame
HOP_MS = 10  # a log-mel frame
SURE_SOUND_MS = 50  # after its frame a token sounds at least so long
LEAST_PAUSE_MS = 60  # shorter silences are the closures of stops
PAUSE = re.compile(rb"\x01{%d,}" % (LEAST_PAUSE_MS // HOP_MS))  # of log-mel frames, 1 where silent
QUIET = 0.35  # of the way from the background to the loudest of a token: what is below is silence
BACKGROUND_PERCENTILE = 10
NEAR_MS = 200  # before its frame, where the loudest of a token may lie
LONGEST_MS = 500  # after its frame a token goes on no longer, whatever is heard
EARLIEST_MS = 200  # before its frame a token begins no earlier, whatever the warping says


@dataclass(frozen=True, slots=True)
class TokenTimes:
    """Where tokens are heard.

    Attributes:
        frames: the encoder frame that each token listens to most, non-decreasing.
        starts_ms, ends_ms: where it is said, from the window's start, in order: each ends before the next begins.

    """

    frames: tuple[int, ...]
    starts_ms: tuple[int, ...]
    ends_ms: tuple[int, ...]


def middle_ms(frame: int) -> int:
    """Return the middle of an encoder frame, from the window's start."""
    return frame * FRAME_MS + FRAME_MS // 2


class Loudness:
    """How loud a window is, by log-mel frame, and where it is silent."""

    def __init__(self, features: Float32) -> None:
        """Take the window's features, float32 [n_mels, n_frames]."""
        self._levels = features.mean(axis=0)
        sound = self._levels[self._levels > self._levels.min()]  # digital silence, such as padding, is no background
        place = len(sound) * BACKGROUND_PERCENTILE // 100
        self._background = float(np.partition(sound, place)[place]) if len(sound) else float(self._levels[0])

    @property
    def end_ms(self) -> int:
        """Length of the window."""
        return len(self._levels) * HOP_MS

    def pause(self, start_ms: int, end_ms: int, near_ms: int) -> tuple[int, int] | None:
        """Return the longest silence in [start_ms, end_ms), against the loudest since `near_ms`; None without one."""
        start, end = start_ms // HOP_MS, end_ms // HOP_MS
        if end - start < LEAST_PAUSE_MS // HOP_MS:
            return None
        loudest = float(self._levels[max(0, near_ms // HOP_MS) : end].max())
        quiet = (self._levels[start:end] < self._background + QUIET * (loudest - self._background)).tobytes()
        longest = max(PAUSE.findall(quiet), key=len, default=b"")
        if not longest:
            return None
        first = (start + quiet.index(longest)) * HOP_MS
        return first, first + len(longest) * HOP_MS


def from_peaks(frames: Sequence[int], lag_ms: float, loudness: Loudness) -> TokenTimes:
    """Return the times of tokens whose attention peaks a known time after they set in.

    Args:
        frames: of each token, non-decreasing.
        lag_ms: from where a token sets in to the middle of its frame.
        loudness: of the window.

    """
    starts = [max(0, round(middle_ms(frame) - lag_ms)) for frame in frames]
    return TokenTimes(tuple(frames), tuple(starts), _ends(frames, starts, loudness))


def from_warping(frames: Sequence[int], begins: Sequence[int], loudness: Loudness) -> TokenTimes:
    """Return the times of tokens by the frames that a warping gives to each.

    Args:
        frames: that each token listens to most, non-decreasing.
        begins: the first frame of each token; a pause before a token may be in them.
        loudness: of the window.

    """
    starts: list[int] = []
    for frame, begin in zip(frames, begins, strict=True):
        start, middle = max(begin * FRAME_MS, middle_ms(frame) - EARLIEST_MS), middle_ms(frame)
        pause = loudness.pause(start, middle, start)
        start = min(pause[1] if pause else start, middle)
        starts.append(max(start, starts[-1]) if starts else start)
    return TokenTimes(tuple(frames), tuple(starts), _ends(frames, starts, loudness))


def _ends(frames: Sequence[int], starts: Sequence[int], loudness: Loudness) -> tuple[int, ...]:
    """Return where each token ends."""
    ends = []
    limits = [*starts, loudness.end_ms][1:]
    for frame, start, limit in zip(frames, starts, limits[: len(starts)], strict=True):
        at = frame * FRAME_MS
        pause = loudness.pause(at + SURE_SOUND_MS, limit, at - NEAR_MS)
        end = min(limit, at + LONGEST_MS, pause[0] if pause else limit)
        ends.append(max(start, end))
    return tuple(ends)
