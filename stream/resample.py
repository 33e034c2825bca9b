"""Sound of any rate to the 16 kHz of the model, sample k at source time k/16000 s."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
import soxr
from numpy.typing import NDArray

__all__ = ["MODEL_RATE", "Quality", "Resampler", "resampled_length"]

MODEL_RATE: Final = 16_000  # Hz, what Whisper reads
Quality = Literal["QQ", "LQ", "MQ", "HQ", "VHQ"]
Samples = NDArray[np.float32]


class Resampler:
    """A streaming resampler to 16 kHz; how the input is cut into chunks makes no difference.

    Output lags behind the input by the filter's delay until `flush`. A source at 16 kHz passes through untouched.
    """

    def __init__(self, rate: int, quality: Quality = "HQ") -> None:
        self._rate = rate
        self._stream = None if rate == MODEL_RATE else soxr.ResampleStream(rate, MODEL_RATE, 1, "float32", quality)
        self._n_in = 0
        self._n_out = 0
        self._flushed = False

    def push(self, samples: Samples) -> Samples:
        """Take source samples, float32 [n]; return the samples at 16 kHz that are complete, float32 [m]."""
        return self._process(samples, last=False)

    def flush(self) -> Samples:
        """End the stream: return what the filter still held, so that all output is round(n * 16000 / rate) samples."""
        if self._flushed:
            raise ValueError("the resampler was flushed already: make a new one for a new stream")
        tail = self._process(np.zeros(0, np.float32), last=True)
        self._flushed = True
        return tail

    def _process(self, samples: Samples, *, last: bool) -> Samples:
        if self._flushed:
            raise ValueError("the resampler was flushed already: make a new one for a new stream")
        self._n_in += samples.size
        if self._stream is None:
            return samples
        out: Samples = self._stream.resample_chunk(samples, last=last)
        if last:
            out = _fit(out, resampled_length(self._n_in, self._rate) - self._n_out)
        self._n_out += out.size
        return out


def resampled_length(n_samples: int, rate: int) -> int:
    """Return round(n * 16000 / rate), half up, in integers: the samples at 16 kHz of `n_samples` source samples."""
    return (2 * n_samples * MODEL_RATE + rate) // (2 * rate)


def _fit(samples: Samples, n: int) -> Samples:
    if samples.size >= n:
        return samples[:n]
    return np.pad(samples, (0, n - samples.size))
