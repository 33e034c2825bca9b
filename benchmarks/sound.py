"""Speech to measure with: sound files, and what is made from the bundled synthetic conversation."""

from __future__ import annotations

from importlib.resources import files
from io import BytesIO
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from amanuensis.stream.vad import VoiceDetector

SAMPLE_RATE = 16_000
FRAME = 320  # samples of one voice decision


def read_sound(source: Path | BytesIO) -> NDArray[np.float32]:
    """Return a sound file as float32 mono at 16 kHz."""
    samples, rate = soundfile.read(source, dtype="float32", always_2d=True)
    return np.asarray(soxr.resample(samples.mean(axis=1), rate, SAMPLE_RATE), np.float32)


def spoken(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the frames that the voice detector of the daemon calls speech, one after the other."""
    voiced = np.array(VoiceDetector().push(samples), bool)
    frames = samples[: len(voiced) * FRAME].reshape(-1, FRAME)
    return np.asarray(frames[voiced].ravel(), np.float32)


def conversation() -> NDArray[np.float32]:
    """Return the bundled conversation, float32 mono at 16 kHz."""
    return read_sound(BytesIO((files("amanuensis.daemon") / "data/demo.flac").read_bytes()))


def continuous_speech(seconds: float) -> NDArray[np.float32]:
    """Return speech without pauses: the voiced frames of the conversation, one after the other, repeated as needed."""
    return np.resize(spoken(conversation()), round(seconds * SAMPLE_RATE))
