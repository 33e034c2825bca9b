"""Tests of what a voice sounds like: frames of speech, cepstra, pitch."""

from __future__ import annotations

import numpy as np
import pytest

from amanuensis.npu.speaker_sound import (
    N_CEPSTRA,
    N_MELS,
    Float32,
    cepstral_statistics,
    median_pitch_hz,
    spectrum_of,
    speech_mel,
    with_whole_band,
)

RATE = 16_000


def buzz(hz: float, seconds: float) -> Float32:
    """Return a pulse train through a resonance, as a voice has it."""
    pulses = np.zeros(round(seconds * RATE), np.float32)
    pulses[(np.arange(0, len(pulses), RATE / hz)).astype(int)] = 1.0
    t = np.arange(400) / RATE
    return np.convolve(pulses, np.exp(-t * 400) * np.sin(2 * np.pi * 600 * t))[: len(pulses)].astype(np.float32)


@pytest.mark.parametrize("hz", [75.0, 110.0, 180.0, 260.0, 350.0])
def test_the_pitch_of_a_buzz_is_found(hz: float) -> None:
    """To within 3 %, octaves included."""
    assert median_pitch_hz(buzz(hz, 1.0)) == pytest.approx(hz, rel=0.03)


def test_noise_and_silence_have_no_pitch() -> None:
    """Neither has a period, and too short a sound has none either."""
    noise = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    for samples in (noise, np.zeros(RATE, np.float32), buzz(100, 0.04)):
        assert median_pitch_hz(samples) is None


def test_pauses_are_left_out() -> None:
    """Half a second of silence adds no frames but those that reach into the sound."""
    sound = buzz(120, 1.0)
    with_pause = np.concatenate([sound[:8000], np.zeros(8000, np.float32), sound[8000:]])
    assert abs(len(speech_mel(with_pause)) - len(speech_mel(sound))) <= 6


@pytest.mark.parametrize("n", [1, 399, 401, 3200])
def test_any_length_has_frames(n: int) -> None:
    """A single sample is one frame at least, of finite numbers."""
    mel = speech_mel(np.full(n, 0.1, np.float32))
    assert mel.ndim == 2
    assert mel.shape[1] == N_MELS
    assert len(mel) >= 1
    assert np.isfinite(mel).all()


def test_loudness_is_no_part_of_the_cepstra() -> None:
    """The same sound at a tenth of its amplitude has the same statistics."""
    sound = buzz(120, 1.0)
    loud, soft = (cepstral_statistics(speech_mel(sound * np.float32(gain))) for gain in (1.0, 0.1))
    assert loud.shape == (2 * N_CEPSTRA,)
    assert np.allclose(loud, soft, atol=0.05)


def test_a_telephone_gets_the_usual_upper_bands() -> None:
    """Where there is nothing above 4 kHz, clicks left aside, the bands are the usual ones by the level of the frame."""
    rng = np.random.default_rng(0)
    mel = rng.normal(0, 1, (200, N_MELS)).astype(np.float32)
    usual = spectrum_of(np.linspace(1, 0, N_CEPSTRA, dtype=np.float32))
    telephone = mel.copy()
    telephone[:, 62:] = -23.0
    telephone[::20] = 2.0  # clicks
    filled = with_whole_band(telephone, usual)
    assert np.array_equal(filled[:, :59], telephone[:, :59])
    assert np.allclose(
        filled[:, 59:] - telephone[:, 47:59].mean(axis=1, keepdims=True), usual[59:] - usual[47:59].mean(), atol=1e-5
    )


def test_a_whole_band_and_silence_stay_as_they_are() -> None:
    """Quiet upper bands are bands; sound of which all is quiet is nothing to fill."""
    usual = spectrum_of(np.ones(N_CEPSTRA, np.float32))
    mel = np.random.default_rng(0).normal(0, 1, (50, N_MELS)).astype(np.float32)
    mel[:, 62:] -= 11.0  # 48 dB
    silence = np.full((1, N_MELS), -23.0, np.float32)
    for whole in (mel, silence):
        assert with_whole_band(whole, usual) is whole
