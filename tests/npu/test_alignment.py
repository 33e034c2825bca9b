"""Attention to frames."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from amanuensis.npu.alignment import (
    FILTER_WIDTH,
    MIN_ROWS,
    AttentionRows,
    MedianFilter,
    RunningMoments,
    monotone_path,
    warped_path,
)

SCORES = arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 5)), elements=st.integers(-5, 5))


@given(arrays(np.float32, array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=20), elements=st.integers(0, 9)))
def test_median_filter_equals_sorting(values: np.ndarray) -> None:
    """The filter gives the middle of seven sorted values, mirrored at the ends."""
    half = FILTER_WIDTH // 2
    if values.shape[-1] <= half:
        np.testing.assert_array_equal(MedianFilter(values.shape)(values), values)
        return
    padded = np.pad(values, [(0, 0)] * (values.ndim - 1) + [(half, half)], mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, FILTER_WIDTH, axis=-1)
    np.testing.assert_array_equal(MedianFilter(values.shape)(values), np.median(windows, axis=-1))


@pytest.mark.parametrize("seed", range(30))
def test_peaks_in_buffers_are_those_of_the_formula(seed: int) -> None:
    """The peak of a row is the first greatest mean over heads of the filtered scores, where many are equal too."""
    heads, count, frames, half = 7, 12, 50, FILTER_WIDTH // 2
    rows = np.random.default_rng(seed).integers(0, 3, (heads, count, frames)).astype(np.float32) / np.float32(3)
    running, attention = RunningMoments(heads, frames), AttentionRows(heads, count, frames)
    attention.append(rows)
    for row in range(count):
        mean, deviation = running.upto(rows, row + 1)
        scores = (rows[:, row] - mean) / (deviation + np.float32(1e-6)) if row + 1 >= MIN_ROWS else rows[:, row]
        padded = np.pad(scores, [(0, 0), (half, half)], mode="reflect")
        filtered = np.median(np.lib.stride_tricks.sliding_window_view(padded, FILTER_WIDTH, axis=-1), axis=-1)
        assert attention.peak(row) == filtered.mean(axis=0).argmax()


@given(SCORES)
def test_monotone_path_is_the_best_one(scores: np.ndarray) -> None:
    """No other non-decreasing choice of frames has a greater sum."""
    rows, frames = scores.shape
    path = monotone_path(scores)
    assert list(path) == sorted(path)
    best = max(
        sum(scores[row, frame] for row, frame in enumerate(choice))
        for choice in combinations_with_replacement(range(frames), rows)
    )
    assert sum(scores[row, frame] for row, frame in enumerate(path)) == best


@given(SCORES)
def test_warped_path_is_the_best_one(scores: np.ndarray) -> None:
    """No other way to give every frame to one row, in order, has a greater sum."""
    rows, frames = scores.shape

    def total(begins: tuple[int, ...]) -> float:
        ends = (*begins[1:], frames)
        return float(
            sum(scores[row, first:last].sum() for row, (first, last) in enumerate(zip(begins, ends, strict=True)))
        )

    path = warped_path(scores)
    assert list(path) == sorted(path)
    assert path[0] == 0
    others = combinations_with_replacement(range(frames + 1), rows - 1)
    assert total(path) == max(total((0, *other)) for other in others)


def test_warping_follows_the_attention_that_moves() -> None:
    """Each row gets the frames that it alone attends to."""
    rows = AttentionRows(2, 20, 120)
    rows.append(diagonal(10, 120))
    begins = warped_path(rows.scores(2))
    assert all(abs(begin - (10 * row + 3)) <= 3 for row, begin in enumerate(begins[1:], start=3))


def diagonal(rows: int, frames: int, heads: int = 2) -> np.ndarray:
    """Return attention that moves on by ten frames a row, float32 [heads, rows, frames], over a fixed background."""
    attention = np.full((heads, rows, frames), 0.01, np.float32)
    attention[:, :, 5] = 0.9  # what every row attends to says nothing
    for row in range(rows):
        attention[:, row, 10 * row + 3 : 10 * row + 13] += 0.3
    return attention


def test_frames_follow_the_attention_that_moves() -> None:
    """A frame that all rows attend to is normalised away, and each row is placed where it alone attends."""
    rows = AttentionRows(2, 20, 120)
    rows.append(diagonal(10, 120))
    frames = monotone_path(rows.scores(2))
    assert len(frames) == 8
    assert all(10 * row + 3 <= frame < 10 * row + 13 for row, frame in enumerate(frames, start=2))


@pytest.mark.parametrize("split", [1, 4, 9])
def test_peaks_do_not_depend_on_how_rows_came(split: int) -> None:
    """Rows appended at once or one by one, and after a truncation, give the same peaks."""
    attention = diagonal(10, 120)
    whole, pieces = AttentionRows(2, 20, 120), AttentionRows(2, 20, 120)
    whole.append(attention)
    pieces.append(attention[:, :split])
    pieces.append(attention[:, :1])
    pieces.truncate(split)
    for row in range(split, 10):
        pieces.append(attention[:, row : row + 1])
    peaks = [whole.peak(row) for row in range(4, 10)]
    assert peaks == [pieces.peak(row) for row in range(4, 10)]
    assert [peak // 10 for peak in peaks] == [4, 5, 6, 7, 8, 9]


def test_moments_in_buffers_are_those_of_the_formula() -> None:
    """However rows came, mean and deviation are to the last bit what float64 sums of them give."""
    rows = np.random.default_rng(0).random((3, 12, 50), np.float32)
    running = RunningMoments(3, 50)
    for count in (1, 2, 6, 12, 4):
        added, squares = np.zeros((3, 50)), np.zeros((3, 50))
        for row in range(count):
            added += rows[:, row]
            squares += np.square(rows[:, row], dtype=np.float64)
        mean = added / count
        deviation = np.sqrt(np.maximum(squares / count - mean * mean, 0))
        found = running.upto(rows, count)
        np.testing.assert_array_equal(found, (mean.astype(np.float32), deviation.astype(np.float32)))


def test_no_rows_have_no_frames() -> None:
    """A window without tokens has no frames."""
    rows = AttentionRows(1, 4, 10)
    rows.append(np.ones((1, 2, 10), np.float32))
    assert monotone_path(rows.scores(2)) == warped_path(rows.scores(2)) == ()


def test_heads_are_judged_alike_however_many_fit_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores do not depend on how many heads are filtered together."""
    rows = AttentionRows(5, 20, 60)
    rows.append(np.random.default_rng(0).random((5, 12, 60), np.float32))
    at_once = rows.scores(2)
    monkeypatch.setattr("amanuensis.npu.alignment.BLOCK_VALUES", 2 * 12 * 60)
    assert np.array_equal(rows.scores(2), at_once)
