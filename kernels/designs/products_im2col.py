"""The matrix of a convolution in the configuration `products`: copies of rows that overlap, and zeros.

A row of the matrix is three rows of the source that follow one another, so it is a copy with a pitch of `stride` rows.
The first row lacks what is before the source and the last one what is behind it; there, behind the filled rows and
behind the three taps of each row go zeros, which cores make.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from amanuensis.kernels.designs.launch import LaunchError
from amanuensis.kernels.designs.products import ROWS, Core, Way
from amanuensis.kernels.designs.products_operands import LANES, MOST_ROWS, WORD_BYTES, Places, rows_of_a_chunk
from amanuensis.kernels.designs.products_rows import RowJob, Run, copying, together
from amanuensis.kernels.designs.products_sequence import Part, Tap, Unit, repeats
from amanuensis.kernels.designs.products_tiles import Place
from amanuensis.kernels.designs.products_words import Kind, Words
from amanuensis.kernels.dtypes import BFLOAT16
from amanuensis.kernels.entries_products import OBJECT_WORDS, OUT_WORDS
from amanuensis.kernels.memory import Memory
from amanuensis.kernels.operators import Im2col
from amanuensis.kernels.reference.conv1d import TAPS, cut_tap, out_rows

JOINED_WORDS: Final = ROWS * OUT_WORDS  # that the cores of a column give at a time
ZERO_COLUMN: Final = 0  # whose cores make zeros


@dataclass(frozen=True, slots=True)
class _Patch:
    """A rectangle of words in the matrix."""

    start: int
    rows: int
    words: int

    @property
    def size(self) -> int:
        return self.rows * self.words


def parts_of(op: Im2col, memory: Memory, rows: int, columns: int) -> list[Part]:
    """Return the parts of an Im2col of so many rows of the source: one, or where it is laid out for more a second.

    Laid out for more rows, all of them are taken, and then what lies behind those that count is overwritten with zeros
    where a row that counts sees it; the rows of the matrix behind those hold what the source holds there.

    Raises:
        LaunchError: a width that is cut into words badly, more rows than the matrix has, or matrix and source overlap.
        OperandError: an operand is not inside its buffer.

    """
    room = memory.room(op.rows)
    matrix = _Matrix.of(op, memory, rows if room is None else min(room, op.dst_rows * op.stride))
    runs = [run for job in matrix.copies() for run in copying(job, columns, 0, job.count)]
    patches = [patch for patch in matrix.zeros() if patch.size]
    zeros = -(-sum(patch.size for patch in patches) // JOINED_WORDS)
    part = together(runs, [matrix.zero_unit(patches)], lambda core: zeros if core.column == ZERO_COLUMN else 0)
    return [part] if room is None else [part, _cut(matrix, runs[0], rows)]


def _cut(matrix: _Matrix, run: Run, rows: int) -> Part:
    """Return the part that overwrites the tap behind so many rows."""
    patch = matrix.behind(rows)
    zeros = -(-patch.size // JOINED_WORDS)

    def words(core: Core) -> Words:
        extras = zeros if core.column == ZERO_COLUMN else 0
        return replace(run.row_words(core.column), rounds=0, extras=extras).words()

    return Part(words, [matrix.zero_unit([patch])])


@dataclass(frozen=True, slots=True)
class _Matrix:
    """The operator with its places known; sizes in words: `tap` of a row of the source, `out` of the same in dst."""

    op: Im2col
    rows: int
    at_a_time: int
    src: Place
    dst: Place

    @classmethod
    def of(cls, op: Im2col, memory: Memory, rows: int) -> _Matrix:
        filled, places = out_rows(rows, op.stride), Places(memory)
        if filled > op.dst_rows:
            raise LaunchError(f"{rows} rows of src make {filled} rows of dst, which has {op.dst_rows}")
        wide = op.dtype == "f32"
        words = op.width if wide else op.width // 2
        if op.width % LANES:
            raise LaunchError(f"width is {op.width}; a multiple of {LANES} is needed")
        most = OBJECT_WORDS // LANES if wide else MOST_ROWS
        return cls(
            op,
            rows,
            rows_of_a_chunk("width", op.width, words, most),
            places.read(op.src, "src", np.float32 if wide else BFLOAT16, (rows, op.width)),
            places.written(op.dst, "dst", BFLOAT16, (op.dst_rows, op.k_padded)),
        )

    @property
    def _tap(self) -> int:
        return self.op.width if self.op.dtype == "f32" else self._out

    @property
    def _out(self) -> int:
        return self.op.width * BFLOAT16.itemsize // WORD_BYTES

    @property
    def _pitch(self) -> int:
        return self.op.k_padded * BFLOAT16.itemsize // WORD_BYTES

    @property
    def _filled(self) -> int:
        return out_rows(self.rows, self.op.stride)

    def _taps(self, row: int) -> range:
        """Return which taps of a row of the matrix are rows of the source."""
        first = row * self.op.stride - 1
        return range(max(0, -first), min(TAPS, self.rows - first))

    def copies(self) -> Iterator[RowJob]:
        """Yield the rows that are complete, and the first and last one if they are not.

        With those go their neighbours, of the same taps, as many as a round has.
        """
        end = self._filled - 1
        last = end if len(self._taps(end)) == TAPS else end - 1  # of the complete ones, which begin at 1
        if last >= 1:
            yield self._copy(1, last, range(TAPS))
        high = ROWS * self.at_a_time
        yield self._copy(0, min(max(last, 0), high - 1), self._taps(0))
        if end > max(last, 0):
            yield self._copy(max(1, end + 1 - high), end, self._taps(end))

    def _copy(self, first: int, last: int, taps: range) -> RowJob:
        src = self.src.at((first * self.op.stride - 1 + taps.start) * self._tap)
        dst = self.dst.at(first * self._pitch + taps.start * self._out)
        return RowJob(
            kind=Kind.NARROW if self.op.dtype == "f32" else Kind.COPY,
            count=last - first + 1,
            rows=self.at_a_time,
            row=len(taps) * self._tap,
            given=len(taps) * self._out,
            pitch=self.op.stride * self._tap,
            given_pitch=self._pitch,
            src=(src,),
            dst=dst,
            width=OBJECT_WORDS // self.at_a_time,
        )

    def behind(self, rows: int) -> _Patch:
        """Return the tap that is behind so many rows of the source, or another one that is zero."""
        row, tap = cut_tap(rows, self.op.stride)
        return _Patch(self.dst.word + row * self._pitch + tap * self._out, 1, self._out)

    def zeros(self) -> Iterator[_Patch]:
        """Yield what is zero: taps outside the source, the rest of the rows, and the rest of the matrix."""
        start, behind = self.dst.word, TAPS * self._out
        for row in {0, self._filled - 1}:
            taps, at = self._taps(row), start + row * self._pitch
            yield _Patch(at, 1, taps.start * self._out)
            yield _Patch(at + taps.stop * self._out, 1, (TAPS - taps.stop) * self._out)
        yield _Patch(start + behind, self._filled, self._pitch - behind)
        rest = self.op.dst_rows - self._filled
        yield _Patch(start + self._filled * self._pitch, 1, rest * self._pitch)

    def zero_unit(self, patches: list[_Patch]) -> Unit:
        """Return the transfers of zeros; those that fill up the last object go to the first word again."""
        unit = Unit()
        way: Way = ("out", ZERO_COLUMN)
        for patch in patches:
            sizes, strides = (1, 1, patch.rows, patch.words), (0, 0, self._pitch, 1)
            unit.add(way, Tap(self.dst.buffer, patch.start, sizes, strides))
        if patches:
            surplus = -sum(patch.size for patch in patches) % JOINED_WORDS
            unit.add(way, *repeats(self.dst.buffer, patches[0].start, surplus, 1))
        return unit
