"""Speech cut into windows: two seconds every half second, never over a pause."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amanuensis.stream.voice_windows import PAUSE, StretchEnd, VoiceCutter, VoiceItem, VoiceWindow

FRAME = 320
SECOND = 16_000


def cut(decisions: list[bool], piece: int = 50) -> list[VoiceItem]:
    """Cut sound whose samples count their frames, given `piece` frames at a time."""
    samples = np.repeat(np.arange(len(decisions)) / 32767, FRAME).astype(np.float32)
    cutter, items = VoiceCutter(), []
    for at in range(0, len(decisions), piece):
        items += cutter.push(at * FRAME, samples[at * FRAME : (at + piece) * FRAME], decisions[at : at + piece])
    return [*items, *cutter.end()]


def test_windows_of_a_long_stretch() -> None:
    """The first after a second, then one every half second with the newest two; the rest is in a last one."""
    windows = [item for item in cut([True] * 160) if isinstance(item, VoiceWindow)]
    assert [(w.start / SECOND, w.stop / SECOND) for w in windows] == [(0, 1), (0, 1.5), (0, 2), (0.5, 2.5), (1, 3)]
    assert [w.n_speech / SECOND for w in windows] == [1, 1.5, 2, 2, 2]
    assert windows[-1].samples.dtype == np.float32


@pytest.mark.parametrize(("frames", "n_windows"), [(9, 0), (10, 0), (20, 1), (49, 1), (62, 2), (61, 1)])
def test_a_short_stretch(frames: int, n_windows: int) -> None:
    """Less than 0.4 s has no window; a rest is worth one from a quarter of a second on. The end is told in any case."""
    items = cut([True] * frames + [False] * 20)
    assert sum(isinstance(item, VoiceWindow) for item in items) == n_windows
    assert items[-1] == StretchEnd(0, frames * FRAME)


def test_a_short_pause_is_left_out_of_a_window() -> None:
    """Windows hold speech only; where they lie says from when to when."""
    (first, *_) = cut([True] * 25 + [False] * (PAUSE - 1) + [True] * 25)
    assert isinstance(first, VoiceWindow)
    assert (first.start, first.stop, first.n_speech) == (0, (50 + PAUSE - 1) * FRAME, SECOND)
    kept = np.unique(np.round(first.samples * 32767)).astype(int).tolist()
    assert kept == [*range(25), *range(25 + PAUSE - 1, 50 + PAUSE - 1)]


@settings(deadline=None)
@given(st.lists(st.booleans(), max_size=400), st.integers(1, 60))
def test_however_sound_comes_windows_are_the_same(decisions: list[bool], piece: int) -> None:
    """They are in order, at most two seconds, over no pause, and each stretch has one end behind its windows."""
    items = cut(decisions, piece)
    whole = cut(decisions, len(decisions) or 1)
    assert [type(item) for item in items] == [type(item) for item in whole]
    start = 0
    for item, other in zip(items, whole, strict=True):
        assert (item.start, item.stop) == (other.start, other.stop)
        assert start <= item.start < item.stop
        if isinstance(item, StretchEnd):
            start = item.stop
            continue
        assert item.n_speech == item.pcm.size <= 2 * SECOND
        inside = decisions[item.start // FRAME : item.stop // FRAME]
        assert sum(inside) * FRAME == item.n_speech
        assert "0" * PAUSE not in "".join(str(int(speech)) for speech in inside)
