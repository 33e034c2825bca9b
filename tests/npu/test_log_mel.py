"""Log-mel equals Whisper's definition, and a stream's equals a recording's however it is cut."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from amanuensis.npu import log_mel
from amanuensis.npu.log_mel import HOP_SAMPLES, IncrementalLogMel, log_mel_spectrogram, mel_filters

TOLERANCE = 1e-6  # of features of about [-1, 1]: matrix products differ in the last bit with the number of frames


def sound(n: int, seed: int = 0) -> NDArray[np.float32]:
    """Return noise whose level and pitch change, with a stretch of digital silence."""
    random = np.random.default_rng(seed)
    t = np.arange(n) / 16_000
    level = 0.02 + 0.3 * np.sin(2 * np.pi * 1.3 * t) ** 2
    samples = level * np.sin(2 * np.pi * (200 + 50 * np.sin(t)) * t) + 0.01 * random.standard_normal(n)
    samples[n // 3 : n // 3 + 3000] = 0
    return samples.astype(np.float32)


def by_definition(samples: NDArray[np.float32], n_mels: int) -> NDArray[np.float64]:
    """Return Whisper's features in float64, with the Fourier transform written out."""
    padded = np.pad(samples.astype(np.float64), 200, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    transform = np.exp(-2j * np.pi * np.outer(np.arange(201), np.arange(400)) / 400)
    frames = [padded[at : at + 400] * window for at in range(0, len(padded) - 399, 160)]
    power = np.abs(transform @ np.array(frames[:-1]).T) ** 2
    log = np.log10(np.maximum(mel_filters(n_mels).astype(np.float64) @ power, 1e-10))
    return (np.maximum(log, log.max() - 8) + 4) / 4


def cut(samples: NDArray[np.float32], n_mels: int, cuts: list[int]) -> IncrementalLogMel:
    """Push samples in pieces."""
    stream = IncrementalLogMel(n_mels)
    edges = [0, *sorted(c % (len(samples) + 1) for c in cuts), len(samples)]
    for start, stop in pairwise(edges):
        stream.push(samples[start:stop])
    return stream


@pytest.mark.parametrize("n_mels", [80, 128])
@pytest.mark.parametrize("n", [201, 320, 479, 16_000, 48_077])
def test_equals_the_definition(n: int, n_mels: int) -> None:
    """The whole recording's features equal the definition to 1e-4, one frame for each full hop."""
    features = log_mel_spectrogram(sound(n), n_mels)
    assert features.shape == (n_mels, n // 160)
    assert features.dtype == np.float32
    assert features.flags.c_contiguous
    np.testing.assert_allclose(features, by_definition(sound(n), n_mels), atol=1e-4)


@pytest.mark.parametrize(("n_mels", "peak", "total"), [(80, 0.02588068, 1.9990242), (128, 0.04168175, 3.1909857)])
def test_filters(n_mels: int, peak: float, total: float) -> None:
    """The filter bank has the peak and the sum of openai/whisper's mel_filters.npz; every filter passes something."""
    filters = mel_filters(n_mels)
    assert filters.shape == (n_mels, 201)
    assert filters.max() == pytest.approx(peak, rel=1e-5)
    assert filters.sum() == pytest.approx(total, rel=1e-5)
    assert (filters.max(axis=1) > 0).all()


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(440, 40_000),
    cuts=st.lists(st.integers(0, 40_000), max_size=30),
    ends=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_any_cutting_equals_the_recording(n: int, cuts: list[int], ends: tuple[float, float]) -> None:
    """A window of a stream, however its samples came, equals that stretch of the recording, clamped by itself."""
    samples = sound(n)
    stream = cut(samples, 80, cuts)
    assert stream.n_frames == n // HOP_SAMPLES
    complete = (n - 200) // HOP_SAMPLES + 1  # later frames see the reflection of the recording's end
    start, stop = sorted(round(end * complete) for end in ends)
    stop = max(stop, 1)
    start = min(start, stop - 1)
    padded = np.pad(samples, 200, mode="reflect")
    expected = log_mel.scale(log_mel.log10_mel(padded, 80)[:, start:stop].copy())
    features = stream.window(start, stop)
    assert features.dtype == np.float32
    assert features.flags.c_contiguous
    np.testing.assert_allclose(features, expected, atol=TOLERANCE, rtol=0)


@settings(max_examples=60, deadline=None)
@given(n=st.integers(160, 20_000), cuts=st.lists(st.integers(0, 20_000), max_size=10), pad=st.integers(0, 300))
def test_end_is_followed_by_silence(n: int, cuts: list[int], pad: int) -> None:
    """The last frames and the padding equal those of the recording with zeros after it."""
    samples = sound(n)
    longer = np.concatenate([samples, np.zeros((pad + 5) * HOP_SAMPLES, np.float32)])
    expected = log_mel.log10_mel(np.pad(longer, 200, mode="reflect"), 80)[:, : n // HOP_SAMPLES + pad].copy()
    features = cut(samples, 80, cuts).window(0, n // HOP_SAMPLES, pad_frames=pad)
    np.testing.assert_allclose(features, log_mel.scale(expected), atol=TOLERANCE, rtol=0)


def test_asking_changes_nothing() -> None:
    """Windows asked for while frames are incomplete do not become part of later ones."""
    samples, asked, silent = sound(20_000), IncrementalLogMel(80), IncrementalLogMel(80)
    for at in range(0, 20_000, 100):
        asked.push(samples[at : at + 100])
        silent.push(samples[at : at + 100])
        if asked.n_frames:
            asked.window(0, asked.n_frames, pad_frames=3)
    np.testing.assert_array_equal(asked.window(0, 125, 10), silent.window(0, 125, 10))


def test_no_frame_is_computed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over a stream with windows asked for at every tick, each complete frame is transformed once."""
    transformed = []
    original = log_mel.log10_mel

    def counting(padded: NDArray[np.float32], n_mels: int) -> NDArray[np.float32]:
        frames = original(padded, n_mels)
        transformed.append(frames.shape[1])
        return frames

    monkeypatch.setattr(log_mel, "log10_mel", counting)
    stream, samples = IncrementalLogMel(80), sound(160_040)
    for at in range(0, 160_040, 8002):
        stream.push(samples[at : at + 8002])
    assert sum(transformed) == 1000
    stream.window(0, 1000)
    assert sum(transformed) == 1000


def test_padding_inside_is_pure_silence() -> None:
    """Padding of a window that stops before the end of the audio holds none of what follows."""
    stream = cut(sound(16_000), 80, [])
    features = stream.window(0, 50, pad_frames=20)
    assert (features[:, 50:] == features.min()).all()
    np.testing.assert_array_equal(features[:, :50], stream.window(0, 50))


def test_clamp_belongs_to_the_window() -> None:
    """A loud stretch raises the floor only of windows that hold it."""
    samples = np.concatenate([sound(16_000) * np.float32(1e-3), sound(16_000)])
    stream = cut(samples, 80, [])
    assert stream.window(0, 200)[:, :90].min() > stream.window(0, 90).min()


def test_memory_is_bounded() -> None:
    """Without any drop the oldest frames are forgotten, the newest stay right."""
    stream, samples = IncrementalLogMel(80, max_frames=300), sound(16_000 * 10)
    for at in range(0, len(samples), 700):
        stream.push(samples[at : at + 700])
        assert stream.n_frames - stream.first_frame <= 301
    assert stream._store.shape[1] <= 300 + log_mel.BLOCK_FRAMES
    expected = log_mel.log10_mel(np.pad(samples, 200, mode="reflect"), 80)[:, 750:990].copy()
    np.testing.assert_allclose(stream.window(750, 990), log_mel.scale(expected), atol=TOLERANCE, rtol=0)


@settings(max_examples=30, deadline=None)
@given(steps=st.lists(st.tuples(st.integers(1, 20_000), st.integers(0, 400)), min_size=1, max_size=12))
def test_dropping(steps: list[tuple[int, int]]) -> None:
    """Whatever is dropped on the way, the kept frames stay those of the recording."""
    samples = sound(sum(n for n, _ in steps) + 400)
    whole = log_mel.log10_mel(np.pad(samples, 200, mode="reflect"), 80)
    stream = IncrementalLogMel(80)
    stream.push(samples[:400])
    at = 400
    for n, keep in steps:
        stream.push(samples[at : at + n])
        at += n
        stream.drop_before(stream.n_frames - keep)
        stop = (at - 200) // HOP_SAMPLES + 1
        start = max(stream.first_frame, stop - log_mel.MAX_WINDOW_FRAMES)
        if start < stop:
            expected = log_mel.scale(whole[:, start:stop].copy())
            np.testing.assert_allclose(stream.window(start, stop), expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize(("start", "stop", "pad"), [(0, 10, 0), (50, 101, 0), (60, 60, 0), (70, 60, 5), (50, 60, -1)])
def test_frames_that_are_not_there(start: int, stop: int, pad: int) -> None:
    """Forgotten, future and empty windows are refused with the range that is kept."""
    stream = cut(sound(16_000), 80, [])
    stream.drop_before(50)
    with pytest.raises(ValueError, match="frames 50 to 100 are kept"):
        stream.window(start, stop, pad)


def test_window_too_long() -> None:
    """Windows of more than 30 s are refused."""
    stream = cut(sound(16_000), 80, [])
    with pytest.raises(ValueError, match="at most 3000"):
        stream.window(0, 100, 2901)
