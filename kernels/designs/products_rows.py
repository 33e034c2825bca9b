"""Rows in the configuration `products`: layer norm, quantisation, sums and copies.

A core takes `rows` rows at a time, chunk by chunk; b brings a chunk for each of the four cores of a column, so a round
of a column is 4 * rows rows that follow one another, and so is what the cores give. Rounds are dealt out to columns.

The last round of the last column may have fewer rows. What is missing are rows that are there again, whose results are
written onto their own. Copies rather end with a round of the last rows, some of which were copied already. Quantised
are quads of 4 rows, of which a last one that is not full gets a part of its own: all cores compute it alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from amanuensis.kernels.designs.products import ROWS, Core
from amanuensis.kernels.designs.products_sequence import ITERATIONS, Part, Tap, Unit, filler, repeats, run
from amanuensis.kernels.designs.products_tiles import FILLER_WORDS, QUAD, Place
from amanuensis.kernels.designs.products_words import Flag, Kind, RowWords, Words
from amanuensis.kernels.entries_products import OBJECT_WORDS, OUT_WORDS


@dataclass(frozen=True, slots=True)
class RowJob:
    """Work on rows whose sizes and places are known; sizes in words of 4 bytes.

    Attributes:
        kind: NORM, QUANTISE, ADD, COPY or NARROW.
        count: rows in all.
        rows: that a core takes at a time, a power of two.
        row: words that are taken of a row, a multiple of 1024 / rows.
        given: words that are given of it, a multiple of 256 / rows.
        pitch, given_pitch: words from row to row in memory.
        src: one or, of a sum, two sources.
        dst: where results go; quads of rows of QUANTISE lie together.
        width: as the cores are told it.
        scales: where scales of rows go.
        kept: vectors that the cores keep, each `width` words.

    """

    kind: Kind
    count: int
    rows: int
    row: int
    given: int
    pitch: int
    given_pitch: int
    src: tuple[Place, ...]
    dst: Place
    width: int
    scales: Place | None = None
    kept: tuple[Place, ...] = ()

    @property
    def together(self) -> int:
        """Rows that lie together in the results."""
        return QUAD if self.kind is Kind.QUANTISE else 1

    @property
    def high(self) -> int:
        """Rows of a round of a column."""
        return ROWS * self.rows

    @property
    def streams(self) -> bool:
        """Whether each chunk is given before the next is taken."""
        return self.kind in {Kind.COPY, Kind.NARROW}

    @property
    def chunk(self) -> int:
        """Words of a row in an object of operands."""
        return OBJECT_WORDS // self.rows

    @property
    def piece(self) -> int:
        """Words that lie together in an object of results."""
        return OUT_WORDS * self.together // self.rows


def parts_of(job: RowJob, columns: int) -> list[Part]:
    """Return the parts of a job on so many columns of cores."""
    limit = ITERATIONS
    if job.kind is Kind.QUANTISE:
        limit = min(limit, OUT_WORDS // job.rows)
    most = limit * columns * job.high  # rows of a part
    whole = job.count - job.count % job.together
    if job.streams:
        starts = range(0, whole, most)
        return [together(copying(job, columns, first, min(most, whole - first)), []) for first in starts]
    parts = [Run(job, columns, first, min(most, whole - first)).part() for first in range(0, whole, most)]
    if job.count > whole:
        parts.append(_lone_quad(job, whole))
    return parts


def copying(job: RowJob, columns: int, first: int, count: int) -> list[Run]:
    """Return the runs that copy rows: whole rounds, and where more rows are left, a round of the last ones."""
    over = count % job.high
    if count < job.high or not over:
        return [Run(job, columns, first, count)]
    return [Run(job, columns, first, count - over), Run(job, columns, first + count - job.high, job.high)]


def together(runs: list[Run], more: list[Unit], extras: Callable[[Core], int] = lambda _: 0) -> Part:
    """Return one part of several runs of copies, and of objects of zeros that further units take."""

    def words(core: Core) -> Words:
        each = [run.row_words(core.column) for run in runs]
        return replace(each[0], rounds=sum(words.rounds for words in each), extras=extras(core)).words()

    return Part(words, [*(unit for run in runs for unit in run.units()), *more])


@dataclass(frozen=True, slots=True)
class Run:
    """Rows of one part: `count` from `first` on."""

    job: RowJob
    columns: int
    first: int
    count: int

    def part(self) -> Part:
        """Return the part."""
        return Part(self._words, list(self.units()))

    def units(self) -> Iterator[Unit]:
        """Yield the transfers."""
        yield _kept_by_all(self.job)
        yield from self._whole()
        yield from self._rest()
        if self.job.scales is not None:
            yield self._scales(self.job.scales)

    @property
    def _blocks(self) -> int:
        """Whole rounds of all columns."""
        return self.count // self.job.high

    @property
    def _left(self) -> int:
        """Rows of the one that is not whole."""
        return self.count % self.job.high

    def _column_rounds(self, column: int) -> int:
        return len(range(column, self._blocks, self.columns))

    def _last_column(self) -> int:
        return self._blocks % self.columns

    def _rounds(self, column: int) -> int:
        return self._column_rounds(column) + (self._left > 0 and column == self._last_column())

    def row_words(self, column: int) -> RowWords:
        """Return what the cores of a column do."""
        job, rounds = self.job, self._rounds(column)
        chunks, gives = len(job.src) * job.row // job.chunk, job.given // job.piece
        if job.streams:
            rounds, gives, chunks = rounds * chunks, gives // chunks, 1
        scale_words = 0 if job.scales is None else rounds * job.rows
        words = _words_of(job, rounds, chunks, gives)
        return replace(words, scale_words=scale_words, extras=int(scale_words > 0))

    def _words(self, core: Core) -> Words:
        return self.row_words(core.column).words()

    def _whole(self) -> Iterator[Unit]:
        """Bring and take the whole rounds, each column's with one transfer a way; of two sources round by round.

        Sources take turns on one way: were all their rounds in one unit, its fills would wait for results to leave
        which it has not asked for yet.
        """
        job, most = self.job, max(map(self._column_rounds, range(self.columns)))
        each = most if len(job.src) == 1 else 1
        step = self.columns * job.high
        for at in range(0, most, max(each, 1)):
            unit = Unit(drains_first=False)
            for column in range(self.columns):
                rounds = min(each, self._column_rounds(column) - at)
                if rounds < 1:
                    continue
                row = self.first + column * job.high + at * step
                sizes = (rounds, job.row // job.chunk, job.high, job.chunk)
                strides = (step * job.pitch, job.chunk, job.pitch, 1)
                taps = (Tap(place.buffer, place.word + row * job.pitch, sizes, strides) for place in job.src)
                unit.add(("b", column), *taps)
                of, pitch = job.together, job.given_pitch
                sizes = (rounds, job.given // job.piece, job.high // of, job.piece)
                start = job.dst.word + row // of * pitch
                unit.add(("out", column), Tap(job.dst.buffer, start, sizes, (step // of * pitch, job.piece, pitch, 1)))
            yield unit

    def _rest(self) -> Iterator[Unit]:
        """Bring and take the round that is not whole: at once, or chunk by chunk where cores hold no more."""
        if not self._left:
            return
        chunks, pieces = range(0, self.job.row, self.job.chunk), range(0, self.job.given, self.job.piece)
        if not self.job.streams:
            yield self._rest_unit(chunks, pieces)
            return
        share = len(pieces) // len(chunks)
        for i in range(len(chunks)):
            yield self._rest_unit(chunks[i : i + 1], pieces[i * share : (i + 1) * share])

    def _rest_unit(self, chunks: range, pieces: range) -> Unit:
        job, unit, column = self.job, Unit(drains_first=False), self._last_column()
        row = self.first + self._blocks * job.high
        for place in job.src:
            for chunk in chunks:
                start = place.word + row * job.pitch + chunk
                unit.add(("b", column), *self._surplus(place.buffer, start, 1, job.pitch, job.chunk))
        for piece in pieces:
            start = job.dst.word + row // job.together * job.given_pitch + piece
            taps = self._surplus(job.dst.buffer, start, job.together, job.given_pitch, job.piece)
            unit.add(("out", column), *taps)
        return unit

    def _surplus(self, buffer: int, start: int, together: int, pitch: int, words: int) -> Iterator[Tap]:
        """Yield the rows that there are, and which ones are repeated; `together` of them lie at a pitch."""
        count, high = self._left // together, self.job.high // together
        if self.job.kind is Kind.QUANTISE:  # quads, of which the scales too are repeated
            return _rows_and_last(buffer, start, count, QUAD // together, high, pitch, words)
        return _rows_and_again(buffer, start, count, high, pitch, words)

    def _scales(self, scales: Place) -> Unit:
        unit = Unit()
        for column in range(self.columns):
            if self._rounds(column):
                for row in range(ROWS):
                    unit.add(("out", column), *self._core_scales(scales, column, row))
        return unit

    def _core_scales(self, scales: Place, column: int, row: int) -> Iterator[Tap]:
        """Yield where a core's scales go: of whole rounds, of the last one, and surplus ones by quads."""
        job, rounds = self.job, self._column_rounds(column)
        start = scales.at(self.first + column * job.high + row * job.rows)
        last = start.word + (rounds - 1) * self.columns * job.high + job.rows - QUAD  # the last quad of whole rounds
        surplus = OUT_WORDS - self._rounds(column) * job.rows
        if rounds:
            yield Tap(start.buffer, start.word, (1, 1, rounds, job.rows), (0, 0, self.columns * job.high, 1))
        if self._rounds(column) > rounds:
            there = min(max(self._left - row * job.rows, 0), job.rows)
            if there:
                yield run(start.buffer, start.word + rounds * self.columns * job.high, there)
            last = scales.word + self.first + self.count - QUAD
            if there == job.rows:
                last = start.word + rounds * self.columns * job.high + job.rows - QUAD
            surplus += job.rows - there
        yield from repeats(start.buffer, last, surplus // QUAD, QUAD)


def _words_of(job: RowJob, rounds: int, chunks: int, gives: int) -> RowWords:
    smooth = job.kind is Kind.QUANTISE and bool(job.kept)
    return RowWords(
        kind=job.kind,
        rounds=rounds,
        chunks=chunks,
        rows=job.rows,
        gives=gives,
        width=job.chunk if job.streams else job.width,
        flags=Flag.SMOOTH if smooth else Flag(0),
    )


def _kept_by_all(job: RowJob) -> Unit:
    """Bring what the cores keep, to every row of cores."""
    unit = Unit()
    if job.kept:
        first, words = job.kept[0], len(job.kept) * job.width
        for row in range(ROWS):
            unit.add(("a", row), *(run(place.buffer, place.word, job.width) for place in job.kept))
            unit.add(("a", row), *filler(first.buffer, first.word, -words % OBJECT_WORDS, min(FILLER_WORDS, job.width)))
    return unit


def _rows_and_again(buffer: int, start: int, count: int, high: int, pitch: int, words: int) -> Iterator[Tap]:
    """Yield some rows, and then rows among them again until they are `high`."""
    yield Tap(buffer, start, (1, 1, count, words), (0, 0, pitch, 1))
    left = high - count
    whole, rest = divmod(left, count)
    while whole:
        now = min(whole, ITERATIONS)
        yield Tap(buffer, start, (now, 1, count, words), (0, 0, pitch, 1))
        whole -= now
    if rest:
        yield Tap(buffer, start, (1, 1, rest, words), (0, 0, pitch, 1))


def _rows_and_last(buffer: int, start: int, count: int, of: int, high: int, pitch: int, words: int) -> Iterator[Tap]:
    """Yield some rows and then the last `of` of them again until they are `high`."""
    yield Tap(buffer, start, (1, 1, count, words), (0, 0, pitch, 1))
    last, left = start + (count - of) * pitch, (high - count) // of
    while left:
        now = min(left, ITERATIONS)
        yield Tap(buffer, last, (now, 1, of, words), (0, 0, pitch, 1))
        left -= now


def _lone_quad(job: RowJob, first: int) -> Part:
    """Return the part of a last quad that is not full: in every place of a round of the first column."""
    count, column = job.count - first, 0
    chunks, gives = job.row // job.chunk, job.given // job.piece

    def words(core: Core) -> Words:
        mine = core.column == column
        base = _words_of(job, int(mine), chunks, gives)
        return replace(base, last_quad=count, extras=int(mine), scale_words=count if mine else 0).words()

    unit, (src,) = Unit(drains_first=False), job.src
    for chunk in range(0, job.row, job.chunk):
        start = src.word + first * job.pitch + chunk
        for _ in range(job.high // QUAD):
            unit.add(("b", column), *_rows_and_last(src.buffer, start, count, 1, QUAD, job.pitch, job.chunk))
    for piece in range(0, job.given, job.piece):
        start = job.dst.word + first // QUAD * job.given_pitch + piece
        unit.add(("out", column), *repeats(job.dst.buffer, start, job.high // QUAD, job.piece))
    assert job.scales is not None
    for _ in range(ROWS):
        start = job.scales.word + first
        unit.add(("out", column), run(job.scales.buffer, start, count))
        unit.add(("out", column), *repeats(job.scales.buffer, start + count - 1, OUT_WORDS - count, 1))
    return Part(words, [_kept_by_all(job), unit])
