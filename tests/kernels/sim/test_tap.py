"""Access patterns name the elements that they access."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanuensis.kernels.sim.errors import DesignError
from amanuensis.kernels.sim.tap import TensorAccessPattern, TensorAccessSequence

PAIRS = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 6)), min_size=1, max_size=4)


@given(pairs=PAIRS, offset=st.integers(0, 5))
def test_accesses_follow_sizes_and_strides(pairs: list[tuple[int, int]], offset: int) -> None:
    """The elements are those of a strided view of an array."""
    sizes, strides = [size for size, _ in pairs], [stride for _, stride in pairs]
    memory = np.arange(400, dtype=np.int32)
    view = np.lib.stride_tricks.as_strided(memory[offset:], sizes, [4 * stride for stride in strides])
    tap = TensorAccessPattern((400,), offset, sizes, strides)
    assert list(tap.access_generator()) == view.reshape(-1).tolist()


def test_accesses_are_counted() -> None:
    """An element that is read twice has the later order and a count of two; others are never."""
    order, count = TensorAccessPattern((6,), 1, [2, 3], [0, 1]).accesses()
    assert order.tolist() == [[-1, 3, 4, 5, -1, -1]]
    assert count.tolist() == [[0, 2, 2, 2, 0, 0]]


def test_equal_orders_may_be_written_differently() -> None:
    """Two patterns with the same accesses compare as such, though they are not equal."""
    flat, cut = TensorAccessPattern((4, 4), 0, [16], [1]), TensorAccessPattern((4, 4), 0, [4, 4], [4, 1])
    assert flat.compare_access_orders(cut)
    assert flat != cut


def test_leading_sizes_of_one_have_no_stride() -> None:
    """A stride that is never used is 0, so that patterns of the same accesses are equal."""
    assert TensorAccessPattern((8,), 0, [1, 1, 8], [7, 3, 1]) == TensorAccessPattern((8,), 0, [1, 1, 8], [0, 0, 1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((8,), 8, [1], [1]), "offset of 8 lies outside a tensor of 8"),
        (((8,), 0, [2, 2], [1]), "as many sizes as strides"),
        (((8,), 0, [0], [1]), "sizes must be at least 1"),
        (((8,), 0, [2], [-1]), "strides at least 0"),
        (((), 0, [1], [1]), "sizes of a tensor"),
    ],
)
def test_bad_patterns_are_refused(arguments: tuple[tuple[int, ...], int, list[int], list[int]], message: str) -> None:
    """What is wrong is named with its value."""
    with pytest.raises(DesignError, match=message):
        TensorAccessPattern(*arguments)


def test_sequences_are_made_of_patterns() -> None:
    """A sequence has its patterns in order."""
    taps = [TensorAccessPattern((8,), i, [2], [1]) for i in range(3)]
    assert list(TensorAccessSequence.from_taps(taps)) == taps
