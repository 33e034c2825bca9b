"""Where recordings are cut."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from amanuensis.daemon.archive.pieces import CutRules, Piece, PieceCutter
from amanuensis.stream.vad import FRAME_SAMPLES, VoiceDetector
from tests.helpers.tone_engine import say

RATE = 16_000
RULES = CutRules(stages=((4.0, 1.2), (8.0, 0.6), (12.0, 0.2)), most_s=20.0)


def cut(sound: NDArray[np.float32], rules: CutRules = RULES, step: int = RATE) -> list[Piece]:
    """Cut a whole recording that comes in steps."""
    cutter = PieceCutter(rules)
    pieces = [piece for at in range(0, sound.size, step) for piece in cutter.push(sound[at : at + step])]
    return [*pieces, *cutter.finish()]


def near(decisions: list[bool], sample: int, frames: int) -> list[bool]:
    """What was decided of the frames around a sample."""
    at = sample // FRAME_SAMPLES
    return decisions[max(0, at - frames) : at + frames]


@settings(max_examples=10)
@given(
    words=st.lists(st.integers(0, 6), max_size=60),
    pauses_s=st.lists(st.floats(0, 3), min_size=1, max_size=8),
    step=st.integers(1000, 40_000),
)
def test_pieces_are_the_recording_however_it_comes(words: list[int], pauses_s: list[float], step: int) -> None:
    """No sample is lost, doubled or changed, and the cuts depend on the sound alone."""
    sound = say(words, pauses_s=pauses_s)
    pieces = cut(sound, step=step)
    assert np.array_equal(np.concatenate([piece.samples for piece in pieces]), sound)
    assert [piece.index for piece in pieces] == list(range(len(pieces)))
    assert all(before.stop == after.start for before, after in pairwise(pieces))
    assert [piece.start for piece in pieces] == [piece.start for piece in cut(sound)]
    assert all(piece.samples.size <= RULES.most_s * RATE for piece in pieces)


@settings(max_examples=10)
@given(pauses_s=st.lists(st.floats(0.3, 3), min_size=1, max_size=8), n=st.integers(20, 60))
def test_no_cut_is_in_speech_where_there_are_pauses(pauses_s: list[float], n: int) -> None:
    """Around each cut the voice detector hears nothing."""
    sound = say([k % 7 for k in range(n)], pauses_s=pauses_s)
    decisions = VoiceDetector().push(sound)
    for piece in cut(sound)[:-1]:
        assert not piece.in_speech
        assert not any(near(decisions, piece.stop, 5))


def test_long_pauses_are_preferred() -> None:
    """A piece that may be longer waits for a pause in which a stream forgets its prompt."""
    sound = say([k % 7 for k in range(40)], pauses_s=[0.8] * 7 + [2.0])
    decisions = VoiceDetector().push(sound)
    pieces = cut(sound, CutRules(stages=((4.0, 1.2),), most_s=60.0))
    assert len(pieces) > 2
    assert all(not any(near(decisions, piece.stop, 29)) for piece in pieces[:-1])


def test_sound_without_a_pause_is_cut_where_it_is_quietest() -> None:
    """At the longest, in the quietest frame near the end, and the piece says so."""
    sound = np.concatenate([say([1, 2, 3, 4, 5, 6, 0] * 8, lead_s=0.1)])
    dense = CutRules(stages=((4.0, 5.0),), most_s=10.0)
    pieces = cut(sound, dense)
    assert [piece.in_speech for piece in pieces[:-1]] == [True] * (len(pieces) - 1)
    assert len(pieces) > 2
    assert all(5.0 * RATE <= piece.samples.size <= 10.0 * RATE for piece in pieces[:-1])
    for piece in pieces[:-1]:
        quiet, loud = (np.abs(part).max() for part in (piece.samples[-FRAME_SAMPLES:], piece.samples))
        assert quiet < 0.5 * loud


def test_memory_holds_one_piece() -> None:
    """What was cut off is not kept."""
    cutter = PieceCutter(RULES)
    sound = say([k % 7 for k in range(20)], pauses_s=[1.5])
    for _ in range(10):
        for at in range(0, sound.size, RATE):
            cutter.push(sound[at : at + RATE])
            assert sum(block.size for block in cutter._blocks) <= RULES.most_s * RATE


@pytest.mark.parametrize("n", [0, 1, 319, 320, 321])
def test_hardly_any_sound_is_one_piece(n: int) -> None:
    """A file without samples too: it is heard, and has no words."""
    (piece,) = cut(np.zeros(n, np.float32))
    assert (piece.index, piece.start, piece.samples.size) == (0, 0, n)
