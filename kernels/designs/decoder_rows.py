"""Layer norm, quantisation, copies and embeddings on the configuration `decoder`: rows go round the columns.

All cores of a column load a row, or four, and each gives its part of the columns, so that single rows need no padding.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from amanuensis.kernels.designs.decoder_array import JOINED_WORDS, LOAD_WORDS, Word
from amanuensis.kernels.designs.decoder_order import Move, Phase, Run, Stream
from amanuensis.kernels.designs.decoder_place import Place, multiple, padding, place, run_of, within
from amanuensis.kernels.designs.launch import LaunchError
from amanuensis.kernels.dtypes import BFLOAT16
from amanuensis.kernels.layout import INT8_A
from amanuensis.kernels.memory import Memory
from amanuensis.kernels.operators import CopyRows, Embed, LayerNorm, QuantiseRows

NORM, QUANTISE, COPY, EMBED = 2, 3, 6, 7  # modes of aie2/decoder_state.h
SMOOTH: Final = 32  # flag
NORM_WIDTH: Final = 1280  # of Whisper's largest; these limits are those of aie2/decoder_rows.h
QUANTISED_WIDTH: Final = 5120
GIVEN_COLUMNS: Final = 2 * JOINED_WORDS  # of bf16 that a column gives at a time

_NOTHING: Final = dict.fromkeys((Word.ONCE, Word.BLOCKS, Word.STEPS, Word.SCALES, Word.FLAGS), 0)


def plan_norm(op: LayerNorm, memory: Memory, columns: int) -> list[Phase]:
    """Return what the columns do for a layer norm: a row at a time.

    Raises:
        LaunchError: a width that objects do not divide, or a larger one than Whisper has.

    """
    width = op.width
    multiple(op, "width", width, LOAD_WORDS)
    within(op, "width", width, GIVEN_COLUMNS, NORM_WIDTH)
    rows = memory.count(op.rows, "rows")
    src, dst = place(memory, op.src, "src"), place(memory, op.dst, "dst")
    weights = [place(memory, op.gain, "gain"), place(memory, op.bias, "bias")]
    once = [weight.move("loads", 0, *run_of(width)) for weight in weights]

    def tile(row: int) -> list[Move]:
        whole = width // GIVEN_COLUMNS * JOINED_WORDS
        start = row * width // 2
        given = [dst.move("given", start, *run_of(whole))]
        if whole < width // 2:
            given.append(dst.move("given", start + width // 2 - JOINED_WORDS, (JOINED_WORDS, 1)))
        return [*given, src.move("loads", row * width, *run_of(width))]

    order = {
        **_NOTHING,
        Word.MODE: NORM,
        Word.ONCE: 2 * width // LOAD_WORDS,
        Word.LOADS: width // LOAD_WORDS,
        Word.GIVEN: -(-width // GIVEN_COLUMNS),
        Word.WIDTH: width,
        Word.SCALE: int(np.float32(1 / width).view(np.int32)),
    }
    return [_around(order, [tile(row) for row in range(rows)], columns, once)]


def plan_quantise(op: QuantiseRows, memory: Memory, columns: int) -> list[Phase]:
    """Return what the columns do for a quantisation: four rows at a time, and what is left of them by itself.

    Raises:
        LaunchError: a width that objects do not divide, or a larger one than Whisper has.

    """
    width = op.width
    multiple(op, "width", width, LOAD_WORDS)
    within(op, "width", width, LOAD_WORDS, QUANTISED_WIDTH)
    rows = memory.count(op.rows, "rows")
    src, dst, scales = (place(memory, r, n) for r, n in ((op.src, "src"), (op.dst, "dst"), (op.scales, "scales")))
    once = [] if op.smooth is None else [place(memory, op.smooth, "smooth").move("loads", 0, *run_of(width))]
    block_rows = INT8_A.rows

    def tile(block: int, valid: int) -> list[Move]:
        start, words = block * block_rows, 2 * LOAD_WORDS // block_rows // 2
        row = 1 if valid == 1 else width // 2  # a row alone is followed by itself, a word later
        return [
            src.move("loads", start * width // 2, (width // 2 // words, words), (block_rows, row), (words, 1)),
            dst.move("given", start * width // 4, *run_of(block_rows * width // 4)),
            scales.move("scales", start, (valid, 1)),
        ]

    def phase(blocks: range, valid: int) -> Phase:
        order = {
            **_NOTHING,
            Word.MODE: QUANTISE,
            Word.FLAGS: SMOOTH if once else 0,
            Word.ONCE: width // LOAD_WORDS if once else 0,
            Word.LOADS: 2 * width // LOAD_WORDS,
            Word.GIVEN: width // LOAD_WORDS,
            Word.SCALES: valid,
            Word.ROWS: valid,
        }
        return _around(order, [tile(block, valid) for block in blocks], columns, once)

    whole, left = divmod(rows, block_rows)
    phases = [phase(range(whole), block_rows)] if whole else []
    return [*phases, phase(range(whole, whole + 1), left)] if left else phases


def plan_copy(op: CopyRows, memory: Memory, columns: int) -> list[Phase]:
    """Return what the columns do for a copy: each takes a run of rows through its cores, 512 bytes at a time.

    What is missing of the last 512 bytes is the beginning, copied twice.

    Raises:
        LaunchError: source and destination overlap.

    """
    rows = memory.count(op.rows, "rows")
    shape = rows, op.row_bytes
    src_view = memory.read(op.src, np.uint8, shape, "src", pitch=op.src_pitch)
    if np.shares_memory(src_view, memory.write(op.dst, np.uint8, shape, "dst", pitch=op.dst_pitch)):
        raise LaunchError("CopyRows.dst overlaps src; copy through other memory")
    src, dst = place(memory, op.src, "src"), place(memory, op.dst, "dst")
    row_words, pitches = op.row_bytes // 4, (op.src_pitch // 4, op.dst_pitch // 4)
    runs: dict[int, Run] = {}
    used = min(columns, -(-rows * row_words // JOINED_WORDS), rows)
    for column in range(used):
        first, last = rows * column // used, rows * (column + 1) // used
        words = (last - first) * row_words
        missing = -words % JOINED_WORDS
        order = {**_NOTHING, Word.MODE: COPY, Word.TILES: -(-words // JOINED_WORDS), Word.LOADS: 1, Word.GIVEN: 1}
        given = _copied("given", dst, pitches[1], first, last, row_words, missing)
        loads = _copied("loads", src, pitches[0], first, last, row_words, missing)
        runs[column] = Run(order, [[*pair] for pair in zip(given, loads, strict=True)])
    return [runs]


def _copied(stream: Stream, at: Place, pitch: int, first: int, last: int, row_words: int, missing: int) -> list[Move]:
    repeats, rest = divmod(missing, row_words)
    start = first * pitch
    dims: list[tuple[tuple[int, int], ...]] = [((repeats, 0), *run_of(row_words))] if repeats else []
    if rest:
        dims.append(run_of(rest))
    dims.append(((last - first, pitch), *run_of(row_words)))
    return [at.move(stream, start, *dim) for dim in dims]


def plan_embed(op: Embed, memory: Memory, columns: int) -> list[Phase]:
    """Return what the columns do for embeddings: a row of tokens and one of positions at a time, by the ids in memory.

    Raises:
        LaunchError: a width that objects do not divide, or a larger one than Whisper has.

    """
    width = op.width
    multiple(op, "width", width, LOAD_WORDS)
    within(op, "width", width, LOAD_WORDS, NORM_WIDTH)
    rows = memory.count(op.rows, "rows")
    first = memory.count(op.first, "first")
    ids = memory.read(op.ids, np.int32, (rows,), "ids")
    places = first + op.step * np.arange(rows)
    memory.gather(op.table, BFLOAT16, (op.vocabulary, width), ids, "table")  # refuses rows that are not there
    memory.gather(op.positions, np.float32, (op.n_positions, width), places, "positions")
    table, positions = place(memory, op.table, "table"), place(memory, op.positions, "positions")
    dst = place(memory, op.dst, "dst")
    objects = -(-width // (2 * LOAD_WORDS))

    def tile(row: int) -> list[Move]:
        return [
            dst.move("given", row * width, *run_of(width)),
            table.move("loads", int(ids[row]) * width // 2, *run_of(width // 2)),
            *padding("loads", objects * LOAD_WORDS - width // 2),
            positions.move("loads", int(places[row]) * width, *run_of(width)),
        ]

    order = {
        **_NOTHING,
        Word.MODE: EMBED,
        Word.LOADS: objects + width // LOAD_WORDS,
        Word.GIVEN: width // LOAD_WORDS,
        Word.WIDTH: width,
    }
    return [_around(order, [tile(row) for row in range(rows)], columns, [])]


def _around(order: dict[Word, int], tiles: list[list[Move]], columns: int, once: list[Move]) -> Phase:
    """Return the run of each column over every so many tiles, behind what it needs once."""
    runs: dict[int, Run] = {}
    for column in range(min(columns, len(tiles))):
        mine = [list(tile) for tile in tiles[column::columns]]
        at = next(i for i, move in enumerate(mine[0]) if move.stream == "loads")
        mine[0][at:at] = once
        runs[column] = Run({**order, Word.TILES: len(mine)}, mine)
    return runs
