"""Where in the sound each token was heard: peaks of the alignment heads' attention.

Source of the statistics: openai/whisper `whisper/timing.py` (`find_alignment`): softmax over frames, normalised over
tokens, median filter over frames, mean over heads; the row that counts for a token is that of the position which
predicts it. Two readings of them: the frame that each token listens to most, by the best non-decreasing path, and, as
openai/whisper does it, a warping of time that gives every frame to one token.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
FILTER_WIDTH = 7  # frames, openai/whisper's medfilt_width
MIN_ROWS = 4  # fewer rows say nothing about what is usual for a frame; then the attention itself is used
TINY = np.float32(1e-6)
BLOCK_VALUES = 1 << 16  # filtered at once, so that what lies between stays in the cache


class AttentionRows:
    """Attention of the alignment heads by position, from <|startoftranscript|> on."""

    def __init__(self, heads: int, positions: int, frames: int) -> None:
        self._rows = np.empty((heads, positions, frames), np.float32)
        self._length = 0
        self._running = RunningMoments(heads, frames)

    def append(self, attention: Float32) -> None:
        """Add rows, float32 [heads, n, frames]."""
        count = attention.shape[1]
        self._rows[:, self._length : self._length + count] = attention
        self._length += count

    def truncate(self, length: int) -> None:
        """Forget the rows from `length` on."""
        self._length = length
        self._running.restart()

    def peak(self, row: int) -> int:
        """Return the frame that a row attends to most, judged by the rows up to it (AlignAtt)."""
        moments = self._running.upto(self._rows, row + 1)
        scores = self._rows[:, row]
        if row + 1 >= MIN_ROWS:
            mean, deviation = moments
            scores = (scores - mean) / (deviation + TINY)
        return int(median_filter(scores).mean(axis=0).argmax())

    def scores(self, start: int) -> Float32:
        """Return how much each row from `start` on listens to each frame, float32 [n, frames], judged by all rows."""
        heads, length, frames = len(self._rows), self._length, self._rows.shape[2]
        total = np.zeros((length - start, frames), np.float32)
        block = max(1, BLOCK_VALUES // (max(length, 1) * frames))
        for first in range(0, heads, block):
            rows = self._rows[first : first + block, :length]
            if length >= MIN_ROWS:
                rows = (rows - rows.mean(axis=1, keepdims=True)) / (rows.std(axis=1, keepdims=True) + TINY)
            for filtered in median_filter(rows[:, start:]):
                total += filtered
        return np.divide(total, np.float32(heads), out=total)


class RunningMoments:
    """Mean and standard deviation over a growing number of rows, without summing old rows again."""

    def __init__(self, heads: int, frames: int) -> None:
        self._sum = np.zeros((heads, frames), np.float64)
        self._squares = np.zeros((heads, frames), np.float64)
        self._count = 0

    def restart(self) -> None:
        """Begin again with no rows."""
        self._sum[:] = self._squares[:] = 0
        self._count = 0

    def upto(self, rows: Float32, count: int) -> tuple[Float32, Float32]:
        """Return mean and standard deviation, float32 [heads, frames], of the first `count` rows."""
        if count < self._count:
            self.restart()
        for row in range(self._count, count):
            self._sum += rows[:, row]
            self._squares += np.square(rows[:, row], dtype=np.float64)
        self._count = count
        mean = self._sum / count
        variance = np.maximum(self._squares / count - mean * mean, 0)
        return mean.astype(np.float32), np.sqrt(variance).astype(np.float32)


def median_filter(values: Float32) -> Float32:
    """Return the median over FILTER_WIDTH frames of the last axis, mirrored at the ends; short inputs unchanged."""
    half = FILTER_WIDTH // 2
    frames = values.shape[-1]
    if frames <= half:
        return values
    padded = np.pad(values, [(0, 0)] * (values.ndim - 1) + [(half, half)], mode="reflect")
    return _median([padded[..., k : k + frames] for k in range(FILTER_WIDTH)])


def _median(planes: list[Float32]) -> Float32:
    """Return the element-wise median of seven arrays by discarding extremes; far faster than sorting small axes.

    The median of seven lies neither at the least nor the greatest of any five of them, so both may be dropped and two
    more taken in, and so on until one is left.
    """
    kept, rest = planes[:5], planes[5:]
    while len(kept) > 1:
        kept = _without_extremes(kept)
        if rest:
            kept.append(rest.pop())
    return kept[0]


def _without_extremes(planes: list[Float32]) -> list[Float32]:
    """Return arrays that hold the same values at each place, less the least and the greatest one."""
    low, middle = planes[0], []
    for plane in planes[1:]:
        middle.append(np.maximum(low, plane))
        low = np.minimum(low, plane)
    high, inner = middle[0], []
    for plane in middle[1:]:
        inner.append(np.minimum(high, plane))
        high = np.maximum(high, plane)
    return inner


def monotone_path(scores: Float32) -> tuple[int, ...]:
    """Return one frame for each row of scores [n, frames], non-decreasing, with the greatest sum."""
    if not len(scores):
        return ()
    totals = scores[:1].astype(np.float64)
    for row in scores[1:]:
        totals = np.concatenate([totals, (np.maximum.accumulate(totals[-1]) + row)[None]])
    path: list[int] = []
    limit = scores.shape[1]
    for row in totals[::-1]:
        limit = int(row[:limit].argmax()) + 1
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
