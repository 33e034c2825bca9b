"""Change of a voice by its spectral envelope: formants moved unevenly, another tilt and colour, more breath.

The envelope is the log spectrum smoothed by keeping its low quefrencies (Oppenheim and Schafer's cepstral smoothing);
what it is changed to multiplies the short-time spectrum, so that pitch and words stay.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amanuensis.npu.log_mel import SAMPLE_RATE

N_FFT = 512
HOP = 128
N_BINS = N_FFT // 2 + 1
QUEFRENCIES = 40  # 2.5 ms: below the period of the highest voices
N_KNOTS = 7  # of random curves over the mel axis
MAX_GAIN_NATS = 3.0  # 26 dB

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class Tract:
    """How a speaker's envelope differs from the synthesiser's.

    `warp` says for each bin from which bin (fractional) its envelope comes; `colour` is added, in nats of amplitude;
    `breath` is the share of noise that replaces the excitation above 1 kHz.
    """

    warp: Float32
    colour: Float32
    breath: float


def mel_curve(rng: np.random.Generator, spread: float, n_bins: int = N_BINS) -> Float32:
    """Return a smooth random curve over frequency with knots even on the mel axis: float32 [n_bins]."""
    mel = np.log1p(np.linspace(0, SAMPLE_RATE / 2, n_bins) / 700.0)
    knots = np.linspace(0, mel[-1], N_KNOTS)
    width = knots[1]
    weights = np.exp(-0.5 * ((mel[:, None] - knots) / (0.7 * width)) ** 2)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True) @ rng.normal(0, spread, N_KNOTS), np.float32)


def random_tract(rng: np.random.Generator) -> Tract:
    """Return a tract as unlike the synthesiser's as people's are unlike each other's."""
    bins = np.arange(N_BINS)
    warp = np.maximum.accumulate(bins * (1 + mel_curve(rng, 0.07)))
    tilt = rng.normal(0, 0.25) * np.log2(np.maximum(bins, 8) / 32)  # nats an octave around 1 kHz
    breath = float(rng.uniform(0, 0.35)) if rng.random() < 0.5 else 0.0
    return Tract(
        np.clip(warp, 0, N_BINS - 1).astype(np.float32), (tilt + mel_curve(rng, 0.45)).astype(np.float32), breath
    )


def with_effort(tract: Tract, nats_per_octave: float) -> Tract:
    """Return the tract of the same speaker who speaks louder or softer: with another tilt."""
    tilt = nats_per_octave * np.log2(np.maximum(np.arange(N_BINS), 8) / 32)
    return Tract(tract.warp, np.asarray(tract.colour + tilt, np.float32), tract.breath)


def scaled(tract: Tract, factor: float) -> Tract:
    """Return the tract with all formants `factor` times as high."""
    warp = np.clip(tract.warp / factor, 0, N_BINS - 1)
    return Tract(np.asarray(warp, np.float32), tract.colour, tract.breath)


def through(samples: Float32, tract: Tract, rng: np.random.Generator) -> Float32:
    """Return the samples, float32 [n] at 16 kHz, as if spoken through the tract; as many as before."""
    window = np.hanning(N_FFT + 1)[:-1].astype(np.float32)
    padded = np.pad(samples, N_FFT)
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP] * window
    spectrum = np.fft.rfft(frames, axis=1).astype(np.complex64)
    envelope = _envelope(spectrum)
    low = tract.warp.astype(np.int64)
    high, share = np.minimum(low + 1, N_BINS - 1), tract.warp - low
    wanted = envelope[:, low] * (1 - share) + envelope[:, high] * share + tract.colour
    gain = np.clip(wanted - envelope, -MAX_GAIN_NATS, MAX_GAIN_NATS)
    spectrum *= np.exp(gain)
    if tract.breath:
        spectrum = _breathy(spectrum, wanted, tract.breath, rng)
    return _overlap_add(np.fft.irfft(spectrum, axis=1).astype(np.float32) * window, len(samples))


def _envelope(spectrum: NDArray[np.complex64]) -> Float32:
    log = np.log(np.abs(spectrum) + 1e-5)
    cepstrum = np.fft.irfft(log, axis=1)
    cepstrum[:, QUEFRENCIES : N_FFT - QUEFRENCIES + 1] = 0
    return np.asarray(np.fft.rfft(cepstrum, axis=1).real, np.float32)


def _breathy(
    spectrum: NDArray[np.complex64], envelope: Float32, share: float, rng: np.random.Generator
) -> NDArray[np.complex64]:
    hz = np.linspace(0, SAMPLE_RATE / 2, N_BINS)
    share_of_bin = (share * np.clip((hz - 500) / 1500, 0, 1)).astype(np.float32)
    noise = rng.standard_normal((*spectrum.shape, 2), dtype=np.float32)
    breath = np.exp(envelope) * (noise[..., 0] + 1j * noise[..., 1])
    return np.asarray(spectrum * (1 - share_of_bin) + breath * share_of_bin, np.complex64)


def _overlap_add(frames: Float32, n_samples: int) -> Float32:
    total = np.zeros(len(frames) * HOP + N_FFT, np.float32)
    for part in range(N_FFT // HOP):  # frames that do not overlap are added at once
        lot = frames[part :: N_FFT // HOP]
        total[part * HOP : part * HOP + lot.size] += lot.reshape(-1)
    return total[N_FFT : N_FFT + n_samples] / np.float32(1.5)  # the sum of squared Hann windows at a quarter hop
