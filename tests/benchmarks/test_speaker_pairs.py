"""Tests of the measurement of how well voices are told apart."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from amanuensis.benchmarks.sound import continuous_speech
from amanuensis.benchmarks.speaker_pairs import (
    Recording,
    equal_error,
    equalised,
    load_recordings,
    pair_error,
    through_random_channels,
    windows,
)
from amanuensis.benchmarks.speakers import line, pair_errors


def test_scores_that_do_not_overlap_have_no_error() -> None:
    """And those of the wrong order have nothing else; even odds are one half."""
    low, high = np.linspace(0, 0.4, 50), np.linspace(0.6, 1, 70)
    assert equal_error(high, low) == (0.0, 0.6)
    assert equal_error(low, high)[0] == pytest.approx(1.0, abs=0.02)
    assert equal_error(low, low)[0] == pytest.approx(0.5, abs=0.02)


def test_a_known_overlap_has_its_error() -> None:
    """One in five of either kind on the wrong side."""
    same = np.array([0.1, 0.7, 0.8, 0.9, 0.95])
    different = np.array([0.0, 0.2, 0.3, 0.4, 0.85])
    assert equal_error(same, different)[0] == pytest.approx(0.2)


def test_pairs_of_one_recording_do_not_count() -> None:
    """Three recordings of two speakers, two windows each: 4 same pairs and 8 different ones are left."""
    vectors = np.eye(6, dtype=np.float32)[[0, 0, 0, 0, 1, 1]]
    found = pair_error(vectors, np.array([0, 0, 1, 1, 2, 2]), ["a", "a", "b"], 2.0)
    assert (found.windows, found.same_pairs, found.different_pairs) == (6, 4, 8)
    assert found.eer == 0.0
    assert "4 same and 8 different pairs" in line("recorded", found)


def test_windows_are_whole_and_follow_each_other() -> None:
    """Two of 1 s in 2.5 s; none in 0.5 s."""
    recordings = [Recording("a", np.arange(40_000, dtype=np.float32)), Recording("b", np.zeros(8_000, np.float32))]
    cut = list(windows(recordings, 1.0))
    assert [(number, samples[0]) for number, samples in cut] == [(0, 0.0), (0, 16_000.0)]


def test_a_random_channel_changes_the_spectrum_within_its_limits() -> None:
    """Smoothly, by at most 12 dB, the same for the same seed and another for each recording."""
    noise = np.random.default_rng(0).normal(0, 0.1, 32_000).astype(np.float32)
    changed = equalised(noise, np.random.default_rng(1))
    gain_db = 20 * np.log10(np.abs(np.fft.rfft(changed))[1:-1] / np.abs(np.fft.rfft(noise))[1:-1])
    assert np.abs(gain_db).max() < 12.5
    assert gain_db.std() > 1
    pair = [Recording("a", noise), Recording("a", noise)]
    one, other = through_random_channels(pair, 1)
    assert (one.speech != other.speech).any()
    assert np.array_equal(through_random_channels(pair, 1)[0].speech, one.speech)


def test_a_folder_of_two_voices_is_measured(tmp_path: Path) -> None:
    """From recordings of any rate with a manifest to errors at both window lengths, in channels and at 8 kHz too."""
    sound = continuous_speech(40.0)
    rows = []
    for number in range(4):
        speaker = "low" if number % 2 else "high"
        part = sound[number * 160_000 :][:160_000]
        soundfile.write(tmp_path / f"{number}.wav", part, 12_000 if speaker == "low" else 20_000)
        rows.append({"path": f"{number}.wav", "speaker": speaker, "kind": "speaker"})
    (tmp_path / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    errors = pair_errors(tmp_path, None)
    assert {name: list(found) for name, found in errors.items()} == {
        "recorded": ["2s", "3s"],
        "random_channel": ["2s", "3s"],
        "telephone": ["2s", "3s"],
    }
    assert all(error.windows >= 4 and 0 <= error.eer <= 1 for found in errors.values() for error in found.values())


def test_a_folder_without_speakers_is_refused(tmp_path: Path) -> None:
    """The message names the file and the kind of row that is missing."""
    (tmp_path / "manifest.jsonl").write_text('{"path": "a.wav", "kind": "noise"}\n')
    with pytest.raises(ValueError, match=r"manifest.jsonl: has no rows of kind 'speaker'"):
        load_recordings(tmp_path)
