"""The newest samples of a stream, addressed by their position in it."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["SampleRing"]

Samples = NDArray[np.float32]
LEAST_SAMPLES: Final = 1 << 17  # 8 s at 16 kHz: a smaller buffer would be moved too often to be worth its 0.5 MB


class SampleRing:
    """A bounded run of samples, [start, stop) of the stream.

    The samples lie in one piece, so that a view needs no copy, in a buffer that is as large as what is kept asks for:
    when its end is reached they are moved to its front, or to a buffer of another size.
    """

    def __init__(self, capacity: int, position: int = 0) -> None:
        """Begin empty at `position` of the stream."""
        if capacity < 1:
            raise ValueError(f"a ring's capacity must be at least 1 sample, not {capacity}")
        self._buffer: Samples = np.empty(min(LEAST_SAMPLES, 2 * capacity), np.float32)
        self._capacity = capacity
        self._offset = 0  # where `start` lies in the buffer
        self._start = position
        self._stop = position

    @property
    def start(self) -> int:
        """Position of the oldest sample kept."""
        return self._start

    @property
    def stop(self) -> int:
        """Position after the newest sample."""
        return self._stop

    @property
    def capacity(self) -> int:
        """Samples that can be kept."""
        return self._capacity

    def __len__(self) -> int:
        return self._stop - self._start

    def append(self, samples: Samples) -> int:
        """Append float32 [n]; return how many of the oldest samples had to go: [start - dropped, start) is lost.

        Drop what is no longer needed (`drop_before`) before the ring is full, and report a loss as a gap.
        """
        dropped = max(0, len(self) + samples.size - self._capacity)
        stop = self._stop + samples.size
        self.drop_before(min(self._start + dropped, self._stop))
        kept = samples[max(0, samples.size - self._capacity) :]
        self._make_room(kept.size)
        at = self._offset + len(self)
        self._buffer[at : at + kept.size] = kept
        self._stop = stop
        self._start = max(self._start, stop - self._capacity)
        return dropped

    def leap(self, n_samples: int) -> None:
        """Let time pass: the samples kept are those of so much later."""
        self._start += n_samples
        self._stop += n_samples

    def view(self, start: int, stop: int) -> Samples:
        """Return samples [start, stop) as a read-only view; it holds until the next `append`: copy what is to stay.

        Raises:
            IndexError: a part of it is not in the ring.

        """
        if not self._start <= start <= stop <= self._stop:
            raise IndexError(
                f"samples {start} to {stop} are not in the ring, which holds {self._start} to {self._stop}"
            )
        at = self._offset + start - self._start
        view = self._buffer[at : at + stop - start]
        view.flags.writeable = False
        return view

    def drop_before(self, position: int) -> None:
        """Forget the samples before `position`: all when it is beyond the end, none when it is before the start."""
        n = min(max(0, position - self._start), len(self))
        self._start += n
        self._offset += n

    def _make_room(self, n: int) -> None:
        """Leave room for `n` more samples; the copies cost at most two for each appended sample."""
        needed = len(self) + n
        if self._offset + needed <= self._buffer.size:
            return
        size = min(2 * self._capacity, max(LEAST_SAMPLES, needed + needed // 2))
        kept = self._buffer[self._offset : self._offset + len(self)]
        if not size <= self._buffer.size <= 2 * size:
            self._buffer = np.empty(size, np.float32)
        self._buffer[: kept.size] = kept
        self._offset = 0
