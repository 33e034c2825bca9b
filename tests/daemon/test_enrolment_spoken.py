"""Enrolment from recorded speech, with the embedder that is shipped; the figures are those of docs/speakers.md."""

from __future__ import annotations

import json
from collections import defaultdict
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from amanuensis.daemon.enrolled import EnrolError
from amanuensis.daemon.enrolment import Enroller, Enrolment
from amanuensis.npu.speakers import load_embedder

pytestmark = pytest.mark.long
Float32 = NDArray[np.float32]
RATE = 16_000


@pytest.fixture(scope="module")
def readers(speech_dir: Path) -> dict[str, list[Float32]]:
    """The recordings of each reader."""
    found: dict[str, list[Float32]] = defaultdict(list)
    for row in map(json.loads, (speech_dir / "manifest.jsonl").read_text().splitlines()):
        if row["kind"] == "speaker":
            samples, rate = soundfile.read(speech_dir / row["path"], dtype="float32")
            assert rate == RATE
            found[row["speaker"]].append(samples)
    return found


def enrol(samples: Float32) -> Enrolment:
    """Have a voice taken."""
    enroller = Enroller(load_embedder(None))
    enroller.hear(samples)
    return enroller.finish("Anna")


def test_a_reader_is_taken_whole_and_is_like_nobody_else(readers: dict[str, list[Float32]]) -> None:
    """Two halves of the recordings of one are alike, those of two are not."""
    halves = {
        name: [enrol(np.concatenate(part)) for part in (sounds[::2], sounds[1::2])] for name, sounds in readers.items()
    }
    assert all(found.odd == 0 and not found.is_narrow for pair in halves.values() for found in pair)
    for name, (first, second) in halves.items():
        assert first.voice.likeness(second.voice) > 0.8
        for other, (stranger, _) in halves.items():
            assert other == name or first.voice.likeness(stranger.voice) < 0.6


def test_two_readers_are_not_taken_for_one(readers: dict[str, list[Float32]]) -> None:
    """All recordings are refused in which the second has half or 40 % of 30 s."""
    for one, other in permutations(readers, 2):
        for share in (0.4, 0.5):
            n = round(30 * RATE * share)
            both = [np.concatenate(readers[one])[: 30 * RATE - n], np.concatenate(readers[other])[:n]]
            with pytest.raises(EnrolError, match="unlike the rest"):
                enrol(np.concatenate(both))
