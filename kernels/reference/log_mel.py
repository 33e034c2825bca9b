"""Log-mel features with the Fourier transform as a matrix product: 400 windowed samples times cosines and sines.

Equations: openai/whisper `audio.py` (power of a 400-point transform, mel filters, log10 with a floor of 1e-10, clamp
to 8 below the window's maximum, (x + 4) / 4). The device multiplies bf16, whose 8 bits would bury quiet bins under the
rounding of loud ones, so samples and cosines are split into two bf16 each, x = high + low, and three of the four
products are added.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np

from amanuensis.kernels.dtypes import Float32, rounded

N_FFT: Final = 400  # samples of a frame: 25 ms at 16 kHz
N_BINS: Final = N_FFT // 2 + 1
POWER_FLOOR: Final = np.float32(1e-10)
RANGE_LOG10: Final = np.float32(8.0)


@cache
def dft_matrix() -> Float32:
    """Return windowed cosines, then sines, float32 [400, 402]; the window is the periodic Hann window."""
    samples = np.arange(N_FFT)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * samples / N_FFT)
    angles = 2 * np.pi / N_FFT * (np.outer(samples, np.arange(N_BINS)) % N_FFT)
    waves = np.concatenate([np.cos(angles), -np.sin(angles)], axis=1)
    return np.asarray(window[:, None] * waves, np.float32)


def log_mel(frames: Float32, filters: Float32) -> Float32:
    """Return Whisper's features of the frames of one window, in float32.

    Args:
        frames: float32 [n, 400], 160 samples apart.
        filters: float32 [n_mels, 201], the mel filter bank.

    Returns:
        float32 [n, n_mels].

    """
    return _finish(frames @ dft_matrix(), filters)


def log_mel_device(frames: Float32, filters: Float32) -> Float32:
    """Return the same with bf16 operands and float32 sums; the filters act on powers rounded to bf16."""
    high, matrix_high = rounded(frames), rounded(dft_matrix())
    low, matrix_low = rounded(frames - high), rounded(dft_matrix() - matrix_high)
    spectrum = high @ matrix_high + high @ matrix_low + low @ matrix_high
    return _finish(spectrum, rounded(filters), bf16_powers=True)


def _finish(spectrum: Float32, filters: Float32, *, bf16_powers: bool = False) -> Float32:
    powers = spectrum[:, :N_BINS] ** 2 + spectrum[:, N_BINS:] ** 2
    mel = (rounded(powers) if bf16_powers else powers) @ filters.T
    logs = np.log10(np.maximum(mel, POWER_FLOOR))
    clamped = np.maximum(logs, logs.max(initial=-np.inf) - RANGE_LOG10)
    return np.asarray((clamped + np.float32(4)) / np.float32(4), np.float32)
