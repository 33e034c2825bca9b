"""Tests of training windows: joining, cutting, disturbing, targets."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanuensis.training import tokenizer as names
from amanuensis.training.shards import Features
from amanuensis.training.tokenizer import Vocabulary, train
from amanuensis.training.windows import (
    IGNORED,
    SILENCE,
    Recipe,
    Sound,
    cut,
    disturb,
    excerpt,
    finish,
    interrupt,
    join,
    mask,
    targets,
)


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Vocabulary:
    """A tokeniser of narrow sentences."""
    path = Path(tmp_path_factory.mktemp("tokenizer")) / "tokenizer.json"
    train(path, None, seed=1)
    return Vocabulary(path)


def spoken(n_frames: int, starts: list[int], ends: list[int]) -> Features:
    """Features of a sentence whose mel value counts the frames."""
    mel = np.repeat(np.arange(n_frames, dtype=np.float16)[:, None] / 100, 80, axis=1)
    return Features(mel, np.ones(n_frames // 2, np.uint8), starts, ends)


def conversation() -> Sound:
    """Two sentences, 20 frames of pause between them and 40 at the end."""
    parts = [(spoken(100, [10, 50], [40, 90]), "turn left"), (spoken(80, [20], [60]), "stop")]
    return join(parts, [0, 20, 40], ["before", "this"])


def test_joined_sentences_keep_their_times() -> None:
    """Words move by what stands before their sentence; pauses are digital silence without phones."""
    sound = conversation()
    assert sound.mel.shape == (240, 80)
    assert [(w.text, w.start, w.end, w.first) for w in sound.words] == [
        ("turn", 10, 40, True),
        ("left", 50, 90, False),
        ("stop", 140, 180, True),
    ]
    assert (sound.mel[100:120] == SILENCE).all()
    assert not sound.phones[50:60].any()


def test_a_cut_window_holds_only_words_that_are_heard() -> None:
    """A word cut off at an edge is not written; words before the window become its prompt."""
    sound = cut(conversation(), 44, 160)
    assert [w.text for w in sound.words] == ["left"]
    assert sound.words[0].start == 6
    assert sound.before == ["before", "this", "turn"]
    assert len(sound.mel) == 116
    assert len(sound.phones) == 58


@given(st.integers(0, 100), st.integers(20, 120))
def test_words_of_any_cut_lie_inside_it(start: int, length: int) -> None:
    """Whatever the cut, its words have times inside the window, in order."""
    end = min(240, 2 * start + 2 * length)
    sound = cut(conversation(), 2 * start, end)
    assert all(0 <= w.start < w.end <= end - 2 * start for w in sound.words)
    assert all(a.end <= b.start for a, b in pairwise(sound.words))


def test_an_excerpt_holds_only_its_words() -> None:
    """From a little before its first word to a little after its last; neighbours cut off are not written."""
    whole = conversation()
    middle = excerpt(whole, 1, 1, lead=3, tail=3)
    assert [(w.text, w.start, w.end) for w in middle.words] == [("left", 4, 44)]
    assert len(middle.mel) == 48
    tight = excerpt(whole, 0, 2, lead=0, tail=0)
    assert [w.text for w in tight.words] == ["turn", "left", "stop"]
    assert len(tight.mel) == 170


def test_interruptions_leave_words_alone() -> None:
    """Noise at the wanted level lies wherever no word is near, and nowhere else."""
    sound = conversation()
    loud = interrupt(sound, np.zeros((240, 80), np.float32), level=0.2)
    changed = (loud.mel != sound.mel).any(axis=1)
    assert changed[100:130].all()
    assert not changed[10:90].any()
    assert not changed[140:180].any()
    power = np.log10(np.mean(10.0**sound.mel))
    assert loud.mel[110].mean() == pytest.approx(power + 0.2, abs=1e-3)
    assert loud.words == sound.words


def test_targets_are_whispers(vocabulary: Vocabulary) -> None:
    """Labels are the tokens moved by one, the start token predicts what follows it."""
    tokens, labels, guides, text = targets(conversation(), vocabulary, prompt=False, timed=False)
    assert tokens[:2] == [vocabulary.start, vocabulary.no_timestamps]
    assert labels[:-1] == tokens[1:]
    assert labels[-1] == vocabulary.end
    assert vocabulary.decode(labels) == "turn left stop"
    assert tokens[2:] == text
    assert len(guides) == len(tokens) == len(labels)


def test_guides_are_where_each_predicted_token_is_heard(vocabulary: Vocabulary) -> None:
    """The row that predicts a token is guided to that token's own encoder positions."""
    _, labels, guides, _ = targets(conversation(), vocabulary, prompt=False, timed=False)
    spans: dict[str, list[tuple[int, int]]] = {}
    for label, span in zip(labels, guides, strict=True):
        if label < vocabulary.end:
            spans.setdefault("stop" if span[0] >= 70 else "turn left", []).append(span)
        else:
            assert span == (0, 0)
    assert spans["stop"][0][0] == 70
    assert spans["stop"][-1][1] == 90


def test_timestamps_stand_around_each_sentence(vocabulary: Vocabulary) -> None:
    """With timestamps every sentence begins and ends with a time in steps of 20 ms."""
    _, labels, _, _ = targets(conversation(), vocabulary, prompt=False, timed=True)
    times = [label - vocabulary.first_timestamp for label in labels if label >= vocabulary.first_timestamp]
    assert times == [5, 45, 70, 90]


def test_prompts_are_heard_but_not_learnt(vocabulary: Vocabulary) -> None:
    """The previous text stands before the start token and has no loss."""
    tokens, labels, _, _ = targets(conversation(), vocabulary, prompt=True, timed=False)
    start = tokens.index(vocabulary.start)
    assert tokens[0] == vocabulary.previous
    assert vocabulary.decode(tokens[1:start]) == "before this"
    assert labels[:start] == [IGNORED] * start
    assert labels[start] == vocabulary.no_timestamps


@pytest.mark.parametrize("timed", [False, True])
def test_windows_without_speech_say_so(vocabulary: Vocabulary, timed: bool) -> None:
    """Silence makes <|nospeech|> likely after the start token and an empty text."""
    silent = Sound(np.full((100, 80), SILENCE, np.float32), np.zeros(50, np.uint8), [], [])
    _, labels, _, text = targets(silent, vocabulary, prompt=False, timed=timed)
    assert labels == [vocabulary.no_speech, vocabulary.end]
    assert text == []


def test_noise_is_added_at_the_stated_range_of_levels() -> None:
    """Mixing never makes a frame quieter than the sound at the same gain, and the floor is Whisper's."""
    rng = np.random.default_rng(3)
    mel = np.full((50, 80), -3.0, np.float32)
    plain = Recipe(augmentation=0.0, narrow_band=0.0)
    quiet = disturb(mel, plain, None, np.random.default_rng(3))
    noisy = disturb(mel, plain, np.zeros((50, 80), np.float32), rng)
    assert quiet.min() >= SILENCE
    assert noisy.shape == mel.shape
    assert np.ptp(quiet) == 0


def test_masks_blank_little_of_a_window() -> None:
    """At full strength most of a window stays as it was."""
    mel = np.random.default_rng(1).random((500, 80)).astype(np.float32)
    masked = mask(mel, 1.0, np.random.default_rng(2))
    assert 0.5 < (masked == mel).mean() < 1.0


def test_finished_windows_are_scaled_as_whispers(vocabulary: Vocabulary) -> None:
    """Features span at most 2 (8 decades / 4) as after Whisper's clamp."""
    window = finish(conversation(), vocabulary, Recipe(augmentation=0.0), None, np.random.default_rng(1))
    assert np.ptp(window.mel) <= 2.0 + 1e-5
    assert len(window.mel) == 2 * len(window.phones)


def test_special_tokens_follow_whispers_order(vocabulary: Vocabulary) -> None:
    """The end of text comes first, timestamps last, one after the other."""
    ids = [vocabulary.tokenizer.token_to_id(name) for name in (*names.SPECIAL, *names.TIMESTAMPS)]
    assert ids == list(range(vocabulary.end, vocabulary.size))
    assert names.TIMESTAMPS[-1] == "<|30.00|>"
