"""Noises made by formula, so that the model learns what is not speech: hiss, music, knocks, motors, rustle, calls.

Every kind is a function of a random generator and a number of samples at 16 kHz, and returns float32 [n] at unit RMS.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from amanuensis.npu.log_mel import SAMPLE_RATE
from amanuensis.training.speech import Float32

Float64 = NDArray[np.float64]


def coloured(rng: np.random.Generator, n: int) -> Float32:
    """Return noise whose power falls as a random power of frequency, with slow swells."""
    noise = _shaped(rng, n, lambda hz: np.maximum(hz, 30.0) ** (-rng.uniform(0, 1.3)))
    if rng.random() < 0.4:
        noise = _band(rng, n) + 0.05 * noise / (np.std(noise) + 1e-9)
    return _unit(noise * _curve(rng, n, 4000) if rng.random() < 0.5 else noise)


def music(rng: np.random.Generator, n: int) -> Float32:
    """Return something like music: chords of harmonic notes with decays, on a random beat."""
    sound = np.zeros(n)
    beat = int(rng.uniform(0.12, 0.6) * SAMPLE_RATE)
    scale = 110 * 2 ** (np.array([0, 2, 4, 5, 7, 9, 11, 12, 14, 16, 19, 21]) / 12 + rng.uniform(0, 1))
    for start in range(0, n, beat):
        for hz in rng.choice(scale, rng.integers(1, 4)) * rng.choice((0.5, 1, 2)):
            t = _seconds(min(n - start, beat * 4))
            partials = range(1, int(rng.integers(2, 9)))
            note = sum(np.sin(2 * np.pi * hz * k * t) / k ** rng.uniform(0.7, 2) for k in partials)
            sound[start : start + len(t)] += note * np.exp(-t * rng.uniform(1, 8))
    return _unit(sound)


def clicks(rng: np.random.Generator, n: int) -> Float32:
    """Return knocks, key strokes and clicks: short decaying bursts at random times."""
    return _events(rng, n, rng.uniform(0.5, 8), (0.005, 0.15), _click)


def clatter(rng: np.random.Generator, n: int) -> Float32:
    """Return dishes, keys and coins: things that ring inharmonically when struck, in clusters."""
    modes = rng.uniform(200, 7000, int(rng.integers(3, 10)))

    def struck(rng: np.random.Generator, t: Float64) -> Float64:
        rings = (np.sin(2 * np.pi * hz * t + rng.uniform(0, 6)) * np.exp(-t * rng.uniform(8, 120)) for hz in modes)
        return np.asarray(sum(rng.random() * ring for ring in rings) + _click(rng, t) * rng.random())

    return _events(rng, n, rng.uniform(0.5, 12), (0.05, 0.4), struck)


def thumps(rng: np.random.Generator, n: int) -> Float32:
    """Return steps, doors and a table being touched: low thuds."""

    def thud(rng: np.random.Generator, t: Float64) -> Float64:
        low = np.cumsum(rng.standard_normal(len(t))) / np.sqrt(len(t)) * rng.uniform(0, 1)
        return (np.sin(2 * np.pi * rng.uniform(35, 220) * t) + low) * np.exp(-t * rng.uniform(8, 60))

    return _unit(_events(rng, n, rng.uniform(0.4, 4), (0.05, 0.4), thud) + 0.03 * rng.standard_normal(n))


def rustle(rng: np.random.Generator, n: int) -> Float32:
    """Return paper, cloth, rain or breath: many bursts of band noise, short or long."""
    longest_s = float(rng.choice((0.03, 0.2, 0.8)))

    def grain(rng: np.random.Generator, t: Float64) -> Float64:
        return _band(rng, len(t)) * np.sin(np.pi * np.arange(len(t)) / len(t)) ** rng.uniform(0.5, 3)

    return _events(rng, n, rng.uniform(0.4, 1.2) / longest_s, (longest_s / 4, longest_s), grain)


def hum(rng: np.random.Generator, n: int) -> Float32:
    """Return mains hum: a steady harmonic tone with some noise."""
    t = _seconds(n)
    hz = rng.choice((50.0, 60.0, float(rng.uniform(30, 400))))
    sound = sum(rng.random() / k * np.sin(2 * np.pi * hz * k * t + rng.uniform(0, 6)) for k in range(1, 12))
    return _unit(sound + 0.1 * rng.standard_normal(n))


def motor(rng: np.random.Generator, n: int) -> Float32:
    """Return an engine, a drill or a fan: harmonics of a wandering frequency, pulsing, over noise."""
    phase = _phase(rng.uniform(25, 250) * _curve(rng, n, 3000, rng.uniform(0.02, 0.4)))
    harmonics = sum(rng.random() * np.sin(k * phase + rng.uniform(0, 6)) / k**0.5 for k in range(1, 16))
    pulses = 1 + rng.uniform(0, 0.9) * np.sin(phase * rng.choice((0.25, 0.5, 1.0)))
    return _unit((harmonics + coloured(rng, n) * rng.uniform(0.2, 3)) * pulses)


def calls(rng: np.random.Generator, n: int) -> Float32:
    """Return birds, whistles, sirens and alarms: tones that glide, one after the other."""
    base_hz, depth = float(np.exp(rng.uniform(np.log(300), np.log(4000)))), rng.uniform(0.0, 0.5)

    def call(rng: np.random.Generator, t: Float64) -> Float64:
        phase = _phase(base_hz * rng.uniform(0.7, 1.4) * _curve(rng, len(t), 3000, depth))
        shape = np.sin(np.pi * np.arange(len(t)) / len(t)) ** 0.5
        return (np.sin(phase) + rng.uniform(0, 0.7) * np.sin(2 * phase)) * shape

    return _unit(_events(rng, n, rng.uniform(0.5, 5), (0.05, 0.9), call) + 0.02 * rng.standard_normal(n))


def murmur(rng: np.random.Generator, n: int) -> Float32:
    """Return a crowd, or a voice behind a wall: bands of noise and pulses that swell at the rate of syllables."""
    pulses = np.sign(np.sin(_phase(rng.uniform(80, 260) * _curve(rng, n, 3000, 0.15)))) * rng.uniform(0, 1)
    source = np.fft.rfft(rng.standard_normal(n) + pulses)
    hz = np.fft.rfftfreq(n, 1 / SAMPLE_RATE)
    sound = np.zeros(n)
    for centre in rng.uniform((200, 700, 1800), (900, 2200, 3500)):
        formant = np.fft.irfft(source * np.exp(-(((hz - centre) / rng.uniform(100, 500)) ** 2)), n)
        sound += formant * _curve(rng, n, int(SAMPLE_RATE / rng.uniform(2, 9)))
    return _unit(sound)


def noise(rng: np.random.Generator, n: int) -> Float32:
    """Return noise of a random kind, sometimes of two, sometimes coming and going."""
    sound = _kind(rng)(rng, n)
    if rng.random() < 0.3:
        sound = sound + _kind(rng)(rng, n) * np.float32(10 ** rng.uniform(-1, 0))
    if rng.random() < 0.3:
        return _unit(sound * _curve(rng, n, int(rng.uniform(0.2, 1.5) * SAMPLE_RATE)) ** 4)
    return _unit(sound.astype(np.float64))


def _kind(rng: np.random.Generator) -> Callable[[np.random.Generator, int], Float32]:
    return KINDS[int(rng.integers(len(KINDS)))]


KINDS = (coloured, coloured, music, clicks, clatter, thumps, rustle, hum, motor, calls, murmur)


def _seconds(n: int) -> Float64:
    return np.arange(n) / SAMPLE_RATE


def _phase(hz: Float64) -> Float64:
    return np.cumsum(hz) * (2 * np.pi / SAMPLE_RATE)


def _shaped(rng: np.random.Generator, n: int, gain: Callable[[Float64], NDArray[np.floating]]) -> Float64:
    """Return white noise whose spectrum is multiplied by `gain` of the frequency in Hz."""
    hz = np.asarray(np.fft.rfftfreq(n, 1 / SAMPLE_RATE), np.float64)
    spectrum = np.fft.rfft(rng.standard_normal(n)) * gain(hz)
    return np.asarray(np.fft.irfft(spectrum, n), np.float64)


def _band(rng: np.random.Generator, n: int) -> Float64:
    """Return noise of one random band, at unit RMS."""
    centre, width = rng.uniform(200, 6000), rng.uniform(100, 2000)
    return _unit(_shaped(rng, n, lambda hz: np.exp(-(((hz - centre) / width) ** 2)))).astype(np.float64)


def _curve(rng: np.random.Generator, n: int, every: int, depth: float = 0.6) -> Float64:
    """Return a positive random curve around 1 with a point each `every` samples, `depth` in nats."""
    points = np.exp(rng.normal(0, depth, max(2, n // every)))
    return np.interp(np.arange(n), np.linspace(0, n, len(points)), points)


def _click(rng: np.random.Generator, t: Float64) -> Float64:
    burst = rng.standard_normal(len(t)) * rng.random() + np.sin(2 * np.pi * rng.uniform(80, 3000) * t)
    return burst * np.exp(-t * rng.uniform(20, 300))


def _events(
    rng: np.random.Generator,
    n: int,
    per_s: float,
    lengths_s: tuple[float, float],
    event: Callable[[np.random.Generator, Float64], Float64],
) -> Float32:
    """Return sounds of random length and level at random times, at unit RMS."""
    sound = np.zeros(n)
    for start in rng.integers(0, n, max(1, int(n / SAMPLE_RATE * per_s))):
        t = _seconds(min(n - int(start), max(8, int(rng.uniform(*lengths_s) * SAMPLE_RATE))))
        sound[start : start + len(t)] += event(rng, t) * rng.uniform(0.2, 1)
    return _unit(sound)


def _unit(sound: NDArray[np.floating]) -> Float32:
    return np.asarray(sound / (np.sqrt(np.mean(sound**2)) + 1e-9), np.float32)
