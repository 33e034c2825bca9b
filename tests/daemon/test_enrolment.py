"""The voice of a recording in which one person speaks."""

from __future__ import annotations

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from amanuensis.daemon.enrolled import EnrolError
from amanuensis.daemon.enrolment import Enroller, Enrolment
from amanuensis.stream.voice_jobs import VoiceEmbedder
from tests.helpers.tone_engine import say
from tests.helpers.voices import PitchEmbedder

Float32 = NDArray[np.float32]
WORDS = [0, 3, 1, 6, 2, 4, 5, 0, 2, 6] * 3
LOW_HZ, HIGH_HZ = 120.0, 190.0


def enrol(sound: Float32, piece: int = 16_000, embedder: VoiceEmbedder | None = None) -> Enrolment:
    """Have a voice taken from sound that comes in pieces."""
    enroller = Enroller(embedder or PitchEmbedder())
    for at in range(0, len(sound), piece):
        enroller.hear(sound[at : at + piece])
    return enroller.finish("Anna")


def test_a_voice_is_enrolled_from_its_speech() -> None:
    """Its vector is like those of other recordings, and unlike another voice's; how sound is cut does not matter."""
    low, again, high = (enrol(say(WORDS, pitch_hz=hz)).voice for hz in (LOW_HZ, LOW_HZ, HIGH_HZ))
    assert low.vector @ again.vector > 0.9
    assert low.vector @ high.vector < 0.5
    assert low.speech_s > 5
    other = enrol(say(WORDS, pitch_hz=LOW_HZ), piece=777)
    assert np.array_equal(other.voice.vector, low.vector)
    assert other.odd == 0


@pytest.mark.parametrize("sound", [say(WORDS[:5]), np.zeros(0, np.float32), np.zeros(160_000, np.float32)])
def test_too_little_speech_is_refused(sound: Float32) -> None:
    """What is wrong is said, with what is wanted."""
    with pytest.raises(EnrolError, match=r"[0-4]\.\d s of speech are too few to know a voice by: give at least 5 s"):
        enrol(sound)


@pytest.mark.parametrize("n_others", [10, 30])
def test_two_voices_are_refused(n_others: int) -> None:
    """Also when one of them has but a quarter of the speech."""
    both = np.concatenate([say(WORDS, pitch_hz=LOW_HZ), say(WORDS[:n_others], pitch_hz=HIGH_HZ)])
    with pytest.raises(EnrolError, match="% of the speech is unlike the rest: give a recording of one voice alone"):
        enrol(both)


def test_a_few_words_of_somebody_else_are_left_out() -> None:
    """The vector is that of the voice alone, and it is said that there was another."""
    alone = say(WORDS * 3, pitch_hz=LOW_HZ)
    found = enrol(np.concatenate([alone, say(WORDS[:6], pitch_hz=HIGH_HZ)]))
    assert 0 < found.odd <= 0.1
    assert found.voice.vector @ enrol(alone).voice.vector > 0.99


def test_sound_of_a_telephone_is_told() -> None:
    """Also where a file says another rate; a little hiss above is enough to know that it is none."""
    sound = say(WORDS)
    sound += np.random.default_rng(0).normal(0, 1e-3, len(sound)).astype(np.float32)
    narrow = soxr.resample(soxr.resample(sound, 16_000, 8_000), 8_000, 16_000)
    assert not enrol(sound).is_narrow
    assert enrol(np.asarray(narrow, np.float32)).is_narrow


def test_a_model_that_says_nothing_is_refused() -> None:
    """Vectors without a direction are no voice."""

    class Empty(PitchEmbedder):
        def embed(self, samples: Float32) -> Float32:
            return np.zeros(100, np.float32)

    with pytest.raises(EnrolError, match="speaker model pitch gives vectors that add up to none"):
        enrol(say(WORDS), embedder=Empty())
