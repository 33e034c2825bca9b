"""Attention of up to 32 rows on the configuration `decoder`: a head a core, 32 keys and values a block.

Kept probabilities are computed behind it, a head a column: its cores see all keys once more, then each weighs every
fourth block of them.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from amanuensis.kernels.designs.decoder_array import CORES, JOINED_WORDS, Word
from amanuensis.kernels.designs.decoder_order import Move, Phase, Run, Stream
from amanuensis.kernels.designs.decoder_place import Place, free_behind, multiple, padding, place, within
from amanuensis.kernels.dtypes import BFLOAT16
from amanuensis.kernels.layout import BF16_A, padded
from amanuensis.kernels.memory import Memory
from amanuensis.kernels.operators import Attention
from amanuensis.kernels.reference.attention import KEY_BLOCK
from amanuensis.kernels.sim import limits

ROWS: Final = 32
HEAD: Final = 64  # of every Whisper model
HEAD_WORDS: Final = HEAD // 2
KEYS_A_LOAD: Final = 4
GROUP: Final = CORES * KEY_BLOCK
ATTENTION, PROBABILITIES = 4, 5  # modes of aie2/decoder_state.h
CAUSAL: Final = 64  # flag


class _Planner:
    """Words of the operands, and moves of rows of heads."""

    def __init__(self, op: Attention, memory: Memory) -> None:
        self.op = op
        self.rows, self.keys = memory.count(op.rows, "rows"), memory.count(op.keys, "keys")
        within(op, "rows", self.rows, 1, ROWS)
        within(op, "size", op.size, HEAD, HEAD)
        within(op, "heads", op.heads, CORES, 1 << 10)
        within(op, "keys", self.keys, 1, 1 << 20)
        room = memory.room(op.keys)
        self._is_final = room is None
        self.held = self.keys if room is None else room  # keys that are brought; those beyond `keys` count for nothing
        width = op.heads * op.size
        q_pitch, kv_pitch = op.q_pitch or 2 * width, op.kv_pitch or 2 * width
        multiple(op, "q_pitch", q_pitch, 4)
        multiple(op, "kv_pitch", kv_pitch, 4)
        memory.read(op.q, BFLOAT16, (self.rows, width), "q", pitch=q_pitch)
        for region, name in ((op.k, "k"), (op.v, "v")):
            memory.read(region, BFLOAT16, (self.held, width), name, pitch=kv_pitch)
        memory.write(op.dst, BFLOAT16, (self.rows, width), "dst")
        self.q, self.k, self.v = place(memory, op.q, "q"), place(memory, op.k, "k"), place(memory, op.v, "v")
        self.dst = place(memory, op.dst, "dst")
        self.q_pitch, self.kv_pitch = q_pitch // 4, kv_pitch // 4
        self.row_blocks = padded(self.rows, BF16_A.rows) // BF16_A.rows
        self.first = memory.count(op.first, "first") if op.causal else 0
        end = (self.rows - 1) * self.q_pitch + width // 2
        behind = 3 if self.rows == 1 else -self.rows % BF16_A.rows * self.q_pitch
        written = self.rows * width // 2
        self._whole_blocks = free_behind(memory, self.q, end, behind, self.dst, written)
        self._sizes = [size // 4 for size in memory.sizes]

    def order(self, mode: int) -> dict[Word, int]:
        return {
            Word.ONCE: 0,
            Word.STEPS: 0,
            Word.SCALES: 0,
            Word.GIVEN: self.rows,
            Word.MODE: mode,
            Word.FLAGS: CAUSAL if self.op.causal else 0,
            Word.ROWS: self.rows,
            Word.KEYS: self.keys,
            Word.FIRST: self.first,
            Word.SCALE: int(np.float32(self.op.scale).view(np.int32)),
        }

    def shown(self) -> int:
        """Return how many keys are brought: those that any row sees, or all for which there is room."""
        return min(self.first + self.rows, self.held) if self.op.causal and self._is_final else self.held

    def queries(self, head: int, heads: int) -> list[Move]:
        """Return the moves of four rows of each head at a time."""
        rows, pitch, four = self.rows, self.q_pitch, BF16_A.rows
        start, cores, words = head * HEAD_WORDS, (heads, HEAD_WORDS), (HEAD_WORDS, 1)
        if self._whole_blocks:
            row = 1 if rows == 1 else pitch  # a row alone is followed by itself, a word later
            return [self.q.move("loads", start, (self.row_blocks, four * pitch), cores, (four, row), words)]
        whole, left = divmod(rows, four)
        moves = [self.q.move("loads", start, (whole, four * pitch), cores, (four, pitch), words)] if whole else []
        for number in range(heads):  # what is missing of the last four rows is filled up
            at = start + whole * four * pitch + number * HEAD_WORDS
            moves += [self.q.move("loads", at, (left, pitch), words), *padding("loads", (four - left) * HEAD_WORDS)]
        return moves

    def block(self, head: int, first: int, head_step: int, key_step: int) -> list[Move]:
        """Return keys and values of a block for each core: of the next head, or of the next keys of the same one."""
        last = first + (CORES - 1) * key_step + KEY_BLOCK
        start = first * self.kv_pitch + head * HEAD_WORDS
        core = head_step * HEAD_WORDS + key_step * self.kv_pitch
        apart = self.v.start - self.k.start
        if self.k.buffer == self.v.buffer and 0 < apart <= limits.of("shim").step:
            move = self.k.move("blocks", start, (CORES, core), (2, apart), (KEY_BLOCK, self.kv_pitch), (HEAD_WORDS, 1))
            if last <= self.held or move.end <= self._sizes[move.buffer]:
                return [move]
        return [
            part
            for number in range(CORES)
            for matrix in (self.k, self.v)
            for part in self._rows("blocks", matrix, head + number * head_step, first + number * key_step)
        ]

    def _rows(self, stream: Stream, matrix: Place, head: int, first: int) -> list[Move]:
        """Return 32 rows of a head, as many as there are and then padding."""
        there = min(max(self.held - first, 0), KEY_BLOCK)
        start = first * self.kv_pitch + head * HEAD_WORDS
        moves = [matrix.move(stream, start, (there, self.kv_pitch), (HEAD_WORDS, 1))] if there else []
        return [*moves, *padding(stream, (KEY_BLOCK - there) * HEAD_WORDS)]

    def all_keys(self, head: int) -> list[Move]:
        """Return the keys of a head, by whole blocks."""
        whole = self.held // KEY_BLOCK
        rows = (whole, KEY_BLOCK * self.kv_pitch), (KEY_BLOCK, self.kv_pitch)
        moves = [self.k.move("loads", head * HEAD_WORDS, *rows, (HEAD_WORDS, 1))] if whole else []
        return [*moves, *self._rows("loads", self.k, head, whole * KEY_BLOCK)] if self.held % KEY_BLOCK else moves


def plan_attention(op: Attention, memory: Memory, columns: int) -> list[Phase]:
    """Return what the columns do for attention, then for the probabilities that are kept.

    Raises:
        LaunchError: more rows than 32, heads of another size than 64, fewer than 4, or no keys.

    """
    planner = _Planner(op, memory)
    blocks = -(-planner.shown() // KEY_BLOCK)
    starts = [min(head, op.heads - CORES) for head in range(0, op.heads, CORES)]
    order = {**planner.order(ATTENTION), Word.LOADS: CORES * planner.row_blocks, Word.BLOCKS: blocks}
    runs: dict[int, Run] = {}
    for column in range(min(columns, len(starts))):
        run = runs[column] = Run({**order, Word.TILES: len(starts[column::columns])})
        for head in starts[column::columns]:
            given = planner.dst.move(
                "given", head * HEAD_WORDS, (planner.rows, op.heads * HEAD_WORDS), (JOINED_WORDS, 1)
            )
            run.tiles.append([*planner.queries(head, CORES), given])
            run.tiles += [planner.block(head, KEY_BLOCK * block, 1, 0) for block in range(blocks)]
    return [runs, *(_kept(planner, memory, columns) if op.probabilities is not None else [])]


def _kept(planner: _Planner, memory: Memory, columns: int) -> list[Phase]:
    op = planner.op
    assert op.probabilities is not None
    multiple(op, "pitch", op.pitch, GROUP)
    within(op, "keys", planner.held, 1, op.pitch)
    memory.write(op.probabilities, np.float32, (len(op.kept_heads), planner.rows, op.pitch), "probabilities")
    dst = place(memory, op.probabilities, "probabilities")
    loads = planner.row_blocks + -(-planner.held // KEY_BLOCK) * KEY_BLOCK // KEYS_A_LOAD
    order = {
        **planner.order(PROBABILITIES),
        Word.TILES: op.pitch // GROUP,
        Word.ONCE: loads,
        Word.LOADS: 0,
        Word.BLOCKS: 1,
    }

    def run(number: int) -> Run:
        head = op.kept_heads[number]
        tiles = []
        for first in range(0, op.pitch, GROUP):
            start = number * planner.rows * op.pitch + first
            given = dst.move("given", start, (planner.rows, op.pitch), (JOINED_WORDS, 1))
            tiles.append([given, *planner.block(head, first if first < planner.held else 0, 0, KEY_BLOCK)])
        tiles[0][1:1] = [*planner.queries(head, 1), *planner.all_keys(head)]
        return Run(order, tiles)

    numbers = range(len(op.kept_heads))
    return [
        {column: run(number) for column, number in enumerate(numbers[first : first + columns])}
        for first in numbers[::columns]
    ]
