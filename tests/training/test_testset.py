"""Tests of the synthetic clips and the conversation that are bundled."""

import json
from itertools import pairwise
from pathlib import Path

import pytest

from amanuensis.training import cast, testset
from amanuensis.training.evaluation.sets import read_sound
from amanuensis.training.text import is_held_out, normal_form

CLIPS = Path(__file__).parents[1] / "data" / "synthetic"


def test_bundled_clips_are_held_out_and_as_listed() -> None:
    """Narrow clips are held out by their content; voices of the unseen set are never trained."""
    clips = testset.read(CLIPS)
    assert {clip.set for clip in clips} == {"narrow_seen", "narrow_unseen", "general_seen"}
    for clip in clips:
        assert len(read_sound(CLIPS / clip.path)) / 16_000 == pytest.approx(clip.seconds, abs=0.01)
        assert normal_form(clip.text) == clip.text
        if clip.set.startswith("narrow"):
            assert is_held_out(clip.text)
        assert (clip.voice in cast.UNSEEN) == clip.set.endswith("unseen")


def test_the_demo_lists_its_turns() -> None:
    """Two voices take turns inside the sound, and none of the sentences is trained."""
    from amanuensis.training.demo import TEXTS

    data = Path(__file__).parents[2] / "daemon" / "data"
    turns = json.loads((data / "demo.json").read_text())
    seconds = len(read_sound(data / "demo.flac")) / 16_000
    assert 45 <= seconds <= 60
    assert len({turn["voice"] for turn in turns}) == 2
    assert {normal_form(turn["text"]) for turn in turns} == TEXTS
    assert all(a["end_s"] < b["start_s"] for a, b in pairwise(turns))
    assert turns[-1]["end_s"] < seconds
