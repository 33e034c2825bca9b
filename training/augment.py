"""Changes of sound: vocal tract length by resampling, rooms, clipping, noises made by formula."""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray

from amanuensis.npu.log_mel import SAMPLE_RATE
from amanuensis.training.speech import Manner, Speech

Float32 = NDArray[np.float32]


def random_manner(rng: np.random.Generator) -> Manner:
    """Return a manner of speaking as widely spread as people's."""
    return Manner(
        tempo=float(rng.uniform(0.78, 1.3)),
        pitch=float(np.exp(rng.normal(0, 0.2))),
        pitch_range=float(rng.uniform(0.6, 1.5)),
        formant=float(np.clip(np.exp(rng.normal(0, 0.1)), 0.82, 1.22)),
    )


def with_formant(speech: Speech, formant: float) -> Speech:
    """Return the speech at 16 kHz, `formant` times shorter and its spectrum as much wider."""
    samples = soxr.resample(speech.samples, speech.rate * formant, SAMPLE_RATE, quality="MQ")
    words = [(start / formant, end / formant) for start, end in speech.words]
    phones = [(end / formant, phone) for end, phone in speech.phones]
    return Speech(np.asarray(samples, np.float32), SAMPLE_RATE, words, phones)


def room_response(rng: np.random.Generator) -> Float32:
    """Return a made-up room response: the direct sound, then decaying noise (T60 0.1 to 0.6 s)."""
    t60_s = rng.uniform(0.1, 0.6)
    t = np.arange(int(t60_s * SAMPLE_RATE)) / SAMPLE_RATE
    tail = rng.standard_normal(len(t)) * 10 ** (-3 * t / t60_s)
    tail[: int(rng.uniform(0.001, 0.01) * SAMPLE_RATE)] = 0
    tail *= 10 ** (rng.uniform(-12, 3) / 20) / np.sqrt(np.sum(tail**2) + 1e-9)
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


def coloured_noise(rng: np.random.Generator, n: int) -> Float32:
    """Return noise whose power falls as a random power of frequency, with slow swells; unit RMS."""
    spectrum = np.fft.rfft(rng.standard_normal(n))
    hz = np.fft.rfftfreq(n, 1 / SAMPLE_RATE)
    spectrum *= np.maximum(hz, 30.0) ** (-rng.uniform(0, 1.3))
    if rng.random() < 0.4:  # a band of its own
        centre, width = rng.uniform(200, 5000), rng.uniform(100, 2000)
        spectrum *= np.exp(-(((hz - centre) / width) ** 2)) + 0.05
    noise = np.fft.irfft(spectrum, n)
    if rng.random() < 0.5:
        points = np.exp(rng.normal(0, 0.6, max(2, n // 4000)))
        noise = noise * np.interp(np.arange(n), np.linspace(0, n, len(points)), points)
    return _unit(noise)


def tones(rng: np.random.Generator, n: int) -> Float32:
    """Return something like music: chords of harmonic notes with decays, on a random beat; unit RMS."""
    sound = np.zeros(n)
    beat = int(rng.uniform(0.12, 0.6) * SAMPLE_RATE)
    scale = 110 * 2 ** (np.array([0, 2, 4, 5, 7, 9, 11, 12, 14, 16, 19, 21]) / 12 + rng.uniform(0, 1))
    for start in range(0, n, beat):
        for hz in rng.choice(scale, rng.integers(1, 4)) * rng.choice((0.5, 1, 2)):
            t = np.arange(min(n - start, beat * 4)) / SAMPLE_RATE
            partials = range(1, int(rng.integers(2, 9)))
            note = sum(np.sin(2 * np.pi * hz * k * t) / k ** rng.uniform(0.7, 2) for k in partials)
            sound[start : start + len(t)] += note * np.exp(-t * rng.uniform(1, 8))
    return _unit(sound)


def clicks(rng: np.random.Generator, n: int) -> Float32:
    """Return knocks, key strokes and clicks: short decaying bursts at random times; unit RMS."""
    sound = np.zeros(n)
    for start in rng.integers(0, n, max(1, int(n / SAMPLE_RATE * rng.uniform(0.5, 8)))):
        length = min(n - start, int(rng.uniform(0.005, 0.15) * SAMPLE_RATE))
        t = np.arange(length) / SAMPLE_RATE
        burst = rng.standard_normal(length) * rng.random() + np.sin(2 * np.pi * rng.uniform(80, 3000) * t)
        sound[start : start + length] += burst * np.exp(-t * rng.uniform(20, 300)) * rng.uniform(0.2, 1)
    return _unit(sound)


def hum(rng: np.random.Generator, n: int) -> Float32:
    """Return mains hum or a motor: a steady harmonic tone with some noise; unit RMS."""
    t = np.arange(n) / SAMPLE_RATE
    hz = rng.choice((50.0, 60.0, float(rng.uniform(30, 400))))
    sound = sum(rng.random() / k * np.sin(2 * np.pi * hz * k * t + rng.uniform(0, 6)) for k in range(1, 12))
    return _unit(sound + 0.1 * rng.standard_normal(n))


def noise(rng: np.random.Generator, n: int) -> Float32:
    """Return one of the made noises, float32 [n], unit RMS."""
    kind = rng.choice((0, 0, 0, 1, 1, 2, 3))
    return (coloured_noise, tones, clicks, hum)[kind](rng, n)


def _unit(sound: NDArray[np.float64]) -> Float32:
    return np.asarray(sound / (np.sqrt(np.mean(sound**2)) + 1e-9), np.float32)
