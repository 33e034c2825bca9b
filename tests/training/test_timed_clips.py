"""Clips with the time of every word."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from amanuensis.training import timed_clips, voices_espeak


def test_clips_have_times_inside_their_sound(tmp_path: Path) -> None:
    """Words are in order and inside the sound, voices alternate, and a folder that is there stays as it is."""
    if not voices_espeak.available():
        pytest.skip("espeak-ng is not installed")
    timed_clips.make(tmp_path, None, seed=4, n_clips=6)
    rows = [json.loads(line) for line in (tmp_path / "manifest.jsonl").read_text().splitlines()]
    assert len(rows) == 6
    assert {row["set"] for row in rows} == {"seen", "unseen"}
    assert {row["disturbed"] for row in rows} == {False, True}
    for row in rows:
        samples, rate = soundfile.read(tmp_path / row["path"], dtype="float32")
        assert " ".join(word for word, _, _ in row["words"]) == row["text"]
        times = [time for _, start, end in row["words"] for time in (start, end) if time is not None]
        assert times
        assert times == sorted(times)
        assert times[0] >= 0.3
        assert times[-1] <= len(samples) / rate
        if not row["disturbed"]:
            said = samples[round(times[0] * rate) : round(times[-1] * rate)]
            assert np.square(said).mean() > 100 * np.square(samples[: round(0.2 * rate)]).mean()
    before = (tmp_path / "manifest.jsonl").read_bytes()
    timed_clips.make(tmp_path, None, seed=5, n_clips=1)
    assert (tmp_path / "manifest.jsonl").read_bytes() == before
