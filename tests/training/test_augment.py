"""Tests of changes of sound."""

import numpy as np
import pytest

from amanuensis.training import augment
from amanuensis.training.speech import Manner, Speech


def tone(seconds: float, hz: float = 300.0, rate: int = 22_050) -> Speech:
    """A tone that claims to be two words."""
    t = np.arange(int(seconds * rate)) / rate
    words = [(0.0, seconds / 2), (seconds / 2, seconds)]
    return Speech(np.sin(2 * np.pi * hz * t).astype(np.float32), rate, words, [(seconds, 1)])


@pytest.mark.parametrize("formant", [0.82, 1.0, 1.22])
def test_a_shorter_vocal_tract_shortens_sound_and_times_alike(formant: float) -> None:
    """Resampling by a factor divides length and word times by it and multiplies frequencies."""
    changed = augment.with_formant(tone(2.0), formant)
    seconds = len(changed.samples) / changed.rate
    assert seconds == pytest.approx(2.0 / formant, abs=0.01)
    assert changed.words[-1][1] == pytest.approx(seconds, abs=0.01)
    peak_hz = np.argmax(np.abs(np.fft.rfft(changed.samples))) / seconds
    assert peak_hz == pytest.approx(300 * formant, rel=0.01)


def test_manners_stay_within_what_people_do() -> None:
    """Random manners are bounded."""
    rng = np.random.default_rng(1)
    for manner in (augment.random_manner(rng) for _ in range(500)):
        assert isinstance(manner, Manner)
        assert 0.82 <= manner.formant <= 1.22
        assert 0.78 <= manner.tempo <= 1.3
        assert 0.3 < manner.pitch < 3


def test_a_room_keeps_length_and_the_direct_sound_in_place() -> None:
    """A click stays where it was, what follows it is the room."""
    rng = np.random.default_rng(2)
    click = np.zeros(8_000, np.float32)
    click[1_000] = 1.0
    heard = augment.convolve(click, augment.room_response(rng))
    assert len(heard) == len(click)
    assert np.abs(heard[:1_000]).max() < 1e-4
    assert heard[1_000] == pytest.approx(1.0, abs=1e-3)


def test_levels_are_reached_unless_peaks_forbid() -> None:
    """The root mean square is the one asked for, and nothing exceeds full scale."""
    sound = tone(1.0).samples
    quiet = augment.level(sound, -30.0)
    assert 20 * np.log10(np.sqrt(np.mean(quiet**2))) == pytest.approx(-30.0, abs=0.01)
    assert np.abs(augment.level(sound, 0.0)).max() <= 1.0 + 1e-6


def test_clipping_cuts_only_peaks() -> None:
    """Samples below the limit stay as they are."""
    sound = tone(0.1).samples
    cut = augment.clip(sound, 0.5)
    below = np.abs(sound) < 0.49
    assert np.array_equal(cut[below], sound[below])
    assert np.abs(cut).max() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("codec", augment.CODECS, ids=lambda codec: f"{codec.name}-{codec.rate}")
def test_a_codec_loses_something_and_moves_nothing(codec: augment.Codec) -> None:
    """What comes out is as long, at its place, alike and not the same; word times of the speech stay true."""
    t = np.arange(2 * 16_000 + 123) / 16_000
    sound = (0.3 * np.sin(2 * np.pi * (300 + 700 * t) * t)).astype(np.float32)
    heard = augment.coded(sound, codec)
    assert heard.shape == sound.shape
    assert heard.dtype == np.float32
    middle = slice(8_000, 24_000)
    alike = [np.corrcoef(sound[middle], np.roll(heard, -shift)[middle])[0, 1] for shift in range(-40, 41)]
    assert abs(int(np.argmax(alike)) - 40) <= 2
    assert 0.85 < max(alike) < 1.0
    assert not np.array_equal(heard, sound)
