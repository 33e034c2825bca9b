"""Energy and spectral flatness of mel frames: how loud a frame is, and how much like noise.

Flatness is the geometric by the arithmetic mean of the powers (Johnston 1988, "Transform coding of audio signals using
perceptual noise criteria"): 1 for white noise, near 0 for a tone or a vowel.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from amanuensis.kernels.dtypes import Float32

POWER_FLOOR: Final = np.float32(1e-10)  # Whisper's floor under its logarithm
_LN_10: Final = np.float32(np.log(10.0))


def log_powers(features: Float32) -> Float32:
    """Return the log10 powers of Whisper's features, which are (log10 + 4) / 4 (openai/whisper `audio.py`)."""
    return features * np.float32(4) - np.float32(4)


def energy_gate(log10_powers: Float32) -> Float32:
    """Return energy in dB and flatness of each frame.

    Args:
        log10_powers: float32 [rows, n_mels]; a floor of -10 is put under them.

    Returns:
        float32 [rows, 2]: 10 log10 of the sum of the powers, and their flatness in (0, 1].

    """
    logs = np.maximum(log10_powers, np.log10(POWER_FLOOR))
    highest = logs.max(axis=1, keepdims=True)  # powers relative to the highest: no overflow
    relative = np.exp((logs - highest) * _LN_10).sum(axis=1)
    log_sum = highest[:, 0] + np.log10(relative)
    log_mean = log_sum - np.log10(np.float32(logs.shape[1]))
    flatness = np.exp((logs.mean(axis=1) - log_mean) * _LN_10)
    return np.stack([10 * log_sum, flatness], axis=1).astype(np.float32, copy=False)
