"""How right it is who was said to speak."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from amanuensis.benchmarks.speaker_scores import Scores, changes, f1, speaker_of, turn_counts
from amanuensis.benchmarks.speaker_talks import Audience, Heard, SpokenWord, Talk, load_talks
from amanuensis.npu.engine.api import EngineConfig
from amanuensis.npu.loading import load_model
from amanuensis.npu.tokenizer import Tokenizer
from tests.helpers.tone_engine import say
from tests.helpers.voices import PitchEmbedder

TURNS = [(0.0, 4.0, "x"), (5.0, 9.0, "y"), (9.0, 10.0, "y"), (9.5, 12.0, "x")]


def test_a_change_is_where_another_speaker_begins() -> None:
    """Turns of one speaker in a row have one; the first turn counts."""
    assert changes(TURNS) == [0.0, 5.0, 9.5]


@pytest.mark.parametrize(
    ("found", "counts"),
    [
        ([(0.2, 4.0, "a"), (5.4, 9.0, "b"), (9.1, 12.0, "a")], (3, 3, 3)),
        ([(0.0, 4.0, "a"), (5.6, 9.0, "b")], (1, 3, 2)),
        ([(0.0, 0.1, "a"), (0.2, 0.3, "b"), (0.4, 12.0, "a")], (1, 3, 3)),
        ([], (0, 3, 0)),
    ],
)
def test_turns_are_found_to_half_a_second_and_once(
    found: list[tuple[float, float, str]], counts: tuple[int, ...]
) -> None:
    """One change cannot be found by two."""
    assert turn_counts(TURNS, found) == counts


def test_f1() -> None:
    """The harmonic mean of precision and recall; where there is nothing to find and nothing was said it is 1."""
    assert f1(1, 2, 1) == pytest.approx(2 / 3)
    assert (f1(0, 3, 0), f1(0, 0, 0)) == (0, 1)


def test_who_speaks_at_a_time() -> None:
    """Nobody in a pause, and nobody where two do."""
    assert [speaker_of(TURNS, at_s) for at_s in (1.0, 4.5, 9.7, 11.0)] == ["x", None, None, "x"]


def test_scores_of_a_talk() -> None:
    """A perfect answer has no error; a word at the wrong speaker is counted, whatever the names are."""
    pytest.importorskip("pyannote.metrics", reason="pip install 'amanuensis[metrics]'")
    talk = Talk("t", "conversation", tuple(TURNS[:2]), np.zeros(10 * 16_000, np.float32))
    found = [(0.0, 4.0, "A"), (5.0, 9.0, "B")]
    words = [SpokenWord(1, 2, None, "A", "A", 2.5, [(2.5, "A")]), SpokenWord(6, 7, "A", "A", "B", 9.0, [(14.5, "B")])]
    scores = Scores()
    scores.add(talk, Heard(words, found, found, 0.1))
    figures = scores.figures()
    assert set(figures["der"].values()) == {0.0}
    assert figures["turn_f1"] == {"live": 1.0, "final": 1.0}
    assert figures["words_right"] == {
        "at_commit": 0.0,
        "after_5_s": 0.5,
        "after_10_s": 1.0,
        "live": 0.5,
        "final": 1.0,
    }
    assert figures["label_delay_ms"] == {"p50": 1250, "p95": 1925}
    assert figures["cpu_share"] == 0.01


def test_a_folder_of_talks(tmp_path: Path) -> None:
    """Rows without turns are left out; kinds come from the manifest, if there is one."""
    soundfile.write(tmp_path / "a.wav", np.zeros(1600), 16_000)
    rows = [{"path": "b.wav", "lines": []}, {"path": "a.wav", "turns": [[0, 0.1, "x", "words"]]}]
    (tmp_path / "turns.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (talk,) = load_talks(tmp_path)
    assert (talk.kind, talk.turns, talk.seconds) == ("", ((0.0, 0.1, "x"),), 0.1)
    (tmp_path / "manifest.jsonl").write_text('{"path": "a.wav", "kind": "meeting"}\n')
    assert next(load_talks(tmp_path)).kind == "meeting"
    (tmp_path / "turns.jsonl").unlink()
    with pytest.raises(ValueError, match="has no rows with turns"):
        next(load_talks(tmp_path))


def test_a_talk_is_heard_as_if_people_spoke_now(builtin_model: Path) -> None:
    """Words come with a speaker, live and in the end; both voices are found."""
    loaded = load_model(EngineConfig(builtin_model, threads=1))
    parts = [say([0, 3, 1, 6, 2, 4, 5, 0], pitch_hz=hz, lead_s=1.0) for hz in (120.0, 190.0)]
    talk = Talk("t", "", (), np.concatenate(parts))
    heard = Audience(loaded, Tokenizer(builtin_model), PitchEmbedder()).hear(talk)
    assert [who for *_, who in heard.final] == ["A", "B"]
    assert {word.live for word in heard.words} <= {"A", "B"}
    assert all(word.settled_s > word.start_s for word in heard.words)
