"""Tests of stream/ring.py."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amanuensis.stream.ring import SampleRing


def ramp(start: int, stop: int) -> np.ndarray:
    """Return samples that tell their own position."""
    return np.arange(start, stop, dtype=np.float32)


@settings(deadline=None)
@given(
    capacity=st.integers(1, 40),
    steps=st.lists(st.tuples(st.integers(0, 100), st.integers(0, 60)), max_size=40),
)
def test_positions_hold(capacity: int, steps: list[tuple[int, int]]) -> None:
    """After any appends and drops the ring holds the newest samples at their positions and reports every loss."""
    ring = SampleRing(capacity)
    start = stop = 0
    for n_append, n_drop in steps:
        dropped = ring.append(ramp(stop, stop + n_append))
        stop += n_append
        assert dropped == max(0, stop - start - capacity)
        start += dropped
        assert (ring.start, ring.stop, len(ring)) == (start, stop, stop - start)
        np.testing.assert_array_equal(ring.view(start, stop), ramp(start, stop))
        ring.drop_before(start + n_drop)
        start = min(start + n_drop, stop)
        assert ring.start == start
        np.testing.assert_array_equal(ring.view(start, stop), ramp(start, stop))


def test_a_full_ring_tells_what_it_lost() -> None:
    """Samples beyond the capacity push out the oldest, and the count of those is returned."""
    ring = SampleRing(10)
    assert ring.append(ramp(0, 10)) == 0
    assert ring.append(ramp(10, 13)) == 3
    assert ring.start == 3
    assert ring.append(ramp(13, 38)) == 25
    assert ring.view(28, 38).tolist() == list(range(28, 38))


@pytest.mark.parametrize(("start", "stop"), [(1, 4), (2, 9), (5, 3), (9, 9)])
def test_only_what_is_kept_can_be_seen(start: int, stop: int) -> None:
    """A view that reaches outside the ring is refused with what the ring holds."""
    ring = SampleRing(8)
    ring.append(ramp(0, 8))
    ring.drop_before(2)
    with pytest.raises(IndexError, match="which holds 2 to 8"):
        ring.view(start, stop)


def test_views_are_read_only_and_no_copies() -> None:
    """A view shares memory with the ring and cannot be written to."""
    ring = SampleRing(8)
    ring.append(ramp(0, 8))
    view = ring.view(2, 6)
    assert np.shares_memory(view, ring.view(0, 8))
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 1.0


def test_dropping_backwards_does_nothing() -> None:
    """A position before the start leaves the ring as it is."""
    ring = SampleRing(8)
    ring.append(ramp(0, 8))
    ring.drop_before(5)
    ring.drop_before(2)
    assert (ring.start, len(ring)) == (5, 3)


def test_capacity_is_checked() -> None:
    """A ring without room is refused."""
    with pytest.raises(ValueError, match="at least 1 sample, not 0"):
        SampleRing(0)
    assert SampleRing(3).capacity == 3


def test_the_buffer_is_as_large_as_what_is_kept() -> None:
    """A ring of an hour takes little memory while it holds little, more when much waits, and gives it back."""
    ring = SampleRing(3600 * 16_000)
    block = np.zeros(16_000, np.float32)
    sizes = []
    for kept_s in (5, 100, 5):
        for _ in range(400):
            ring.append(block)
            ring.drop_before(ring.stop - kept_s * block.size)
        sizes.append(held_s(ring))
    assert sizes[0] == sizes[2] < 10
    assert 100 < sizes[1] < 320


def held_s(ring: SampleRing) -> float:
    """Return how much sound a ring's memory could hold."""
    buffer = ring.view(ring.start, ring.stop).base
    assert buffer is not None
    return buffer.nbytes / 4 / 16_000
