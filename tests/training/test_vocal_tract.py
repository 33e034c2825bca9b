"""Tests of the change of a voice by its envelope."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from amanuensis.npu.speaker_sound import median_pitch_hz
from amanuensis.training.vocal_tract import N_BINS, Tract, random_tract, scaled, through, with_effort

RATE = 16_000
NEUTRAL = Tract(np.arange(N_BINS, dtype=np.float32), np.zeros(N_BINS, np.float32), 0.0)


def voiced(formant_hz: float, pitch_hz: float = 110.0) -> np.ndarray:
    """Return two seconds of pulses through one resonance."""
    pulses = np.zeros(2 * RATE, np.float32)
    pulses[np.arange(0, len(pulses), RATE / pitch_hz).astype(int)] = 1.0
    t = np.arange(600) / RATE
    return np.convolve(pulses, np.exp(-t * 350) * np.sin(2 * np.pi * formant_hz * t))[: len(pulses)].astype(np.float32)


def centre_hz(samples: np.ndarray) -> float:
    """Return the mean frequency, weighted by power."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    return float(power @ np.fft.rfftfreq(len(samples), 1 / RATE) / power.sum())


def test_a_neutral_tract_changes_nothing() -> None:
    """Analysis and synthesis give back the samples, ends included."""
    sound = voiced(800)
    assert np.allclose(through(sound, NEUTRAL, np.random.default_rng(0)), sound, atol=2e-3 * np.abs(sound).max())


def test_a_scaled_tract_moves_formants_and_keeps_pitch() -> None:
    """A resonance at 800 Hz goes up by about a fifth; the pitch stays."""
    sound = voiced(800)
    moved = through(sound, scaled(NEUTRAL, 1.2), np.random.default_rng(0))
    assert 1.1 < centre_hz(moved) / centre_hz(sound) < 1.3
    pitch_hz = median_pitch_hz(moved)
    assert pitch_hz is not None
    assert abs(pitch_hz - 110) < 4


def test_more_effort_makes_a_voice_brighter() -> None:
    """A tilt upwards raises the mean frequency."""
    sound = voiced(800)
    brighter = through(sound, with_effort(NEUTRAL, 0.4), np.random.default_rng(0))
    assert centre_hz(brighter) > 1.05 * centre_hz(sound)


def test_any_tract_gives_finite_sound_of_the_same_length() -> None:
    """Random tracts with breath, on sound, on silence and on nothing."""
    rng = np.random.default_rng(1)
    for samples in (voiced(600), np.zeros(5000, np.float32), np.zeros(0, np.float32)):
        tract = replace(random_tract(rng), breath=0.3)
        assert (np.diff(tract.warp) >= 0).all()
        changed = through(samples, tract, rng)
        assert len(changed) == len(samples)
        assert np.isfinite(changed).all()
