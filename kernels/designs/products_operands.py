"""Operators of the configuration `products` with their sizes and places known: products, and work on rows."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from amanuensis.kernels.designs.launch import LaunchError
from amanuensis.kernels.designs.products_rows import RowJob
from amanuensis.kernels.designs.products_tiles import TILE, Place, Product
from amanuensis.kernels.designs.products_words import PLAIN, Flag, Kind
from amanuensis.kernels.dtypes import BFLOAT16
from amanuensis.kernels.entries_products import HELD_WORDS, OBJECT_WORDS
from amanuensis.kernels.layout import INT8_A, padded
from amanuensis.kernels.memory import Memory
from amanuensis.kernels.operands import Epilogue, Region
from amanuensis.kernels.operators import (
    AddRows,
    CopyRows,
    GemmBf16,
    GemmInt8,
    GemmRequantise,
    LayerNorm,
    QuantiseRows,
)

WORD_BYTES: Final = 4
LANES: Final = 16  # elements that the cores work on at a time
FEWEST_ROWS: Final = 4  # a core takes
MOST_ROWS: Final = 128


class Places:
    """Finds tensors in a memory, held to their buffers and apart from what is written.

    `written` comes last: it may be one of `allowed`, or has nothing in common with what was read.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._read: dict[str, tuple[Place, NDArray[Any]]] = {}

    def read(self, region: Region, name: str, dtype: DTypeLike, shape: tuple[int, ...], *, pitch: int = 0) -> Place:
        """Return where a tensor lies; OperandError when it is not inside its buffer."""
        view = self._memory.read(region, dtype, shape, name, pitch=pitch)
        self._read[name] = self._place(region, name), view
        return self._read[name][0]

    def written(
        self,
        region: Region,
        name: str,
        dtype: DTypeLike,
        shape: tuple[int, ...],
        *,
        pitch: int = 0,
        allowed: tuple[str, ...] = (),
    ) -> Place:
        """Return where a result goes; LaunchError when it overwrites what is still to be read."""
        view, place = self._memory.write(region, dtype, shape, name, pitch=pitch), self._place(region, name)
        for other, (at, read) in self._read.items():
            if np.shares_memory(view, read) and not (other in allowed and at == place):
                raise LaunchError(f"{name}, word {place.word} on, overlaps {other}, word {at.word} on")
        return place

    def _place(self, region: Region, name: str) -> Place:
        return Place(region.buffer, self._memory.start(region, name) // WORD_BYTES)


def product_of(op: GemmInt8 | GemmBf16 | GemmRequantise, memory: Memory, rows: int) -> Product:
    """Return a product over so many rows.

    Raises:
        LaunchError: n is no multiple of a tile, or the result overwrites an operand.
        OperandError: an operand is not inside its buffer.

    """
    if op.n % TILE:
        raise LaunchError(f"n is {op.n}; a multiple of {TILE} is needed, the columns of a tile")
    places = Places(memory)
    if isinstance(op, GemmRequantise):
        return _requantise(op, places, rows)
    return _int8(op, places, rows) if isinstance(op, GemmInt8) else _bf16(op, places, rows)


def _int8(op: GemmInt8, places: Places, rows: int) -> Product:
    columns = [places.read(op.b_scales, "b_scales", np.float32, (op.n,)), *_bias(op, places, np.float32)]
    return Product(
        kind=Kind.INT8,
        flags=_flags(op.epilogue, op.bias),
        rows=rows,
        k=op.k,
        n=op.n,
        a=places.read(op.a, "a", np.int8, (padded(rows, INT8_A.rows) * op.k,)),
        b=places.read(op.b, "b", np.int8, (op.k * op.n,)),
        row_scales=places.read(op.a_scales, "a_scales", np.float32, (rows,)),
        columns=tuple(columns),
        residual=_residual(op, places, rows),
        dst=_dst(op, places, rows),
    )


def _bf16(op: GemmBf16, places: Places, rows: int) -> Product:
    return Product(
        kind=Kind.BF16,
        flags=_flags(op.epilogue, op.bias),
        rows=rows,
        k=op.k,
        n=op.n,
        a=places.read(op.a, "a", BFLOAT16, (rows, op.k)),
        b=places.read(op.b, "b", BFLOAT16, (op.k * op.n,)),
        row_scales=None,
        columns=tuple(_bias(op, places, np.float32)),
        residual=_residual(op, places, rows),
        dst=_dst(op, places, rows),
    )


def _requantise(op: GemmRequantise, places: Places, rows: int) -> Product:
    columns = [places.read(op.multipliers, "multipliers", np.int32, (op.n,)), *_bias(op, places, np.int32)]
    return Product(
        kind=Kind.REQUANTISE,
        flags=PLAIN if op.bias is None else Flag.BIAS,
        rows=rows,
        k=op.k,
        n=op.n,
        a=places.read(op.a, "a", np.int8, (padded(rows, INT8_A.rows) * op.k,)),
        b=places.read(op.b, "b", np.int8, (op.k * op.n,)),
        row_scales=None,
        columns=tuple(columns),
        residual=None,
        dst=places.written(op.dst, "dst", np.int8, (padded(rows, INT8_A.rows) * op.n,)),
        shift=op.shift,
    )


def _bias(op: GemmInt8 | GemmBf16 | GemmRequantise, places: Places, dtype: DTypeLike) -> list[Place]:
    return [] if op.bias is None else [places.read(op.bias, "bias", dtype, (op.n,))]


def _flags(epilogue: Epilogue, bias: Region | None) -> Flag:
    flags = {
        Flag.GELU: epilogue.gelu,
        Flag.RESIDUAL: epilogue.residual is not None,
        Flag.BIAS: bias is not None,
        Flag.F32: epilogue.out == "f32",
    }
    return Flag(sum(flag for flag, is_set in flags.items() if is_set))


def _residual(op: GemmInt8 | GemmBf16, places: Places, rows: int) -> Place | None:
    residual = op.epilogue.residual
    return None if residual is None else places.read(residual, "residual", np.float32, (rows, op.n))


def _dst(op: GemmInt8 | GemmBf16, places: Places, rows: int) -> Place:
    if op.epilogue.out == "f32":
        return places.written(op.dst, "dst", np.float32, (rows, op.n), allowed=("residual",))
    return places.written(op.dst, "dst", BFLOAT16, (rows, op.n))


def job_of(op: LayerNorm | QuantiseRows | AddRows | CopyRows, memory: Memory, rows: int) -> RowJob:
    """Return work on so many rows.

    Raises:
        LaunchError: a width that the cores cannot cut or hold, or the result overwrites an operand.
        OperandError: an operand is not inside its buffer.

    """
    places = Places(memory)
    if isinstance(op, LayerNorm):
        return _norm(op, places, rows)
    if isinstance(op, QuantiseRows):
        return _quantise(op, places, rows)
    return _add(op, places, rows) if isinstance(op, AddRows) else _copy(op, places, rows)


def rows_of_a_chunk(name: str, value: int, row: int, most: int) -> int:
    """Return how many rows a core takes: the fewest whose share of an object divides a row of so many words.

    Raises:
        LaunchError: no number up to `most` will do; names what is `value`.

    """
    rows = FEWEST_ROWS
    while row % (OBJECT_WORDS // rows):
        rows *= 2
        if rows > most:
            multiple = value // row * (OBJECT_WORDS // most)
            raise LaunchError(f"{name} is {value}; a multiple of {multiple} is needed, a row's share of an object")
    return rows


def rows_at_a_time(width: int, row: int, most: int, beside: int = 0) -> int:
    """Return how many rows a core takes and holds; `beside` words are kept with them, in whole objects.

    Raises:
        LaunchError: as `rows_of_a_chunk`, or the core cannot hold them.

    """
    rows = rows_of_a_chunk("width", width, row, most)
    needed = rows * row + padded(beside, OBJECT_WORDS)
    if needed > HELD_WORDS:
        raise LaunchError(
            f"width is {width}: {rows} rows at a time and what is kept with them are {needed} words, and a core holds "
            f"{HELD_WORDS}"
        )
    return rows


def _norm(op: LayerNorm, places: Places, count: int) -> RowJob:
    return RowJob(
        kind=Kind.NORM,
        count=count,
        rows=rows_at_a_time(op.width, op.width, OBJECT_WORDS // 2 // LANES, 2 * op.width),
        row=op.width,
        given=op.width // 2,
        pitch=op.width,
        given_pitch=op.width // 2,
        src=(places.read(op.src, "src", np.float32, (count, op.width)),),
        kept=(
            places.read(op.gain, "gain", np.float32, (op.width,)),
            places.read(op.bias, "bias", np.float32, (op.width,)),
        ),
        dst=places.written(op.dst, "dst", BFLOAT16, (count, op.width)),
        width=op.width,
    )


def _quantise(op: QuantiseRows, places: Places, count: int) -> RowJob:
    row = op.width // 2
    return RowJob(
        kind=Kind.QUANTISE,
        count=count,
        rows=rows_at_a_time(op.width, row, OBJECT_WORDS // LANES, 0 if op.smooth is None else op.width),
        row=row,
        given=op.width,
        pitch=row,
        given_pitch=op.width,
        src=(places.read(op.src, "src", BFLOAT16, (count, op.width)),),
        kept=() if op.smooth is None else (places.read(op.smooth, "smooth", np.float32, (op.width,)),),
        dst=places.written(op.dst, "dst", np.int8, (padded(count, INT8_A.rows) * op.width,)),
        scales=places.written(op.scales, "scales", np.float32, (count,)),
        width=op.width,
    )


def _add(op: AddRows, places: Places, count: int) -> RowJob:
    shape = (count, op.width)
    return RowJob(
        kind=Kind.ADD,
        count=count,
        rows=rows_at_a_time(op.width, op.width, OBJECT_WORDS // LANES),
        row=op.width,
        given=op.width,
        pitch=op.width,
        given_pitch=op.width,
        src=(places.read(op.src, "src", np.float32, shape), places.read(op.table, "table", np.float32, shape)),
        dst=places.written(op.dst, "dst", np.float32, shape, allowed=("src", "table")),
        width=op.width,
    )


def _copy(op: CopyRows, places: Places, count: int) -> RowJob:
    row, shape = op.row_bytes // WORD_BYTES, (count, op.row_bytes)
    rows = rows_of_a_chunk("row_bytes", op.row_bytes, row, MOST_ROWS)
    return RowJob(
        kind=Kind.COPY,
        count=count,
        rows=rows,
        row=row,
        given=row,
        pitch=op.src_pitch // WORD_BYTES,
        given_pitch=op.dst_pitch // WORD_BYTES,
        src=(places.read(op.src, "src", np.uint8, shape, pitch=op.src_pitch),),
        dst=places.written(op.dst, "dst", np.uint8, shape, pitch=op.dst_pitch),
        width=OBJECT_WORDS // rows,
    )
