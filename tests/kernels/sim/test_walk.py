"""The words that a DMA goes through are those of the elements that a design names."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanuensis.kernels.sim.errors import DesignError
from amanuensis.kernels.sim.walk import runs, word_dims, word_indices

MEMORY = np.random.default_rng(0).integers(0, 256, 16384, dtype=np.uint8)
DTYPES = st.sampled_from([np.int8, np.int16, ml_dtypes.bfloat16, np.int32, np.float32])


@given(
    dtype=DTYPES,
    outer=st.lists(st.tuples(st.integers(1, 5), st.integers(1, 12)), max_size=3),
    inner=st.integers(1, 6),
)
def test_words_are_those_of_the_elements(dtype: type, outer: list[tuple[int, int]], inner: int) -> None:
    """Any legal order gathers the bytes that a strided view of the elements has."""
    itemsize = np.dtype(dtype).itemsize
    factor = 4 // itemsize
    sizes = [*(size for size, _ in outer), inner * factor]
    strides = [*(stride * factor for _, stride in outer), 1]
    view = np.lib.stride_tricks.as_strided(MEMORY.view(dtype), sizes, [s * itemsize for s in strides])
    index = word_indices(sizes, strides, itemsize)
    words = MEMORY.view(np.uint32)
    count = view.size * itemsize // 4
    gathered = words[:count] if index is None else words[index]
    assert gathered.tobytes() == np.ascontiguousarray(view).tobytes()


@given(sizes=st.lists(st.integers(1, 6), min_size=1, max_size=4))
def test_orders_without_gaps_need_no_indices(sizes: list[int]) -> None:
    """What follows one another is moved as one piece, however it is written."""
    strides = [int(np.prod(sizes[i + 1 :])) for i in range(len(sizes))]
    assert word_indices(sizes, strides, 4) is None


def test_elements_of_four_bytes_may_be_picked_singly() -> None:
    """The innermost stride of 32-bit elements is free: a transpose is possible."""
    index = word_indices([3, 2], [1, 3], 4)
    assert index is not None
    assert index.tolist() == [0, 3, 1, 4, 2, 5]


@pytest.mark.parametrize(
    ("sizes", "strides", "itemsize", "message"),
    [
        ([4, 4], [1, 4], 1, "innermost stride is 1"),
        ([4, 2], [4, 1], 1, "a multiple of 4, not size 2"),
        ([4, 3], [4, 1], 2, "a multiple of 2, not size 3"),
        ([4, 4], [6, 1], 1, "stride of 6 elements of 1 B is no multiple of 4 B"),
        ([4, 4], [5, 1], 2, "stride of 5 elements of 2 B is no multiple of 4 B"),
    ],
)
def test_parts_of_words_are_refused(sizes: list[int], strides: list[int], itemsize: int, message: str) -> None:
    """An int8 or bf16 transpose by a DMA is refused, and so are steps that are not whole words."""
    with pytest.raises(DesignError, match=message):
        word_dims(sizes, strides, itemsize)


@pytest.mark.parametrize(
    ("sizes", "strides", "length"),
    [([8], [1], 8), ([4, 8], [8, 1], 32), ([4, 8], [16, 1], 8), ([1, 1, 8], [0, 0, 1], 8), ([8], [2], 1)],
)
def test_bursts_are_what_follows_one_another(sizes: list[int], strides: list[int], length: int) -> None:
    """The length of a burst is the number of elements without a gap."""
    assert runs(sizes, strides) == length
