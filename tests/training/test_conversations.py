"""Made conversations with known turns."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from amanuensis.training import conversations, voices_espeak, voices_flite

MISSING = not (voices_flite.available() and voices_espeak.available())


@pytest.mark.skipif(MISSING, reason="flite or espeak-ng is not installed")
def test_a_conversation_has_sound_where_its_turns_are(tmp_path: Path) -> None:
    """Laid out as the measurement reads it; each turn is louder than the pauses, and the same seed makes the same."""
    lines = list(conversations.make(tmp_path / "a", n=2, seed=3, minutes=0.1))
    assert lines[1].startswith("conversations/made1.flac: 2 voices, ")
    rows = [json.loads(line) for line in (tmp_path / "a" / "turns.jsonl").read_text().splitlines()]
    samples, rate = soundfile.read(tmp_path / "a" / rows[1]["path"])
    turns = rows[1]["turns"]
    inside = np.zeros(len(samples), bool)
    for start_s, end_s, _ in turns:
        inside[round(start_s * rate) : round(end_s * rate)] = True
    assert np.std(samples[inside]) > 3 * np.std(samples[~inside])
    assert {who for *_, who in turns} == {"voice0", "voice1"}
    assert all(end <= start for (_, end, _), (start, _, _) in pairwise(turns))
    assert list(conversations.make(tmp_path / "b", n=2, seed=3, minutes=0.1)) == lines
