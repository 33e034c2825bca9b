"""Changes of sound: vocal tract length by resampling, rooms, levels, clipping, codecs."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from amanuensis.npu.log_mel import SAMPLE_RATE
from amanuensis.training.speech import Manner, Speech

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class Codec:
    """What sound is sent through: rate in Hz, libsndfile's names, and the loss (0 to 1) where it can be chosen."""

    rate: int
    container: str
    name: str
    loss: float | None = None


# All keep the sound at its place in time, to the sample or two. Opus takes 8 kbit/s here, GSM 13, Vorbis 32, mu-law 64.
CODECS = (
    Codec(8000, "WAV", "GSM610"),
    Codec(8000, "WAV", "ULAW"),
    Codec(8000, "OGG", "OPUS", 1.0),
    Codec(16_000, "OGG", "OPUS", 1.0),
    Codec(16_000, "OGG", "VORBIS", 1.0),
)


def random_manner(rng: np.random.Generator) -> Manner:
    """Return a manner of speaking as widely spread as people's."""
    return Manner(
        tempo=float(rng.uniform(0.78, 1.3)),
        pitch=float(np.exp(rng.normal(0, 0.2))),
        pitch_range=float(rng.uniform(0.6, 1.5)),
        formant=random_formant(rng),
    )


def random_formant(rng: np.random.Generator) -> float:
    """Return a factor on the resonances of the vocal tract as widely spread as people's."""
    return float(np.clip(np.exp(rng.normal(0, 0.1)), 0.82, 1.22))


def with_formant(speech: Speech, formant: float) -> Speech:
    """Return the speech at 16 kHz, `formant` times shorter and its spectrum as much wider."""
    samples = soxr.resample(speech.samples, speech.rate * formant, SAMPLE_RATE, quality="MQ")
    words = [(start / formant, end / formant) for start, end in speech.words]
    phones = [(end / formant, phone) for end, phone in speech.phones]
    return Speech(np.asarray(samples, np.float32), SAMPLE_RATE, words, phones)


def room_response(rng: np.random.Generator) -> Float32:
    """Return the response of a made-up room of any kind: T60 0.1 to 0.6 s, the speaker near or far."""
    return decaying(rng, rng.uniform(0.1, 0.6), (-12, 3))


def decaying(rng: np.random.Generator, t60_s: float, tail_db: tuple[float, float]) -> Float32:
    """Return the direct sound, then noise that decays by 60 dB in `t60_s`; `tail_db` bounds its power beside it."""
    t = np.arange(int(t60_s * SAMPLE_RATE)) / SAMPLE_RATE
    tail = rng.standard_normal(len(t)) * 10 ** (-3 * t / t60_s)
    tail[: int(rng.uniform(0.001, 0.01) * SAMPLE_RATE)] = 0
    tail *= 10 ** (rng.uniform(*tail_db) / 20) / np.sqrt(np.sum(tail**2) + 1e-9)
    tail[0] = 1.0
    return tail.astype(np.float32)


def convolve(samples: Float32, response: Float32) -> Float32:
    """Return `samples` in a room, as long as before."""
    size = 1 << (len(samples) + len(response) - 1).bit_length()
    spectrum = np.fft.rfft(samples, size) * np.fft.rfft(response, size)
    return np.asarray(np.fft.irfft(spectrum, size)[: len(samples)], np.float32)


def level(samples: Float32, dbfs: float) -> Float32:
    """Return `samples` scaled to a root mean square of `dbfs`, peaks kept within [-1, 1]."""
    rms = float(np.sqrt(np.mean(samples**2))) + 1e-9
    gain = min(10 ** (dbfs / 20) / rms, 1.0 / (float(np.abs(samples).max()) + 1e-9))
    return np.asarray(samples * gain, np.float32)


def clip(samples: Float32, share: float) -> Float32:
    """Return `samples` with peaks above `share` of the maximum cut off."""
    limit = share * float(np.abs(samples).max())
    return np.asarray(np.clip(samples, -limit, limit), np.float32)


def coded(samples: Float32, codec: Codec) -> Float32:
    """Return `samples` within [-1, 1] as they come out of a codec, as many as before."""
    file = io.BytesIO()
    sent = samples if codec.rate == SAMPLE_RATE else soxr.resample(samples, SAMPLE_RATE, codec.rate)
    soundfile.write(file, sent, codec.rate, format=codec.container, subtype=codec.name, compression_level=codec.loss)
    file.seek(0)
    heard, rate = soundfile.read(file, dtype="float32")
    if rate != SAMPLE_RATE:
        heard = soxr.resample(heard, rate, SAMPLE_RATE)
    return np.asarray(np.pad(heard, (0, max(0, len(samples) - len(heard))))[: len(samples)], np.float32)
