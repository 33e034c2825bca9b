"""Products as tiles: which tile goes to which core, and where its operands lie.

Tiles of sums are 64 x 64. A group is 256 rows, one tile for each core of a column; a round is one tile of columns for
each column of cores. Within a group rows are dealt out by quads of 4, so that what the four cores give at a time are
rows that follow one another: `quads` of each core, 16, 32 or 64 rows in all.

The last group may have fewer rows. What is missing of it is the last row (of int8, the last quad) again, and so is
what the cores give for it: surplus rows are written onto the last row, with its own value. A core takes residuals
before it gives what may overwrite them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from amanuensis.kernels.designs.products import ROWS, Core, Way
from amanuensis.kernels.designs.products_sequence import ITERATIONS, Part, Tap, Unit, filler, repeats, run
from amanuensis.kernels.designs.products_words import Flag, Kind, TileWords, Words
from amanuensis.kernels.entries_products import OBJECT_WORDS

TILE: Final = 64
QUAD: Final = 4
GROUP_ROWS: Final = ROWS * TILE
SLOTS: Final = TILE // QUAD  # quads of a core in a group
SPAN_ROUNDS: Final = 8  # whose scales and biases the cores hold
SPAN_GROUPS: Final = 15  # whose scales of rows they hold
SCALES_BEFORE: Final = 16  # words before those, with the last row's scale
K_BLOCK: Final = 8  # of k, in all layouts
FILLER_WORDS: Final = 128


@dataclass(frozen=True, slots=True)
class Place:
    """A buffer and a word in it."""

    buffer: int
    word: int

    def at(self, words: int) -> Place:
        """Return the place so many words further on."""
        return Place(self.buffer, self.word + words)


@dataclass(frozen=True, slots=True)
class Product:
    """A product whose sizes and places are known; of a and b see the operators.

    Attributes:
        kind: INT8, BF16 or REQUANTISE.
        flags: how it ends.
        rows, k, n: its sizes.
        a, b, dst: operands and result.
        row_scales: float [rows], of INT8.
        columns: what is kept of each column: scales and bias, bias, or multipliers and bias.
        residual: float [rows, n].
        shift: of REQUANTISE.

    """

    kind: Kind
    flags: Flag
    rows: int
    k: int
    n: int
    a: Place
    b: Place
    dst: Place
    row_scales: Place | None
    columns: tuple[Place, ...]
    residual: Place | None
    shift: int = 0

    @property
    def is_bf16(self) -> bool:
        """Whether the operands are bf16."""
        return self.kind is Kind.BF16

    @property
    def quads(self) -> int:
        """Quads of a core in an object of results."""
        if self.kind is Kind.REQUANTISE:
            return 4
        return 1 if Flag.F32 in self.flags else 2

    @property
    def step_blocks(self) -> int:
        """Blocks of k in an object."""
        return 4 if self.is_bf16 else 8

    @property
    def whole_steps(self) -> int:
        """Objects of k that are full."""
        return self.k // (K_BLOCK * self.step_blocks)

    @property
    def rest_blocks(self) -> int:
        """Blocks of k in the last object if it is not full, else 0."""
        return self.k // K_BLOCK % self.step_blocks


@dataclass(frozen=True, slots=True)
class Ragged:
    """The rows of a group, 1 to 256, over the objects of results of its column."""

    rows: int
    quads: int  # of a core in an object

    @property
    def outs(self) -> int:
        """Objects of results."""
        return -(-self.rows // (ROWS * QUAD * self.quads))

    @property
    def last(self) -> int:
        """Rows in the last of them."""
        return self.rows - (self.outs - 1) * ROWS * QUAD * self.quads

    def core_rows(self, row: int) -> int:
        """Return how many rows of the group are those of a core, given its row in the column."""
        share = QUAD * self.quads
        return (self.outs - 1) * share + min(max(self.last - row * share, 0), share)

    @property
    def surplus(self) -> int:
        """Rows that the cores give beyond."""
        return self.outs * ROWS * QUAD * self.quads - self.rows

    @property
    def whole(self) -> bool:
        """Whether it is a group of 256."""
        return self.rows == GROUP_ROWS


def parts_of(product: Product, columns: int) -> list[Part]:
    """Return the parts of a product on so many columns of cores."""
    rounds = -(-product.n // (TILE * columns))
    groups = -(-product.rows // GROUP_ROWS)
    return [
        _Span(
            product,
            columns,
            range(first, min(first + SPAN_ROUNDS, rounds)),
            range(group, min(group + SPAN_GROUPS, groups)),
        ).part()
        for first in range(0, rounds, SPAN_ROUNDS)
        for group in range(0, groups, SPAN_GROUPS)
    ]


@dataclass(frozen=True, slots=True)
class _Span:
    """Rounds and groups of one part."""

    product: Product
    columns: int
    rounds: range
    groups: range

    def part(self) -> Part:
        return Part(self._words, list(self._units()))

    def _tiles(self, column: int) -> int:
        """Return how many tiles of columns a column makes of each group."""
        whole = self.product.n // TILE
        return len([t for t in self.rounds if t * self.columns + column < whole])

    def _group(self, group: int) -> Ragged:
        return Ragged(min(GROUP_ROWS, self.product.rows - group * GROUP_ROWS), self.product.quads)

    def _words(self, core: Core) -> Words:
        product, last, active = self.product, self._group(self.groups[-1]), self._tiles(core.column)
        return TileWords(
            kind=product.kind,
            flags=product.flags,
            active=active,
            idle=len(self.rounds) - active,
            groups=len(self.groups),
            steps=product.whole_steps + bool(product.rest_blocks),
            last_k=product.rest_blocks or product.step_blocks,
            last_outs=last.outs,
            last_rows=last.core_rows(core.row),
            last_quad=(last.rows - 1) % QUAD + 1,
            last_row=last.last - 1,
            shift=product.shift,
        ).words()

    def _units(self) -> Iterator[Unit]:
        yield self._kept()
        for group in self.groups:
            ragged = self._group(group)
            if ragged.whole and self.product.residual is None and not self.product.rest_blocks:
                yield self._merged(group, ragged)
            else:
                yield from (self._tile(group, ragged, t) for t in self.rounds)

    def _kept(self) -> Unit:
        """Bring scales and biases, which the cores keep."""
        unit, product = Unit(), self.product
        for column in range(self.columns):
            tiles = self._tiles(column)
            if not tiles:
                continue
            way: Way = ("b", column)
            for place in product.columns:
                first = place.at((self.rounds.start * self.columns + column) * TILE)
                unit.add(way, Tap(first.buffer, first.word, (1, 1, tiles, TILE), (0, 0, self.columns * TILE, 1)))
            unit.add(way, *self._fill_up(OBJECT_WORDS - len(product.columns) * tiles * TILE))
        if product.row_scales is not None:
            for row in range(ROWS):
                unit.add(("a", row), *self._row_scales(product.row_scales, row))
        return unit

    def _row_scales(self, scales: Place, row: int) -> Iterator[Tap]:
        """Yield the last row's scale 16 times, then those of the core's rows in every group."""
        yield from repeats(scales.buffer, scales.word + self.product.rows - 1, SCALES_BEFORE, 1)
        share = QUAD * self.product.quads
        count = sum(self._group(group).core_rows(row) for group in self.groups)
        first = scales.at(self.groups.start * GROUP_ROWS + row * share)
        if count >= share:
            sizes, strides = (1, 1, count // share, share), (0, 0, ROWS * share, 1)
            yield Tap(first.buffer, first.word, sizes, strides)
        if count % share:
            yield run(first.buffer, first.word + count // share * ROWS * share, count % share)
        yield from self._fill_up(OBJECT_WORDS - SCALES_BEFORE - count)

    def _fill_up(self, words: int) -> Iterator[Tap]:
        """Yield what makes an object whole: anything that can be read, here the beginning of b."""
        product = self.product
        return filler(product.b.buffer, product.b.word, words, min(FILLER_WORDS, self._b_step() * product.k // K_BLOCK))

    def _merged(self, group: int, ragged: Ragged) -> Unit:
        """Bring all rounds of a whole group with as few transfers as there can be."""
        unit = Unit()
        for row in range(ROWS):
            unit.add(("a", row), *_again(list(self._a(group, ragged, row)), len(self.rounds), 0))
        for column in range(self.columns):
            tiles, first = self._tiles(column), self.rounds.start * self.columns + column
            if tiles:
                unit.add(("b", column), *_again(list(self._b(first)), tiles, self._b_step() * self.columns))
                results = list(self._results(group, ragged, first))
                unit.add(("out", column), *_again(results, tiles, self._result_step() * self.columns))
        return unit

    def _tile(self, group: int, ragged: Ragged, at: int) -> Unit:
        """Bring one round of a group."""
        unit = Unit(drains_first=self.product.residual is None)
        for row in range(ROWS):
            unit.add(("a", row), *self._a(group, ragged, row))
        for column in range(self.columns):
            tile = at * self.columns + column
            if tile < self.product.n // TILE:
                unit.add(("b", column), *self._b(tile), *self._residual(group, ragged, tile))
                unit.add(("out", column), *self._results(group, ragged, tile))
        return unit

    def _a(self, group: int, ragged: Ragged, row: int) -> Iterator[Tap]:
        """Yield the objects of a tile of a for a row of cores."""
        part = _bf16_a if self.product.is_bf16 else _int8_a
        product, whole = self.product, self.product.whole_steps
        if ragged.whole:
            for first in range(0, whole, ITERATIONS):
                yield from part(product, group, ragged, row, first, min(ITERATIONS, whole - first), product.step_blocks)
        else:
            for step in range(whole):
                yield from part(product, group, ragged, row, step, 1, product.step_blocks)
        if product.rest_blocks:
            yield from part(product, group, ragged, row, whole, 1, product.rest_blocks)
            yield from self._fill_up(OBJECT_WORDS // product.step_blocks * (product.step_blocks - product.rest_blocks))

    def _b_step(self) -> int:
        """Return the words from a tile of columns of b to the next, which are those of 8 rows of k in a tile."""
        return TILE * K_BLOCK * (2 if self.product.is_bf16 else 1) // 4

    def _b(self, tile: int) -> Iterator[Tap]:
        """Yield the objects of a tile of b."""
        product, width = self.product, self._b_step()
        pitch = width * product.n // TILE
        start, blocks = product.b.at(tile * width), product.step_blocks
        if product.whole_steps:
            sizes = (1, product.whole_steps, blocks, width)
            yield Tap(start.buffer, start.word, sizes, (0, blocks * pitch, pitch, 1))
        if product.rest_blocks:
            rest = start.at(product.whole_steps * blocks * pitch)
            yield Tap(rest.buffer, rest.word, (1, 1, product.rest_blocks, width), (0, 0, pitch, 1))
            yield from self._fill_up(OBJECT_WORDS - product.rest_blocks * width)

    def _residual(self, group: int, ragged: Ragged, tile: int) -> Iterator[Tap]:
        """Yield the residual of a tile of columns of a group, 16 rows an object."""
        if self.product.residual is None:
            return
        start = self.product.residual.at(group * GROUP_ROWS * self.product.n + tile * TILE)
        yield Tap(start.buffer, start.word, (1, 1, ragged.rows, TILE), (0, 0, self.product.n, 1))
        yield from self._fill_up(ragged.surplus * TILE)

    def _result_step(self) -> int:
        """Return the words from a tile of columns of the results to the next."""
        return TILE if Flag.F32 in self.product.flags or self.product.kind is Kind.REQUANTISE else TILE // 2

    def _results(self, group: int, ragged: Ragged, tile: int) -> Iterator[Tap]:
        """Yield where the results of a tile of columns of a group go."""
        width = self._result_step()
        pitch = width * self.product.n // TILE
        of = QUAD if self.product.kind is Kind.REQUANTISE else 1  # rows that lie together
        start = self.product.dst.at(group * GROUP_ROWS // of * pitch + tile * width)
        count = -(-ragged.rows // of)
        yield Tap(start.buffer, start.word, (1, 1, count, width), (0, 0, pitch, 1))
        yield from repeats(start.buffer, start.word + (count - 1) * pitch, ragged.surplus // of, width)


def _again(taps: list[Tap], count: int, step: int) -> Iterator[Tap]:
    """Yield transfers so many times, `step` words further on each time; as one if it has room for that."""
    if len(taps) == 1 and taps[0].sizes[0] == 1:
        tap = taps[0]
        yield Tap(tap.buffer, tap.offset, (count, *tap.sizes[1:]), (step, *tap.strides[1:]))
        return
    for i in range(count):
        yield from (Tap(tap.buffer, tap.offset + i * step, tap.sizes, tap.strides) for tap in taps)


def _int8_a(
    product: Product, group: int, ragged: Ragged, row: int, step: int, steps: int, blocks: int
) -> Iterator[Tap]:
    """Yield objects of int8 a: a quad has its blocks of k one after another, 8 words each."""
    pitch, words, quads = product.k, blocks * K_BLOCK, product.quads
    matrix = product.a.at(step * product.step_blocks * K_BLOCK)
    start = matrix.at((group * SLOTS * ROWS + row * quads) * pitch)
    if ragged.whole:
        sizes, strides = (SLOTS // quads, quads, words), (ROWS * quads * pitch, pitch, 1)
        if quads == 1:
            yield Tap(
                start.buffer, start.word, (1, steps, SLOTS, words), (0, product.step_blocks * K_BLOCK, strides[0], 1)
            )
        else:
            yield Tap(start.buffer, start.word, (steps, *sizes), (product.step_blocks * K_BLOCK, *strides))
        return
    count = -(-ragged.core_rows(row) // QUAD)
    if count >= quads:
        yield Tap(start.buffer, start.word, (1, count // quads, quads, words), (0, ROWS * quads * pitch, pitch, 1))
    if count % quads:
        rest = start.at(count // quads * ROWS * quads * pitch)
        yield Tap(rest.buffer, rest.word, (1, 1, count % quads, words), (0, 0, pitch, 1))
    last = matrix.at((product.rows - 1) // QUAD * pitch)
    yield from repeats(last.buffer, last.word, SLOTS - count, words)


def _bf16_a(
    product: Product, group: int, ragged: Ragged, row: int, step: int, steps: int, blocks: int
) -> Iterator[Tap]:
    """Yield objects of bf16 a: rows, 4 words a block of k."""
    pitch, words, share = product.k // 2, blocks * K_BLOCK // 2, QUAD * product.quads
    matrix = product.a.at(step * product.step_blocks * K_BLOCK // 2)
    start = matrix.at((group * GROUP_ROWS + row * share) * pitch)
    count = ragged.core_rows(row)
    if count >= share:
        sizes = (steps, count // share, share, words)
        yield Tap(start.buffer, start.word, sizes, (product.step_blocks * K_BLOCK // 2, ROWS * share * pitch, pitch, 1))
    if count % share:
        rest = start.at(count // share * ROWS * share * pitch)
        yield Tap(rest.buffer, rest.word, (1, 1, count % share, words), (0, 0, pitch, 1))
    last = matrix.at((product.rows - 1) * pitch)
    yield from repeats(last.buffer, last.word, TILE - count, words)
