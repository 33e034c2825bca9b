"""Sound as it comes from a source: which sample formats are taken, and how their bytes become mono float samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

__all__ = ["MAX_CHANNELS", "MAX_RATE", "MIN_RATE", "AudioFormat", "Encoding", "FormatError", "PcmDecoder"]

Encoding = Literal["s16le", "f32le", "mulaw"]
Samples: TypeAlias = NDArray[np.float32]
Buffer: TypeAlias = bytes | bytearray | memoryview

MIN_RATE: Final = 8_000  # Hz, telephone
MAX_RATE: Final = 192_000  # Hz, the fastest common sound card
MAX_CHANNELS: Final = 8  # 7.1
# Numbers of no axes: of a scalar NumPy would make an array for each packet.
S16_SCALE: Final = np.array(1 / 32768, np.float32)
FULL_SCALE: Final = np.array(32767 / 32768, np.float32)  # the largest s16 sample: a converter at this level has clipped
DTYPES: Final[dict[Encoding, np.dtype[np.generic]]] = {
    "s16le": np.dtype("<i2"),
    "f32le": np.dtype("<f4"),
    "mulaw": np.dtype("u1"),
}


class FormatError(ValueError):
    """The source's sample format is not one that can be taken; the message says what is."""


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """How a source encodes its sound.

    Attributes:
        encoding: "s16le", "f32le" or "mulaw" (G.711).
        rate: samples a second of each channel, Hz, 8000 to 192000.
        channels: interleaved channels, 1 to 8; they are mixed to one with equal weights.

    Raises:
        FormatError: a value is outside these bounds.

    """

    encoding: Encoding = "s16le"
    rate: int = 16_000
    channels: int = 1

    def __post_init__(self) -> None:
        if self.encoding not in get_args(Encoding):
            raise FormatError(f"encoding {self.encoding!r} is not supported: send {_choice(get_args(Encoding))}")
        _check_range("rate", self.rate, MIN_RATE, MAX_RATE, "resample at the source")
        _check_range("channels", self.channels, 1, MAX_CHANNELS, "mix down at the source")

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """The NumPy type of one sample of one channel."""
        return DTYPES[self.encoding]

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of all channels."""
        return self.dtype.itemsize * self.channels

    @property
    def bytes_per_s(self) -> int:
        """Bytes a second of sound."""
        return self.frame_bytes * self.rate


class PcmDecoder:
    """Turns the bytes of one source into mono float samples at the source's rate.

    Attributes:
        non_finite: NaN or infinite samples that were replaced by 0 so far, over all channels.
        clipped: samples of s16le and f32le at or beyond full scale so far, over all channels;
            those beyond were clipped.

    """

    def __init__(self, fmt: AudioFormat) -> None:
        self.format = fmt
        self.non_finite = 0
        self.clipped = 0
        self._rest = b""

    @property
    def n_waiting_bytes(self) -> int:
        """Bytes of an incomplete sample frame that wait for the rest of it."""
        return len(self._rest)

    def decode(self, data: Buffer) -> Samples:
        """Decode what has come; bytes of an incomplete sample frame are kept for the next call.

        Args:
            data: interleaved samples, cut anywhere.

        Returns:
            float32 [n], in [-1, 1] and finite, mono, at the source's rate.

        """
        view = memoryview(self._rest + bytes(data) if self._rest else data).cast("B")
        n_frames = view.nbytes // self.format.frame_bytes
        whole = n_frames * self.format.frame_bytes
        self._rest = bytes(view[whole:])
        raw = np.frombuffer(view, dtype=self.format.dtype, count=n_frames * self.format.channels)
        return self._mix(self._to_float(raw))

    def _mix(self, samples: Samples) -> Samples:
        n_channels = self.format.channels
        if n_channels == 1:
            return samples
        mono = samples[::n_channels].copy()
        for channel in range(1, n_channels):
            mono += samples[channel::n_channels]
        mono /= np.float32(n_channels)
        return mono

    def _to_float(self, raw: NDArray[np.generic]) -> Samples:
        if self.format.encoding == "mulaw":
            return MULAW_TABLE[raw.view(np.uint8)]
        if self.format.encoding == "s16le":
            samples: Samples = raw.astype(np.float32)
            samples *= S16_SCALE
        else:
            samples = raw.astype(np.float32)
            self._silence_non_finite(samples)
            np.clip(samples, -1.0, 1.0, out=samples)
        self.clipped += int(np.count_nonzero(np.abs(samples) >= FULL_SCALE))
        return samples

    def _silence_non_finite(self, samples: Samples) -> None:
        finite = np.isfinite(samples)
        if not finite.all():
            self.non_finite += int(samples.size - np.count_nonzero(finite))
            samples[~finite] = 0.0


def _mulaw_table() -> Samples:
    """Decode every byte of mu-law (ITU-T G.711, table 2a) to float32 [256] in (-1, 1), on the scale of 16 bits."""
    code = ~np.arange(256, dtype=np.uint8)  # sent inverted
    exponent = (code >> 4) & 7
    mantissa = (code & 15).astype(np.int32)
    magnitude = (((mantissa << 3) + 0x84) << exponent) - 0x84  # 0x84: bias of 33 quarter-steps
    signed = np.where(code & 0x80, -magnitude, magnitude)
    return signed.astype(np.float32) * S16_SCALE


MULAW_TABLE: Final = _mulaw_table()


def _check_range(name: str, value: int, low: int, high: int, advice: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise FormatError(f"audio {name} {value!r} is not supported: it must be {low} to {high}; {advice}")


def _choice(names: tuple[str, ...]) -> str:
    return ", ".join(names[:-1]) + " or " + names[-1]
