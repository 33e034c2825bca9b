"""Sound of any rate to the 16 kHz of the model, sample k at source time k/16000 s."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import numpy as np
import soxr
from numpy.typing import NDArray

__all__ = ["MODEL_RATE", "Quality", "Resampler"]

MODEL_RATE: Final = 16_000  # Hz, what Whisper reads
Quality: TypeAlias = Literal["QQ", "LQ", "MQ", "HQ", "VHQ"]
Samples: TypeAlias = NDArray[np.float32]


class Resampler:
    """A streaming resampler to 16 kHz; how the input is cut into chunks makes no difference.

    Until `flush` the output lags behind the input by the filter's delay: about 37 ms at 48 kHz, 116 ms at 8 kHz.
    Lower qualities save little: all cost 0.2 to 0.6 ms a second of sound. A source at 16 kHz passes through untouched.
    """

    def __init__(self, rate: int, quality: Quality = "HQ") -> None:
        self._stream = None if rate == MODEL_RATE else soxr.ResampleStream(rate, MODEL_RATE, 1, "float32", quality)
        self._flushed = False

    def push(self, samples: Samples) -> Samples:
        """Take source samples, float32 [n]; return the samples at 16 kHz that are complete, float32 [m].

        Raises:
            ValueError: the stream was flushed.

        """
        return self._process(samples, last=False)

    def flush(self) -> Samples:
        """End the stream; return what the filter still held: in all round(n * 16000 / rate) samples came out.

        Raises:
            ValueError: the stream was flushed already.

        """
        tail = self._process(np.zeros(0, np.float32), last=True)
        self._flushed = True
        return tail

    def _process(self, samples: Samples, *, last: bool) -> Samples:
        if self._flushed:
            raise ValueError("the resampler was flushed already: make a new one for a new stream")
        if self._stream is None:
            return samples
        out: Samples = self._stream.resample_chunk(samples, last=last)
        return out
