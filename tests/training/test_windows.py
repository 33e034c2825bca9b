"""Tests of training windows: joining, cutting, disturbing, targets."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanuensis.training import tokenizer as names
from amanuensis.training.shards import Features
from amanuensis.training.tokenizer import Vocabulary
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
    reverberate,
    targets,
    warp,
)


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


def test_a_mark_is_heard_where_its_word_ends(vocabulary: Vocabulary) -> None:
    """The letters share a word's positions among them, a mark has the one after; only marks do."""
    sound = join([(spoken(100, [10, 50], [40, 90]), "Left, right.")], [0, 0], [])
    _, labels, guides, _ = targets(sound, vocabulary, prompt=False, timed=False)
    heard = [(vocabulary.tokenizer.id_to_token(label), span) for label, span in zip(labels, guides, strict=True)]
    marks = {name: span for name, span in heard if name in {",", "."}}
    assert marks == {",": (20, 21), ".": (45, 46)}
    letters = [span for name, span in heard if name not in {",", "."} and span != (0, 0)]
    assert letters[0][0] == 5
    assert max(end for _, end in letters) == 45
    assert all(start < 20 or start >= 25 for start, _ in letters)


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
    """Noise lies 5 to 45 dB below the speech, and nothing lies below Whisper's floor."""
    recipe = Recipe(augmentation=0.0, narrow_band=0.0, warped=0.0, reverberant=0.0)
    half = np.full((50, 80), -1.0, np.float32)
    half[:, 40:] = SILENCE
    hiss = np.zeros((50, 80), np.float32)
    heard = [disturb(half, recipe, hiss, np.random.default_rng(seed)) for seed in range(100)]
    below_db = np.array([10 * (mel[0, 0] - mel[0, 79] - np.log10(2)) for mel in heard])
    assert below_db.min() == pytest.approx(5, abs=2)
    assert below_db.max() == pytest.approx(45, abs=2)
    assert min(mel.min() for mel in heard) >= SILENCE
    assert np.ptp(disturb(half, recipe, None, np.random.default_rng(1))[:, :40]) == 0


@pytest.mark.parametrize("factor", [0.88, 1.0, 1.14])
def test_a_shorter_tract_moves_every_band_up(factor: float) -> None:
    """What was at band b is at b times the factor; the top is what was there."""
    bands = np.arange(80, dtype=np.float32)
    warped = warp(np.tile(bands, (3, 1)), factor)
    np.testing.assert_allclose(warped[1], np.minimum(bands / factor, 79), atol=1e-4)
    assert warped.dtype == np.float32


def test_a_room_prolongs_what_is_said() -> None:
    """The tail falls by 60 dB in its time, has the stated power beside the direct sound, and comes after it."""
    click = np.full((400, 80), SILENCE, np.float32)
    click[100] = 0.0
    heard = reverberate(click, t60_s=0.4, level_db=-6.0)
    late = 10.0 ** heard.astype(np.float64) - 10.0 ** click.astype(np.float64)
    assert late.sum(axis=0) == pytest.approx(np.full(80, 10**-0.6), rel=1e-3)
    np.testing.assert_allclose(np.diff(heard[101:120], axis=0), -6 / 40, atol=1e-3)
    assert heard[:100].max() < -6


def test_a_telephone_has_no_treble_and_sometimes_no_bass() -> None:
    """The middle bands stay, those above the edge are lost, those below the lower edge in about half of the draws."""
    recipe = Recipe(augmentation=0.0, narrow_band=1.0, warped=0.0, reverberant=0.0)
    heard = [
        disturb(np.full((4, 80), -3.0, np.float32), recipe, None, np.random.default_rng(seed)) for seed in range(60)
    ]
    loss = np.array([mel[0, 30] - mel[0] for mel in heard])
    assert np.abs(loss[:, 9:54]).max() < 1e-5
    assert (loss[:, 79] > 2).all()
    assert 0.25 < (loss[:, 0] > 0.3).mean() < 0.65
    assert loss[:, 0].max() <= 3 + 1e-5


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
