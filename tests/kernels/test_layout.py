"""Block orders: round trips, the place of each element, padding, errors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanuensis.kernels.dtypes import BFLOAT16
from amanuensis.kernels.layout import (
    BF16_A,
    BF16_B,
    INT8_A,
    INT8_B,
    Block,
    LayoutError,
    pack,
    pad,
    padded,
    unpack,
    unpack_columns,
)
from tests.kernels.figures import PATIENT

ORDERS = [(np.int8, INT8_A), (np.int8, INT8_B), (BFLOAT16, BF16_A), (BFLOAT16, BF16_B)]


@PATIENT
@given(st.sampled_from(ORDERS), st.integers(1, 9), st.integers(1, 9), st.integers(0, 1 << 30))
def test_unpacking_undoes_packing(order: tuple[np.dtype[np.generic], Block], down: int, across: int, seed: int) -> None:
    """Every matrix of whole blocks survives pack and unpack, whatever its size."""
    dtype, block = order
    shape = (down * block.rows, across * block.columns)
    matrix = np.random.default_rng(seed).integers(-127, 128, shape).astype(dtype)
    blocks = pack(matrix, block)
    assert blocks.shape == (down, across, block.rows, block.columns)
    assert np.array_equal(unpack(blocks, *shape, block), matrix)
    assert np.array_equal(unpack(blocks.reshape(-1), *shape, block), matrix)


@pytest.mark.parametrize(("dtype", "block"), ORDERS)
def test_each_element_lies_where_the_core_reads_it(dtype: np.dtype[np.generic], block: Block) -> None:
    """Element (i, j) lies in block (i / r, j / s), row-major within it."""
    matrix = np.arange(16 * 24).reshape(16, 24)
    blocks = pack(matrix, block).reshape(-1)
    for i, j in [(0, 0), (1, 0), (0, block.columns), (block.rows, 0), (15, 23)]:
        number = i // block.rows * (24 // block.columns) + j // block.columns
        place = number * block.rows * block.columns + i % block.rows * block.columns + j % block.columns
        assert blocks[place] == matrix[i, j]


@pytest.mark.parametrize(("dtype", "block"), ORDERS)
def test_columns_are_unpacked_alone(dtype: np.dtype[np.generic], block: Block) -> None:
    """A range of columns is that range of the matrix."""
    matrix = np.random.default_rng(1).integers(-127, 128, (16, 48)).astype(dtype)
    assert np.array_equal(unpack_columns(pack(matrix, block), 16, 48, block, range(16, 40)), matrix[:, 16:40])


def test_padding_appends_zeros() -> None:
    """Padding keeps the matrix and fills up with zeros; sizes that fit stay."""
    wide = pad(np.ones((5, 9), np.int8), 4, 8)
    assert wide.shape == (8, 16)
    assert wide.sum() == 45
    assert wide[:5, :9].all()
    assert [padded(size, 8) for size in (0, 1, 8, 9)] == [0, 8, 8, 16]


def test_matrices_that_do_not_fit_are_refused() -> None:
    """The error names the sizes and the block."""
    with pytest.raises(LayoutError, match=r"5 x 8 cannot be cut into blocks of 4 x 8; pad it first"):
        pack(np.zeros((5, 8), np.int8), INT8_A)
    with pytest.raises(LayoutError, match=r"64 values do not make up a matrix of 16 x 8"):
        unpack(np.zeros(64, np.int8), 16, 8, INT8_B)
