"""Where in the sound each token was heard: peaks of the alignment heads' attention.

Source of the statistics: openai/whisper `whisper/timing.py` (`find_alignment`): softmax over frames, normalised over
tokens, median filter over frames, mean over heads; the row that counts for a token is that of the position which
predicts it. Two readings of them: the frame that each token listens to most, by the best non-decreasing path, and, as
openai/whisper does it, a warping of time that gives every frame to one token.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
FILTER_WIDTH = 7  # frames, openai/whisper's medfilt_width
MIN_ROWS = 4  # fewer rows say nothing about what is usual for a frame; then the attention itself is used
TINY = np.array(1e-6, np.float32)  # of no axes, as ZERO: of a scalar NumPy would make an array at each use
ZERO = np.array(0, np.float64)
BLOCK_VALUES = 1 << 16  # filtered at once, so that what lies between stays in the cache


class AttentionRows:
    """Attention of the alignment heads by position, from <|startoftranscript|> on."""

    def __init__(self, heads: int, positions: int, frames: int) -> None:
        self._rows = np.empty((heads, positions, frames), np.float32)
        self._length = 0
        self._peaks: Peaks | None = None

    def append(self, attention: Float32) -> None:
        """Add rows, float32 [heads, n, frames]."""
        count = attention.shape[1]
        self._rows[:, self._length : self._length + count] = attention
        self._length += count

    def truncate(self, length: int) -> None:
        """Forget the rows from `length` on."""
        self._length = length
        if self._peaks is not None:
            self._peaks.restart()

    def peak(self, row: int) -> int:
        """Return the frame that a row attends to most, judged by the rows up to it (AlignAtt)."""
        if self._peaks is None:
            self._peaks = Peaks(self._rows)
        return self._peaks.of(row)

    def scores(self, start: int) -> Float32:
        """Return how much each row from `start` on listens to each frame, float32 [n, frames], judged by all rows."""
        heads, length, frames = len(self._rows), self._length, self._rows.shape[2]
        total = np.zeros((length - start, frames), np.float32)
        if not len(total):
            return total
        block = max(1, BLOCK_VALUES // (max(length, 1) * frames))
        for first in range(0, heads, block):
            rows = self._rows[first : first + block, :length]
            if length >= MIN_ROWS:
                mean = rows.mean(axis=1, keepdims=True)
                deviation = rows.std(axis=1, keepdims=True, mean=mean)
                rows = rows[:, start:] - mean
                rows /= np.add(deviation, TINY, out=deviation)
            else:
                rows = rows[:, start:]
            for filtered in MedianFilter(rows.shape)(rows):
                total += filtered
        return np.divide(total, np.float32(heads), out=total)


class Peaks:
    """The frames that rows attend to most, one after the other, in buffers of its own: no array is made for a row.

    Args:
        rows: float32 [heads, positions, frames], filled as decoding goes on.

    """

    def __init__(self, rows: Float32) -> None:
        heads, _, frames = rows.shape
        self._rows = rows
        self._moments = RunningMoments(heads, frames)
        self._filter = MedianFilter((heads, frames))
        self._scores = np.empty((heads, frames), np.float32)
        self._mean = np.empty(frames, np.float32)
        self._heads = np.array(heads, np.float32)
        self._place = np.empty((), np.intp)

    def restart(self) -> None:
        """Forget what was read of the rows, which change."""
        self._moments.restart()

    def of(self, row: int) -> int:
        """Return the frame that a row attends to most, judged by the rows up to it."""
        usual, deviation = self._moments.upto(self._rows, row + 1)
        scores = self._rows[:, row]
        if row + 1 >= MIN_ROWS:
            scores = np.subtract(scores, usual, out=self._scores)
            scores /= np.add(deviation, TINY, out=deviation)
        mean = np.add.reduce(self._filter(scores), axis=0, out=self._mean)
        np.divide(mean, self._heads, out=mean)
        mean.argmax(out=self._place)
        return int(self._place)


class RunningMoments:
    """Mean and standard deviation over a growing number of rows, without summing old rows again."""

    def __init__(self, heads: int, frames: int) -> None:
        shape = heads, frames
        self._sum, self._squares = np.zeros((2, *shape), np.float64)
        self._exact_mean, self._scratch = np.empty((2, *shape), np.float64)
        self._mean, self._deviation = np.empty((2, *shape), np.float32)
        self._count = 0
        self._divisor = np.empty((), np.float64)

    def restart(self) -> None:
        """Begin again with no rows."""
        self._sum.fill(0)
        self._squares.fill(0)
        self._count = 0

    def upto(self, rows: Float32, count: int) -> tuple[Float32, Float32]:
        """Return mean and standard deviation, float32 [heads, frames], of the first `count` rows, until the next call.

        Args:
            rows: float32 [heads, n, frames], n >= count.
            count: of rows, at least 1.

        """
        if count < self._count:
            self.restart()
        mean, scratch = self._exact_mean, self._scratch
        for row in range(self._count, count):
            self._sum += rows[:, row]
            self._squares += np.square(rows[:, row], dtype=np.float64, out=scratch)
        self._count = count
        self._divisor.fill(count)
        self._mean[:] = np.divide(self._sum, self._divisor, out=mean)
        variance = np.divide(self._squares, self._divisor, out=scratch)
        variance -= np.multiply(mean, mean, out=mean)
        self._deviation[:] = np.sqrt(np.maximum(variance, ZERO, out=variance), out=variance)
        return self._mean, self._deviation


class MedianFilter:
    """The median over FILTER_WIDTH frames of the last axis, mirrored at the ends; short inputs stay as they are.

    What is filtered and what comes between lies in buffers of its own, all rows in one line, for which NumPy needs no
    iterator; what is computed across the end of a row is not read.

    Args:
        shape: of what is filtered, no axis of it 0.

    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        *heads, self._frames = shape
        self._padded = np.empty((*heads, self._frames + FILTER_WIDTH - 1), np.float32)
        self._line = self._padded.reshape(-1)
        self._pairs = np.empty((2, self._line.size - 1), np.float32)
        self._work = np.empty((5, self._line.size), np.float32)

    def __call__(self, values: Float32) -> Float32:
        """Return float32 values of the shape filtered; the answer is overwritten by the next call."""
        half, frames = FILTER_WIDTH // 2, self._frames
        if frames <= half:
            return values
        padded, line = self._padded, self._line
        padded[..., half:-half] = values
        padded[..., :half] = values[..., half:0:-1]
        padded[..., -half:] = values[..., -2 : -2 - half : -1]
        low, high = self._pairs  # the lesser and the greater of each two neighbours
        np.minimum(line[:-1], line[1:], out=low)
        np.maximum(line[:-1], line[1:], out=high)
        count = line.size - FILTER_WIDTH + 1
        lows, highs = ([pair[k : k + count] for k in (0, 2, 4)] for pair in (low, high))
        return self._median(lows, highs, line[FILTER_WIDTH - 1 :]).reshape(padded.shape)[..., :frames]

    def _median(self, low: list[Float32], high: list[Float32], last: Float32) -> Float32:
        """Return a buffer that begins with the medians of three ordered pairs and one more.

        That is far faster than sorting small axes. The median of seven is neither the least nor the greatest of any six
        of them, and that of the five that are then left neither of any four.
        """
        a, b, c, d, e = self._work[:, : len(last)]
        np.maximum(low[0], low[1], out=a)  # a and b: the lesser ones of the pairs without the least
        np.maximum(np.minimum(low[0], low[1], out=b), low[2], out=b)
        np.minimum(high[0], high[1], out=c)  # c and d: the greater ones without the greatest
        np.minimum(np.maximum(high[0], high[1], out=d), high[2], out=d)
        least, greatest = np.minimum(a, b, out=e), np.maximum(a, b, out=a)
        np.maximum(least, np.minimum(c, d, out=b), out=e)  # e and a: of those four the two in the middle
        np.minimum(greatest, np.maximum(c, d, out=c), out=a)
        np.minimum(np.maximum(e, a, out=c), last, out=c)
        np.maximum(np.minimum(e, a, out=b), c, out=b)
        median: Float32 = self._work[1]
        return median


def monotone_path(scores: Float32) -> tuple[int, ...]:
    """Return one frame for each row of scores [n, frames], non-decreasing, with the greatest sum."""
    if not len(scores):
        return ()
    totals = scores.astype(np.float64)
    before = np.empty_like(totals[0])
    for earlier, row in pairwise(totals):
        np.add(row, np.maximum.accumulate(earlier, out=before), out=row)
    path: list[int] = []
    limit, place = scores.shape[1], np.empty((), np.intp)
    for row in totals[::-1]:
        limit = int(row[:limit].argmax(out=place)) + 1
        path.append(limit - 1)
    return tuple(reversed(path))


def warped_path(scores: Float32) -> tuple[int, ...]:
    """Return the first frame of each row of scores [n, frames], where every frame belongs to one row, in order.

    The rows are those with the greatest sum of the scores of their frames; a row may have none.
    """
    if not len(scores):
        return ()
    sums = np.zeros((scores.shape[0], scores.shape[1] + 1))
    np.cumsum(scores, axis=1, dtype=np.float64, out=sums[:, 1:])
    totals = sums[0]  # of the rows so far, by the frame at which they end
    splits = []
    for row in sums[1:]:
        gains = totals - row
        best = np.maximum.accumulate(gains)
        splits.append(np.maximum.accumulate(np.where(gains == best, np.arange(len(gains)), 0)))
        totals = best + row
    begins, end = [0] * len(scores), scores.shape[1]
    for k in range(len(splits), 0, -1):
        begins[k] = end = int(splits[k - 1][end])
    return tuple(begins)
