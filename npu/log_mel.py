"""Whisper's log-mel spectrogram.

Source of the definition: openai/whisper `whisper/audio.py` (16 kHz, 25 ms Hann window, 10 ms hop, Slaney mel
filters, log10, clamp to 8 below the maximum, scale to about [-1, 1]).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
N_FFT = 400  # 25 ms
HOP_SAMPLES = 160  # 10 ms

Float32 = NDArray[np.float32]


@cache
def mel_filters(n_mels: int) -> Float32:
    """Return the Slaney-style mel filter bank, float32 [n_mels, N_FFT // 2 + 1]."""
    linear_step, log_start_hz = 200.0 / 3, 1000.0
    log_start_mel, log_step = log_start_hz / linear_step, np.log(6.4) / 27.0

    def to_mel(hz: float) -> float:
        return hz / linear_step if hz < log_start_hz else log_start_mel + np.log(hz / log_start_hz) / log_step

    mels = np.linspace(0.0, to_mel(SAMPLE_RATE / 2), n_mels + 2)
    edges = np.where(mels < log_start_mel, mels * linear_step, log_start_hz * np.exp(log_step * (mels - log_start_mel)))
    bins = np.fft.rfftfreq(N_FFT, 1 / SAMPLE_RATE)
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    weights = np.maximum(0.0, np.minimum(rising, falling))
    weights *= (2.0 / (edges[2:] - edges[:-2]))[:, None]
    return weights.astype(np.float32)


@cache
def hann_window() -> Float32:
    """Return the periodic Hann window, float32 [N_FFT]."""
    phase = 2 * np.pi * np.arange(N_FFT) / N_FFT
    return (0.5 - 0.5 * np.cos(phase)).astype(np.float32)


def log10_mel(padded: Float32, n_mels: int) -> Float32:
    """Return log10 mel energies, float32 [n_mels, n_frames], of samples already padded by N_FFT // 2 in front."""
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP_SAMPLES]
    spectrum = np.fft.rfft(frames * hann_window(), axis=1)
    power = spectrum.real**2 + spectrum.imag**2
    return np.asarray(np.log10(np.maximum(mel_filters(n_mels) @ power.T.astype(np.float32), 1e-10)), np.float32)


def scale(log_mel: Float32) -> Float32:
    """Clamp to 8 below the window's maximum and scale as Whisper's encoder expects."""
    return np.asarray((np.maximum(log_mel, log_mel.max() - 8.0) + 4.0) / 4.0, np.float32)


def log_mel_spectrogram(samples: Float32, n_mels: int = 80) -> Float32:
    """Return Whisper's features of a whole recording.

    Args:
        samples: float32 [n], 16 kHz mono in [-1, 1], n > N_FFT // 2.
        n_mels: 80, or 128 for large-v3.

    Returns:
        float32 [n_mels, n // HOP_SAMPLES], equal to openai/whisper's.

    """
    padded = np.pad(samples, N_FFT // 2, mode="reflect")
    return scale(
        log10_mel(padded, n_mels)[:, :-1]
        if len(samples) % HOP_SAMPLES == 0
        else log10_mel(padded, n_mels)[:, : len(samples) // HOP_SAMPLES]
    )
