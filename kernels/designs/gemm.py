"""Product of int8 matrices with exact int32 sums on the whole array: c [m, n] = a [m, k] @ b [k, n].

The dataflow is that of mlir-aie's example `whole_array` (programming_examples/basic/matrix_multiplication): the cores
are 4 rows by the device's columns. Rows of a go to rows of cores, broadcast along them; columns of b go to columns of
cores, broadcast down them; memory tiles cut rows into the blocks that the matrix instruction takes and put the blocks
of c in rows again. Per row of tiles, a is read n / (tile columns x columns) times and b once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from amanuensis.kernels.designs._iron import (
    Device,
    Kernel,
    ObjectFifo,
    ObjectFifoHandle,
    Program,
    Runtime,
    RuntimeData,
    TaskGroup,
    TensorAccessPattern,
    TensorTiler2D,
    Worker,
    range_,
)
from amanuensis.kernels.designs._kernels import functions
from amanuensis.kernels.designs._types import array_type
from amanuensis.kernels.entries import entry
from amanuensis.kernels.layout import INT8_A, INT8_B

ROWS: Final = 4  # of cores in a column
STACK_BYTES: Final = 0xD00  # of mlir-aie's matrix examples
ROW_TILES_A_GROUP: Final = 2  # two groups under way make four fills a channel, as many as its queue takes


@dataclass(frozen=True, slots=True)
class GemmShape:
    """Sizes of a product and of the tile that a core multiplies at a time."""

    m: int
    k: int
    n: int
    tile_m: int = 64
    tile_k: int = 64
    tile_n: int = 64

    def check(self, columns: int) -> None:
        """Refuse sizes that tiles and columns do not divide.

        Raises:
            ValueError: names the size, its value and what it must be a multiple of.

        """
        for name, size, multiple in (
            ("m", self.m, self.tile_m * ROWS),
            ("k", self.k, self.tile_k),
            ("n", self.n, self.tile_n * columns),
        ):
            if size < 1 or size % multiple:
                raise ValueError(
                    f"gemm_int8: {name} is {size}; on {columns} columns a multiple of {multiple} is needed"
                )
        if ROWS % min(columns, ROWS):
            raise ValueError(f"gemm_int8: {columns} columns do not share {ROWS} rows of a; use 1, 2, 4 or more")


def gemm_int8(device: Device, shape: GemmShape) -> Program:
    """Return the program; its tensors are a int8 [m x k], b int8 [k x n] and c int32 [m x n], flat and row-major.

    Raises:
        ValueError: sizes that do not divide, see `GemmShape.check`.
        EntryError: a tile that the kernel does not have.

    """
    columns = device.cols
    shape.check(columns)
    sizes = {"m": shape.tile_m, "k": shape.tile_k, "n": shape.tile_n}
    zero, multiply = functions(entry("gemm_int8_zero", **sizes), entry("gemm_int8_mac", **sizes))
    a_in, a_rows = _a_fifos(shape, columns)
    b_in, b_columns = zip(*(_b_fifos(shape, column) for column in range(columns)), strict=True)
    c_out, c_cores = zip(*(_c_fifos(shape, column) for column in range(columns)), strict=True)
    tiles_a_core = shape.m // shape.tile_m * (shape.n // shape.tile_n) // (ROWS * columns)
    steps = shape.k // shape.tile_k

    def core(a: ObjectFifoHandle, b: ObjectFifoHandle, c: ObjectFifoHandle, clear: Kernel, product: Kernel) -> None:
        for _ in range_(tiles_a_core):
            sums = c.acquire(1)
            clear(sums)
            for _ in range_(steps):
                product(a.acquire(1), b.acquire(1), sums)
                a.release(1)
                b.release(1)
            c.release(1)

    def worker(row: int, column: int) -> Worker:
        ends = [a_rows[row].cons(), b_columns[column].cons(), c_cores[column][row].prod()]
        return Worker(core, [*ends, zero, multiply], stack_size=STACK_BYTES)

    workers = [w for row in Worker.grid(ROWS, columns, worker) for w in row]
    tensors = [
        array_type((shape.m * shape.k,), np.int8),
        array_type((shape.k * shape.n,), np.int8),
        array_type((shape.m * shape.n,), np.int32),
    ]
    ends = [[f.prod() for f in a_in], [f.prod() for f in b_in], [f.cons() for f in c_out]]
    return Program(device, Runtime(_Sequence(shape, columns), [*tensors, *ends]), workers=workers)


def _a_fifos(shape: GemmShape, columns: int) -> tuple[list[ObjectFifo], list[ObjectFifo]]:
    """Return the fifos that bring rows of a to memory tiles, and for each row of cores the one to it."""
    feeders = min(columns, ROWS)
    share, size = ROWS // feeders, shape.tile_m * shape.tile_k
    block = array_type((size,), np.int8)
    order = _blocked(shape.tile_m, shape.tile_k, INT8_A.rows, INT8_A.columns)
    sources, rows = [], []
    for feeder in range(feeders):
        source = ObjectFifo(array_type((size * share,), np.int8), name=f"a_in_{feeder}")
        sources.append(source)
        rows += source.cons().split(
            [size * i for i in range(share)],
            obj_types=[block] * share,
            names=[f"a_row_{feeder * share + i}" for i in range(share)],
            dims_to_stream=[order] * share,
        )
    return sources, rows


def _b_fifos(shape: GemmShape, column: int) -> tuple[ObjectFifo, ObjectFifo]:
    """Return the fifo that brings columns of b to a memory tile, and the one from there down the column."""
    source = ObjectFifo(array_type((shape.tile_k * shape.tile_n,), np.int8), name=f"b_in_{column}")
    order = _blocked(shape.tile_k, shape.tile_n, INT8_B.rows, INT8_B.columns)
    return source, source.cons().forward(name=f"b_column_{column}", dims_to_stream=order)


def _c_fifos(shape: GemmShape, column: int) -> tuple[ObjectFifo, list[ObjectFifo]]:
    """Return the fifo that takes the sums of a column to memory, and those of its cores."""
    size, r, t = shape.tile_m * shape.tile_n, INT8_A.rows, INT8_B.columns
    # Of each block of rows, one row at a time through all blocks: blocks back to rows.
    order = [(shape.tile_m // r, r * shape.tile_n), (r, t), (shape.tile_n // t, r * t), (t, 1)]
    target = ObjectFifo(array_type((size * ROWS,), np.int32), name=f"c_out_{column}", dims_to_stream=order)
    cores = target.prod().join(
        [size * row for row in range(ROWS)],
        obj_types=[array_type((size,), np.int32)] * ROWS,
        names=[f"c_{row}_{column}" for row in range(ROWS)],
    )
    return target, cores


def _blocked(rows: int, columns: int, block_rows: int, block_columns: int) -> list[Sequence[int]]:
    """Return the order that sends a row-major matrix as row-major blocks, in sizes and strides."""
    return [
        (rows // block_rows, block_rows * columns),
        (columns // block_columns, block_columns),
        (block_rows, columns),
        (block_columns, 1),
    ]


class _Sequence:
    """Fills and drains by groups of rows of tiles; a group is awaited when the next one is under way."""

    def __init__(self, shape: GemmShape, columns: int) -> None:
        self._shape, self._columns, self._feeders = shape, columns, min(columns, ROWS)
        self._rounds = shape.n // shape.tile_n // columns
        steps = shape.k // shape.tile_k
        self._a = TensorTiler2D.group_tiler(
            (shape.m, shape.k),
            (shape.tile_m * ROWS // self._feeders, shape.tile_k),
            (1, steps),
            pattern_repeat=self._rounds,
            prune_step=False,
        )
        self._b = TensorTiler2D.step_tiler(
            (shape.k, shape.n),
            (shape.tile_k, shape.tile_n),
            (steps, self._rounds),
            (1, columns),
            tile_group_col_major=True,
            prune_step=False,
        )

    def __call__(
        self,
        a: RuntimeData,
        b: RuntimeData,
        c: RuntimeData,
        a_ends: list[ObjectFifoHandle],
        b_ends: list[ObjectFifoHandle],
        c_ends: list[ObjectFifoHandle],
    ) -> None:
        row_tiles = self._shape.m // (self._shape.tile_m * ROWS)
        before: TaskGroup | None = None
        for first in range(0, row_tiles, ROW_TILES_A_GROUP):
            rows = range(first, min(first + ROW_TILES_A_GROUP, row_tiles))
            group = TaskGroup()
            for column in range(self._columns):
                c_ends[column].drain(c, tap=self._c(rows, column), wait=True, group=group)
                for row in rows:
                    if column < self._feeders:
                        a_ends[column].fill(a, tap=self._a[row * self._feeders + column], group=group)
                    b_ends[column].fill(b, tap=self._b[column], group=group)
            if before is not None:
                before.finish()
            before = group
        if before is not None:
            before.finish()

    def _c(self, rows: range, column: int) -> TensorAccessPattern:
        """Return where a column's sums of some rows of tiles lie."""
        shape, high = self._shape, self._shape.tile_m * ROWS
        return TensorAccessPattern(
            (shape.m, shape.n),
            offset=rows.start * high * shape.n + column * shape.tile_n,
            sizes=[len(rows), self._rounds, high, shape.tile_n],
            strides=[high * shape.n, shape.tile_n * self._columns, shape.n, 1],
        )
