"""Sound of one device as if it came from another."""

from __future__ import annotations

import numpy as np
import pytest

from amanuensis.daemon.sources.base import Lost
from amanuensis.daemon.sources.converter import Converter
from amanuensis.stream.formats import AudioFormat

HEADSET, CARD = AudioFormat("s16le", 16_000, 1), AudioFormat("s16le", 48_000, 2)


def tone(fmt: AudioFormat, seconds: float) -> bytes:
    """A tone of 440 Hz on every channel."""
    at = np.arange(round(seconds * fmt.rate)) / fmt.rate
    wave = (8000 * np.sin(2 * np.pi * 440 * at)).astype("<i2")
    return np.repeat(wave[:, None], fmt.channels, axis=1).tobytes()


def test_the_same_format_passes_untouched() -> None:
    """Nothing is computed where nothing has to be."""
    converter = Converter(CARD, CARD)
    sound = tone(CARD, 0.1)
    assert converter.take(sound) + converter.end() == sound


@pytest.mark.parametrize(("given", "wanted"), [(HEADSET, CARD), (CARD, HEADSET)])
def test_rate_and_channels_are_changed_and_the_tone_stays(given: AudioFormat, wanted: AudioFormat) -> None:
    """Piece by piece, as long as before, on every channel."""
    converter = Converter(given, wanted)
    sound, step = tone(given, 1.0), given.rate // 50 * given.frame_bytes
    out = b"".join(converter.take(sound[at : at + step]) for at in range(0, len(sound), step)) + converter.end()
    frames = np.frombuffer(out, "<i2").reshape(-1, wanted.channels)
    expected = np.frombuffer(tone(wanted, 1.0), "<i2").reshape(-1, wanted.channels)
    assert frames.shape == expected.shape
    middle = slice(wanted.rate // 4, 3 * wanted.rate // 4)
    assert np.abs(frames[middle].astype(int) - expected[middle]).max() < 80  # a hundredth of the tone


def test_holes_and_lengths_are_told_at_the_right_rate() -> None:
    """A hole of a second is a second, and so is a piece."""
    converter = Converter(HEADSET, CARD)
    assert converter.lost(Lost(16_000, "why")) == Lost(48_000, "why")
    assert converter.seconds(tone(HEADSET, 0.5)) == 0.5
