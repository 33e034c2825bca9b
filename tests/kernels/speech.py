"""Sound for tests of log-mel: recorded speech, made sound, and the frames that Whisper makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import soundfile

from amanuensis.kernels.dtypes import Float32
from amanuensis.kernels.reference.log_mel import N_FFT
from amanuensis.npu.log_mel import HOP_SAMPLES, MARGIN_SAMPLES, SAMPLE_RATE

KINDS: Final = ("", "ljspeech", "librispeech", "digits")  # folders to take one recording each from


def recordings(folder: Path, seconds: float) -> list[Float32]:
    """Return the beginnings of recordings of several speakers and microphones at 16 kHz."""
    found: list[Float32] = []
    for kind in KINDS:
        for path in sorted((folder / kind).glob("*.flac")):
            samples, rate = soundfile.read(path, dtype="float32")
            if rate == SAMPLE_RATE and samples.ndim == 1:
                found.append(samples[: int(seconds * SAMPLE_RATE)])
                break
    return found


def made_sound() -> Float32:
    """Return a second of a rising tone with harmonics, noise, and a pause."""
    t = np.arange(16_000) / SAMPLE_RATE
    phase = 2 * np.pi * (120 * t + 400 * t**2)
    sound = 0.1 * np.sum([np.sin(k * phase) / k for k in range(1, 20)], axis=0)
    sound[5_000:8_000] = 0
    return np.asarray(sound + 1e-4 * np.random.default_rng(1).standard_normal(t.size), np.float32)


def padded_samples(samples: Float32) -> Float32:
    """Return samples with their reflections at both ends, as Whisper frames them."""
    return np.pad(samples, MARGIN_SAMPLES, mode="reflect")


def frames_of(samples: Float32) -> Float32:
    """Return the frames that Whisper makes of a recording, [n, 400]."""
    frames = np.lib.stride_tricks.sliding_window_view(padded_samples(samples), N_FFT)
    return frames[::HOP_SAMPLES][: len(samples) // HOP_SAMPLES]
