"""Speech to measure with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from amanuensis.benchmarks.clips import RATE, SYNTHETIC, Clip, join, load_clips


def test_the_clips_of_the_tests_have_texts() -> None:
    """Every clip of the checkout has sound, text and a set."""
    clips = load_clips(SYNTHETIC)
    assert {clip.set for clip in clips} == {"narrow_seen", "narrow_unseen", "general_seen"}
    assert all(clip.text and 0.3 < clip.seconds < 30 for clip in clips)


def test_a_limit_spreads_over_each_set() -> None:
    """With a limit there are as many clips of each set, and not only its first ones."""
    clips = load_clips(SYNTHETIC, limit=2)
    assert [clip.set for clip in clips].count("narrow_seen") == 2
    assert len({clip.name for clip in clips}) == len(clips) == 6


def test_other_rates_are_refused(tmp_path: Path) -> None:
    """A clip at another rate is named."""
    import soundfile

    soundfile.write(tmp_path / "a.wav", np.zeros(100), 8_000)
    (tmp_path / "manifest.jsonl").write_text('{"path": "a.wav", "text": "a"}\n{"path": "b.wav"}\n')
    with pytest.raises(ValueError, match=r"a\.wav: 8000 Hz"):
        load_clips(tmp_path)


def test_clips_are_joined_with_pauses() -> None:
    """A mixture has the texts in order and the sound of every clip, longer by the pauses."""
    clip = Clip("a", "s", "one two", np.full(RATE, 0.5, np.float32))
    mixture = join([clip] * 6, "long", seed=3)
    assert mixture.text == " ".join(["one two"] * 6)
    assert mixture.set == "long"
    assert 6 * RATE < np.count_nonzero(np.abs(mixture.samples) > 0.4) + 100 < 6 * RATE + 200
    assert mixture.seconds > 12
    assert np.array_equal(mixture.samples, join([clip] * 6, "long", seed=3).samples)
