"""Speech to measure with, made from the bundled synthetic conversation."""

from __future__ import annotations

from importlib.resources import files
from io import BytesIO

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from amanuensis.stream.vad import VoiceDetector

SAMPLE_RATE = 16_000
FRAME = 320  # samples of one voice decision


def conversation() -> NDArray[np.float32]:
    """Return the bundled conversation, float32 mono at 16 kHz."""
    data = (files("amanuensis.daemon") / "data/demo.flac").read_bytes()
    samples, rate = soundfile.read(BytesIO(data), dtype="float32", always_2d=True)
    return np.asarray(soxr.resample(samples.mean(axis=1), rate, SAMPLE_RATE), np.float32)


def continuous_speech(seconds: float) -> NDArray[np.float32]:
    """Return speech without pauses: the voiced frames of the conversation, one after the other, repeated as needed."""
    sound = conversation()
    voiced = np.array(VoiceDetector().push(sound), bool)
    frames = sound[: len(voiced) * FRAME].reshape(-1, FRAME)[voiced]
    wanted = round(seconds * SAMPLE_RATE)
    return np.resize(frames.ravel(), wanted)
