"""The sound of one utterance."""

from __future__ import annotations

import numpy as np

from amanuensis.npu.log_mel import log_mel_spectrogram
from amanuensis.stream.ring import SampleRing
from amanuensis.stream.utterance_audio import UtteranceAudio
from amanuensis.stream.voice_map import VoiceMap

ORIGIN = 4_800


def sound(seconds: float) -> tuple[SampleRing, UtteranceAudio, np.ndarray]:
    """Return noise in a ring, and the utterance that starts in it at ORIGIN."""
    samples = np.random.default_rng(0).normal(0, 0.1, round(seconds * 16_000)).astype(np.float32)
    ring = SampleRing(len(samples))
    ring.append(samples)
    return ring, UtteranceAudio(ORIGIN, ring, VoiceMap(), 80), samples


def test_windows_have_whispers_features() -> None:
    """A window of the utterance is the log-mel of its samples, then silence."""
    _, audio, samples = sound(4.0)
    stop = ORIGIN + 2 * 16_000
    audio.features(ORIGIN, ORIGIN + 16_000, 0, 40)
    features = audio.features(ORIGIN, stop, 0, 40)
    whole = log_mel_spectrogram(samples[ORIGIN : stop + 16_000])
    assert features.shape == (80, 240)
    clamped = np.maximum(whole[:, :200], features.min())
    assert np.abs(features[:, :200] - clamped).max() < 1e-4
    assert np.all(features[:, 205:] == features.min())


def test_the_window_moves_on() -> None:
    """A later window drops what is before it."""
    _, audio, _ = sound(4.0)
    assert audio.features(ORIGIN, ORIGIN + 32_000, 0, 0).shape == (80, 200)
    assert audio.features(ORIGIN + 16_000, ORIGIN + 48_000, 0, 1).shape == (80, 201)


def test_the_quietest_place_is_found() -> None:
    """The cut falls into the pause."""
    samples = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    samples[9_000:10_600] = 0
    ring = SampleRing(16_000)
    ring.append(samples)
    audio = UtteranceAudio(0, ring, VoiceMap(), 80)
    assert 9_000 <= audio.quietest(2_000, 15_000) <= 10_600
    assert audio.quietest(100, 300) == 200
    assert audio.quietest(300, 300) == 300
