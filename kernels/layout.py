"""Block orders that the cores read: a matrix as blocks in row-major order, each block row-major and contiguous.

The blocks are the operands of one matrix instruction `mmul<r, s, t>`: a is cut into r x s, b into s x t. 4x8x8 for int8
and 4x8x4 for bf16 are single instructions on AIE2 and legal on AIE2P (aie_api `include/aie_api/mmul.hpp`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Block:
    """The shape of a block."""

    rows: int
    columns: int


INT8_A: Final = Block(4, 8)
INT8_B: Final = Block(8, 8)
BF16_A: Final = Block(4, 8)
BF16_B: Final = Block(8, 4)
SIZE_MULTIPLE: Final = 8  # of k and n of every product
TILE_COLUMNS: Final = 64  # columns of c that one core makes at a time: the vocabulary is padded to it
_UNIT: Final = np.dtype(np.uint64)  # a row of every block is one or two of these: reordering moves whole units


class LayoutError(ValueError):
    """A matrix that cannot be cut into the blocks asked for."""


def padded(size: int, multiple: int) -> int:
    """Return the smallest multiple that is at least size."""
    return -(-size // multiple) * multiple


def pad(matrix: NDArray[Any], row_multiple: int, column_multiple: int) -> NDArray[Any]:
    """Return the matrix with rows and columns of zeros appended up to the multiples."""
    rows, columns = matrix.shape
    wide = np.zeros((padded(rows, row_multiple), padded(columns, column_multiple)), matrix.dtype)
    wide[:rows, :columns] = matrix
    return wide


def pack(matrix: NDArray[Any], block: Block) -> NDArray[Any]:
    """Return a matrix [R, C] as contiguous blocks, [R / rows, C / columns, rows, columns] of the same dtype.

    Raises:
        LayoutError: R or C is no multiple of the block's.

    """
    rows, columns = matrix.shape
    _check(rows, columns, block)
    cut = matrix.reshape(rows // block.rows, block.rows, columns // block.columns, block.columns)
    return np.ascontiguousarray(cut.transpose(0, 2, 1, 3))


def pack_int8_b(weight: NDArray[np.int8]) -> NDArray[np.uint8]:
    """Return the bytes of an int8 weight [k, n] in the order in which GemmInt8 reads it; k, n multiples of 8."""
    return pack(weight, INT8_B).reshape(-1).view(np.uint8)


def pack_bf16_b(weight: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the bytes of a bf16 weight [k, n] in the order in which GemmBf16 reads it; k, n multiples of 8."""
    return pack(weight, BF16_B).reshape(-1).view(np.uint8)


def unpack(blocks: NDArray[Any], rows: int, columns: int, block: Block) -> NDArray[Any]:
    """Return the matrix [rows, columns] that `pack` cut into blocks; their array may have any contiguous shape.

    Raises:
        LayoutError: the blocks do not make up such a matrix.

    """
    _check(rows, columns, block)
    if blocks.size != rows * columns:
        raise LayoutError(f"{blocks.size} values do not make up a matrix of {rows} x {columns}")
    return unpack_columns(blocks, rows, columns, block, range(columns))


def unpack_columns(blocks: NDArray[Any], rows: int, columns: int, block: Block, chosen: range) -> NDArray[Any]:
    """Return a range of columns of a packed matrix, [rows, len(chosen)]; it begins and ends between blocks."""
    per_row = block.columns * blocks.dtype.itemsize // _UNIT.itemsize
    units = blocks.reshape(-1).view(_UNIT).reshape(-1, columns // block.columns, block.rows, per_row)
    wanted = units[:, chosen.start // block.columns : chosen.stop // block.columns]
    return np.ascontiguousarray(wanted.transpose(0, 2, 1, 3)).view(blocks.dtype).reshape(rows, len(chosen))


def _check(rows: int, columns: int, block: Block) -> None:
    if rows % block.rows or columns % block.columns:
        raise LayoutError(
            f"a matrix of {rows} x {columns} cannot be cut into blocks of {block.rows} x {block.columns}; pad it first"
        )
