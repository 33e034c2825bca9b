"""Tests of scoring, and of the synthetic clips that the other tests use."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from amanuensis.training import cast, testset
from amanuensis.training.evaluate import Utterance, pairs, read_sound, recorded_text, score, table, word_errors
from amanuensis.training.text import is_held_out, normal_form

CLIPS = Path(__file__).parents[1] / "data" / "synthetic"


@pytest.mark.parametrize(
    ("reference", "hypothesis", "errors"),
    [("a b c", "a b c", 0), ("a b c", "a x c", 1), ("a b c", "", 3), ("", "a", 1), ("a b c d", "b c d e", 2)],
)
def test_word_errors_are_the_edit_distance(reference: str, hypothesis: str, errors: int) -> None:
    """Substitutions, insertions and deletions count one each."""
    assert word_errors(reference.split(), hypothesis.split()) == errors


def test_scores_count_sets_and_voices() -> None:
    """A set's score is the sum over its voices."""
    silence = np.zeros(1_600, np.float32)
    utterances = [Utterance(silence, "one two", "narrow", "a"), Utterance(silence, "three", "narrow", "b")]
    scores = score(utterances, ["One, two.", "four"])
    assert scores["narrow", "all"].wer == pytest.approx(1 / 3)
    assert scores["narrow", "a"].errors == 0
    assert "| narrow | all | 2 | 3 | 33.3% |" in table(scores)


def test_texts_of_recordings_are_compared_as_words() -> None:
    """Digits become words; rows without text are left out."""
    assert recorded_text({"kind": "digit", "text": "7"}) == "seven"
    assert recorded_text({"kind": "utterance", "text": "Ask not, Mr. X"}) == "ask not mr x"
    assert recorded_text({"kind": "noise", "text": None}) == ""


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


def test_pairs_join_two_clips_of_a_set() -> None:
    """Sound and text of two clips follow each other; unseen voices are not paired."""
    clips = [Utterance(np.full(10 + i, i, np.float32), f"w{i}", "narrow_seen", "a") for i in range(3)]
    clips.append(Utterance(np.zeros(5, np.float32), "x", "narrow_unseen", "b"))
    (pair,) = pairs(clips)
    assert (pair.text, pair.set, len(pair.sound)) == ("w0 w1", "narrow_seen_pairs", 21)
