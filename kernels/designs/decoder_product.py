"""Products of up to 32 rows on the configuration `decoder`: weights stream once over all columns.

A tile is 256 columns of the result, 64 a core; tiles go round the columns of the array. What ends a product comes with
the activations: scales of rows once, scales and bias of columns and the residual for each tile. If n is no multiple of
256, the last tile begins earlier and makes some columns twice. A result of float32 that has fewer tiles than the array
columns is made in narrow tiles of 128 where n and k allow it.
"""

from __future__ import annotations

from typing import Final

from amanuensis.kernels.designs.decoder_array import CORES, JOINED_WORDS, LOAD_WORDS, Word
from amanuensis.kernels.designs.decoder_order import Move, Phase, Run
from amanuensis.kernels.designs.decoder_place import Place, free_behind, multiple, padding, place, within
from amanuensis.kernels.layout import INT8_A, padded
from amanuensis.kernels.memory import Memory
from amanuensis.kernels.operators import GemmBf16, GemmInt8
from amanuensis.kernels.sim import limits

ROWS: Final = 32
CORE_COLUMNS: Final = 64
TILE: Final = CORES * CORE_COLUMNS
INT8_K: Final = 128  # of a block of weights, 8 KB
BF16_K: Final = 64
PRODUCT_INT8, PRODUCT_BF16 = 0, 1  # modes of aie2/decoder_state.h
GELU, RESIDUAL, F32, BIAS, BIAS_FIRST, NARROW = 1, 2, 4, 8, 16, 128  # flags

Product = GemmInt8 | GemmBf16


class _Planner:
    """Words of the operands, and the moves of a tile."""

    def __init__(self, op: Product, memory: Memory, columns: int) -> None:
        within(op, "rows", memory.count(op.rows, "rows"), 1, ROWS)
        multiple(op, "n", op.n, CORE_COLUMNS)
        within(op, "n", op.n, TILE, 1 << 20)
        self.int8 = isinstance(op, GemmInt8)
        multiple(op, "k", op.k, INT8_K if self.int8 else BF16_K)
        self.op = op
        self.rows = memory.count(op.rows, "rows")
        self.blocks = padded(self.rows, INT8_A.rows) // INT8_A.rows
        self.f32 = op.epilogue.out == "f32"
        self.k = INT8_K if self.int8 else BF16_K
        few = -(-op.n // TILE) < columns
        self.narrow = self.f32 and few and op.n % (TILE // 2) == 0 and op.k % (2 * self.k) == 0
        self.core_columns = CORE_COLUMNS // 2 if self.narrow else CORE_COLUMNS
        self.tile = CORES * self.core_columns
        self.a, self.b = place(memory, op.a, "a"), place(memory, op.b, "b")
        self.dst = place(memory, op.dst, "dst")
        self.bias = None if op.bias is None else place(memory, op.bias, "bias")
        residual = op.epilogue.residual
        self.residual = None if residual is None else place(memory, residual, "residual")
        self.scales: tuple[Place, Place] | None = None
        if isinstance(op, GemmInt8):
            self.scales = place(memory, op.a_scales, "a_scales"), place(memory, op.b_scales, "b_scales")
        behind = 3 if self.rows == 1 else -self.rows % INT8_A.rows * op.k // 2
        written = self.rows * op.n * (2 if self.f32 else 1) // 2
        self._whole_blocks = free_behind(memory, self.a, self.rows * op.k // 2, behind, self.dst, written)

    def run(self, tiles: list[int], passes: int) -> Run:
        """Return the run of a column over tiles that begin at given columns."""
        bias_first = self.scales is None or (self.bias is not None and self.bias.start < self.scales[1].start)
        flags = (self.op.epilogue.gelu and GELU) | (self.residual is not None and RESIDUAL) | (self.f32 and F32)
        flags |= (self.bias is not None and BIAS) | (bias_first and BIAS_FIRST)
        flags |= self.narrow and NARROW
        order = {
            Word.TILES: len(tiles),
            Word.ONCE: int(self.int8),
            Word.LOADS: CORES + (0 if self.residual is None else self.rows * self.tile // LOAD_WORDS),
            Word.BLOCKS: self.op.k // (2 * self.k if self.narrow else self.k),
            Word.STEPS: self.blocks * (2 if self.narrow else 1),
            Word.GIVEN: self.rows * (2 if self.f32 and not self.narrow else 1),
            Word.SCALES: 0,
            Word.MODE: PRODUCT_INT8 if self.int8 else PRODUCT_BF16,
            Word.FLAGS: int(flags),
            Word.ROWS: self.rows,
            Word.PASSES: passes,
        }
        run = Run(order, [self._tile(start) for start in tiles])
        if self.scales is not None:
            scales = self.scales[0]
            run.tiles[0][:0] = [scales.move("loads", 0, (self.rows, 1)), *padding("loads", LOAD_WORDS - self.rows)]
        return run

    def _tile(self, start: int) -> list[Move]:
        moves = self._columns(start)
        if self.residual is not None:  # before what may overwrite it
            moves.append(self.residual.move("loads", start, (self.rows, self.op.n), (self.tile, 1)))
        return [*moves, self._given(start), *self._activations(), self._weights(start)]

    def _given(self, start: int) -> Move:
        n = self.op.n
        if not self.f32:
            return self.dst.move("given", start // 2, (self.rows, n // 2), (JOINED_WORDS, 1))
        if self.narrow:
            return self.dst.move("given", start, (self.rows, n), (JOINED_WORDS, 1))
        half = CORE_COLUMNS // 2
        return self.dst.move("given", start, (self.rows, n), (2, half), (CORES, CORE_COLUMNS), (half, 1))

    def _columns(self, start: int) -> list[Move]:
        """Return what brings each core scales and bias of its columns; what is not there is read, not used."""
        bias = self.bias
        scales = None if self.scales is None else self.scales[1]
        first, second = (scales, bias) if scales is not None else (bias, None)
        if first is None:
            return padding("loads", CORES * LOAD_WORDS)
        cores = CORES, self.core_columns  # a narrow core gets some of the next one's as well
        if second is None:
            return [first.move("loads", start, cores, (2, 1), (CORE_COLUMNS, 1))]
        if first.start > second.start:
            first, second = second, first
        if first.buffer == second.buffer and 0 < second.start - first.start <= limits.of("shim").step:
            return [first.move("loads", start, cores, (2, second.start - first.start), (CORE_COLUMNS, 1))]
        columns = range(start, start + self.tile, self.core_columns)
        return [part.move("loads", at, (CORE_COLUMNS, 1)) for at in columns for part in (first, second)]

    def _activations(self) -> list[Move]:
        k, rows = self.op.k, self.rows
        if self.int8:
            return [self.a.move("loads", 0, (k // INT8_K, LOAD_WORDS), (self.blocks, k), (LOAD_WORDS, 1))]
        words, four = BF16_K // 2, INT8_A.rows
        row = 1 if rows == 1 else k // 2  # a row alone is followed by itself, a word later
        if self._whole_blocks:
            return [self.a.move("loads", 0, (k // BF16_K, words), (self.blocks, 2 * k), (four, row), (words, 1))]
        moves = []
        for at in range(0, k // 2, words):  # what is missing of the last four rows is filled up by itself
            moves.append(self.a.move("loads", at, (rows, k // 2), (words, 1)))
            moves += padding("loads", -rows % four * words)
        return moves

    def _weights(self, start: int) -> Move:
        """Return the blocks: of 8 rows of k, a core's columns lie together, 256 bytes or more."""
        n, words = self.op.n, 2 if self.int8 else 4  # words of 8 rows in a column
        step, run = 2 * self.k if self.narrow else self.k, self.core_columns * words
        steps = self.op.k // step, step // 8 * n * words
        return self.b.move("blocks", start * words, steps, (CORES, run), (step // 8, n * words), (run, 1))


def plan_product(op: Product, memory: Memory, columns: int) -> list[Phase]:
    """Return what the columns do for a product.

    A residual that is its own destination must be read before it is written: columns that the last tile makes once
    more are left as they are, after all others have been written.

    Raises:
        LaunchError: sizes that tiles do not divide.

    """
    planner = _Planner(op, memory, columns)
    last = op.n - planner.tile
    starts = [min(start, last) for start in range(0, op.n, planner.tile)]
    twice = -op.n % planner.tile // planner.core_columns
    if not twice or not planner.f32 or planner.residual is None:
        return [_around(planner, starts, columns, 0)]
    return [_around(planner, starts[:-1], columns, 0), {0: planner.run(starts[-1:], twice)}]


def _around(planner: _Planner, starts: list[int], columns: int, passes: int) -> Phase:
    return {c: planner.run(starts[c::columns], passes) for c in range(min(columns, len(starts)))}
