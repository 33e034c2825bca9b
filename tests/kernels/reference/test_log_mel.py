"""Log-mel by matrix products, against Whisper's features by the fast transform."""

from __future__ import annotations

import numpy as np
import pytest

from amanuensis.kernels.reference.log_mel import N_FFT, dft_matrix, log_mel, log_mel_device
from amanuensis.npu.log_mel import HOP_SAMPLES, MARGIN_SAMPLES, log_mel_spectrogram, mel_filters


def sweep() -> np.ndarray:
    """Return two seconds of a rising tone with harmonics, noise, and a pause."""
    t = np.arange(32_000) / 16_000
    phase = 2 * np.pi * (120 * t + 40 * t**2)
    sound = sum(np.sin(k * phase) / k for k in range(1, 20)) * 0.1
    sound[10_000:16_000] = 0
    return (sound + 1e-4 * np.random.default_rng(1).standard_normal(t.size)).astype(np.float32)


def framed(samples: np.ndarray) -> np.ndarray:
    """Return the frames that Whisper makes of a recording, [n, 400]."""
    padded = np.pad(samples, MARGIN_SAMPLES, mode="reflect")
    return np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP_SAMPLES][: len(samples) // HOP_SAMPLES]


def test_the_product_is_the_transform() -> None:
    """Cosines and sines of windowed noise equal the fast transform."""
    frame = np.random.default_rng(2).standard_normal(N_FFT).astype(np.float32)
    truth = np.fft.rfft(frame * (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)))
    found = frame @ dft_matrix()
    assert np.allclose(found[:201] + 1j * found[201:], truth, atol=1e-4)


@pytest.mark.parametrize("n_mels", [80, 128])
def test_features_are_whispers(n_mels: int) -> None:
    """In float32 the same; with the operands of the device correlation 0.9999, and no mel bin dead."""
    truth = log_mel_spectrogram(sweep(), n_mels).T
    exact = log_mel(framed(sweep()), mel_filters(n_mels))
    device = log_mel_device(framed(sweep()), mel_filters(n_mels))
    assert np.abs(exact - truth).max() < 1e-3
    assert np.corrcoef(device.ravel(), truth.ravel())[0, 1] > 0.9999
    assert np.abs(device - truth).max() < 0.05
    assert (device.std(axis=0) > 0).all()
