"""16-bit sound of one device as if it came from another: rate and channels."""

from __future__ import annotations

from typing import Final

import numpy as np
import soxr
from numpy.typing import NDArray

from amanuensis.daemon.sources.base import Lost
from amanuensis.stream.formats import AudioFormat

QUALITY: Final = "HQ"


class Converter:
    """From one format of s16le to another; does nothing where they are the same.

    Args:
        given: what comes.
        wanted: what goes on.

    """

    def __init__(self, given: AudioFormat, wanted: AudioFormat) -> None:
        assert given.encoding == wanted.encoding == "s16le"
        self._given = given
        self._wanted = wanted
        self._resampler = (
            None
            if given.rate == wanted.rate
            else soxr.ResampleStream(given.rate, wanted.rate, wanted.channels, dtype="int16", quality=QUALITY)
        )

    def seconds(self, data: bytes) -> float:
        """Return how long a piece of the given format lasts."""
        return len(data) / self._given.frame_bytes / self._given.rate

    def take(self, data: bytes) -> bytes:
        """Return a piece of whole sample frames in the wanted format; the resampler may keep some of it for later."""
        if self._given == self._wanted:
            return data
        return self._resampled(self._channels(data), last=False)

    def lost(self, lost: Lost) -> Lost:
        """Return a hole at the wanted rate."""
        return Lost(round(lost.samples * self._wanted.rate / self._given.rate), lost.why)

    def end(self) -> bytes:
        """Return what the resampler has kept."""
        if self._resampler is None:
            return b""
        rest = self._resampled(np.zeros((0, self._wanted.channels), np.int16), last=True)
        self._resampler = None
        return rest

    def _channels(self, data: bytes) -> NDArray[np.int16]:
        frames = np.frombuffer(data, "<i2").reshape(-1, self._given.channels)
        if self._given.channels == self._wanted.channels:
            return frames
        mono = frames.mean(axis=1, keepdims=True).astype(np.int16)
        return np.repeat(mono, self._wanted.channels, axis=1)

    def _resampled(self, frames: NDArray[np.int16], *, last: bool) -> bytes:
        if self._resampler is not None:
            frames = self._resampler.resample_chunk(frames, last=last)
        data: bytes = frames.astype("<i2").tobytes()
        return data
