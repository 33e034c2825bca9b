"""Tests of the speaker embedding that needs no model folder, on the synthetic voices of the tests."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from amanuensis.npu.speaker_builtin import BuiltinEmbedder, fuse, pitch_point, unit
from amanuensis.npu.speaker_sound import Float32
from amanuensis.npu.speakers import SpeakerEmbedder, load_embedder
from amanuensis.training import voices_espeak, voices_flite
from amanuensis.training.cast import Part, perform
from amanuensis.training.speech import Manner

TEXTS = (
    "The north wind and the sun were disputing which was the stronger of them.",
    "Please call the office in the morning, and ask for the second of the two letters.",
)
needs_voices = pytest.mark.skipif(
    not (voices_flite.available() and voices_espeak.available()), reason="libflite1 or libespeak-ng1 is not installed"
)


@pytest.fixture(scope="module")
def embedder() -> SpeakerEmbedder:
    """The built-in one."""
    return load_embedder(None)


@cache
def speech(voice: str, text: str = TEXTS[0]) -> Float32:
    """Return a voice saying a text, at 16 kHz."""
    return perform(text, Part(voice, Manner())).samples


@needs_voices
def test_one_voice_is_nearer_to_itself_than_to_another(embedder: SpeakerEmbedder) -> None:
    """Whatever is said: of five voices that read two texts, each is nearest to itself."""
    voices = ("flite:slt", "flite:rms", "flite:awb", "espeak:en-us+f3", "espeak:en-gb-x-rp+m3")
    one, other = (np.stack([embedder.embed(speech(voice, text)) for voice in voices]) for text in TEXTS)
    assert list((one @ other.T).argmax(axis=1)) == list(range(len(voices)))


@needs_voices
def test_a_vector_has_the_length_and_size_that_it_says(embedder: SpeakerEmbedder) -> None:
    """Unit length, `dim` numbers, the same each time."""
    clip = speech("flite:slt")
    vector = embedder.embed(clip)
    assert vector.dtype == np.float32
    assert vector.shape == (embedder.dim,)
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)
    assert np.array_equal(vector, embedder.embed(clip))
    assert -1 < embedder.same_above < 1


@needs_voices
def test_loudness_does_not_change_a_voice(embedder: SpeakerEmbedder) -> None:
    """A fifth of the amplitude is the same speaker."""
    clip = speech("flite:rms")
    assert float(embedder.embed(clip) @ embedder.embed(clip * np.float32(0.2))) > 0.99


@pytest.mark.parametrize("n", [1, 10, 500, 16_000 * 20])
@pytest.mark.parametrize("kind", ["silence", "noise", "clipped", "constant"])
def test_any_sound_has_a_vector(embedder: SpeakerEmbedder, n: int, kind: str) -> None:
    """Silence, noise and overdriven sound of any length: finite, of unit length."""
    rng = np.random.default_rng(0)
    sounds = {
        "silence": np.zeros(n),
        "noise": rng.normal(0, 0.1, n),
        "clipped": np.sign(rng.normal(0, 1, n)) * 100,
        "constant": np.ones(n),
    }
    vector = embedder.embed(sounds[kind].astype(np.float32))
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("samples", [np.zeros(0), np.zeros((2, 100)), np.array([0.0, np.nan]), np.array([np.inf])])
def test_what_is_no_sound_is_refused(embedder: SpeakerEmbedder, samples: np.ndarray) -> None:
    """Nothing, two channels, and numbers that are none."""
    with pytest.raises(ValueError, match="speaker embedding of samples"):
        embedder.embed(samples.astype(np.float32))


def test_a_pitch_that_is_unknown_takes_no_part() -> None:
    """Then the other parts alone make the cosine; a pitch an octave away lowers it."""
    part = unit(np.arange(1, 5, dtype=np.float32))
    none, low, high = (fuse(part, part, part, pitch_point(hz)) for hz in (None, 100.0, 200.0))
    assert none @ none == pytest.approx(1.0, abs=1e-6)
    assert low @ low == pytest.approx(1.0, abs=1e-6)
    assert low @ high < 0.95
    assert none @ low == pytest.approx(none @ high, abs=1e-6)


def test_a_folder_without_a_speaker_model_takes_the_built_in_one(tmp_path: Path) -> None:
    """As every Whisper folder is."""
    assert isinstance(load_embedder(tmp_path), BuiltinEmbedder)
