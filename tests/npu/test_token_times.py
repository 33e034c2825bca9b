"""When tokens are said."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from amanuensis.npu.token_times import (
    EARLIEST_MS,
    FRAME_MS,
    HOP_MS,
    LONGEST_MS,
    Loudness,
    TokenTimes,
    from_peaks,
    from_warping,
)


def loudness(*spans: tuple[int, int], length_ms: int = 2_000, noise: float = 0.1) -> Loudness:
    """Return a window that is loud in spans of milliseconds over a noise, with digital silence at its end."""
    rng = np.random.default_rng(3)
    levels = np.full(length_ms // HOP_MS, -0.5, np.float32) + noise * rng.random(length_ms // HOP_MS)
    for start, end in spans:
        levels[start // HOP_MS : end // HOP_MS] = 0.8
    levels[-10:] = -1.5
    return Loudness(np.tile(levels.astype(np.float32), (80, 1)))


def test_a_token_begins_its_lag_before_the_middle_of_its_frame() -> None:
    """Starts are those of the attention, less its known lag, and never before the window."""
    times = from_peaks((0, 10, 20), 30.0, loudness((0, 2_000)))
    assert times.starts_ms == (0, 180, 380)
    assert times.frames == (0, 10, 20)


def test_a_token_ends_where_the_next_begins() -> None:
    """Without silence between them, tokens follow each other."""
    times = from_peaks((10, 20), 0.0, loudness((0, 1_900)))
    assert times.ends_ms == (times.starts_ms[1], 20 * FRAME_MS + LONGEST_MS)


def test_a_token_ends_where_silence_begins() -> None:
    """A pause ends a token, and the last token ends with the sound, in noise as well."""
    for noise in (0.0, 0.1, 0.3):
        times = from_peaks((10, 50), 0.0, loudness((200, 520), (1_000, 1_240), noise=noise))
        assert times.ends_ms == (520, 1_240)


def test_the_closure_of_a_stop_is_no_pause() -> None:
    """A silence of less than 60 ms does not end a token."""
    times = from_peaks((10, 30), 0.0, loudness((200, 400), (450, 1_500)))
    assert times.ends_ms[0] == times.starts_ms[1]


def test_a_pause_before_a_token_is_not_in_it() -> None:
    """A warping that gives the pause before a word to the word is corrected by the sound."""
    times = from_warping((12, 50), (0, 20), loudness((200, 500), (960, 1_300)))
    assert times.starts_ms == (200, 960)
    assert times.ends_ms == (500, 1_300)


def test_a_warping_that_begins_too_early_is_bounded() -> None:
    """However early the warping lets a token begin, it begins at most 200 ms before the frame that it listens to."""
    times = from_warping((60,), (0,), loudness((0, 1_900)))
    assert times.starts_ms == (60 * FRAME_MS + HOP_MS - EARLIEST_MS,)


def test_nothing_but_digital_silence() -> None:
    """Windows of a single level, and without tokens, are no trouble."""
    silence = Loudness(np.zeros((80, 100), np.float32))
    assert from_peaks((), 8.0, silence) == from_warping((), (), silence) == TokenTimes((), (), ())
    assert from_peaks((3,), 8.0, silence).starts_ms == (62,)


@given(
    st.integers(1, 300),
    st.lists(st.integers(0, 149), max_size=30).map(sorted),
    st.lists(st.integers(0, 150), max_size=30).map(sorted),
    st.integers(-500, 500),
    st.integers(0, 1 << 30),
)
def test_times_are_in_order(n_hops: int, frames: list[int], begins: list[int], lag_ms: int, seed: int) -> None:
    """Whatever attention and sound are, each token ends after it begins and before the next one begins."""
    window = Loudness(np.random.default_rng(seed).normal(size=(4, n_hops)).astype(np.float32))
    last = (n_hops - 1) // 2
    frames, begins = ([min(frame, last) for frame in frames], [min(begin, last + 1) for begin in begins])
    count = min(len(frames), len(begins))
    for times in (from_peaks(frames, lag_ms, window), from_warping(frames[:count], begins[:count], window)):
        order = [at for span in zip(times.starts_ms, times.ends_ms, strict=True) for at in span]
        assert order == sorted(order)
        assert all(at >= 0 for at in order)
