"""Operators as launches of the configuration `products`."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from amanuensis.kernels.designs._iron import Device
from amanuensis.kernels.designs.launch import Launch, LaunchError
from amanuensis.kernels.designs.products import configuration
from amanuensis.kernels.designs.products_sequence import Part, launch_of
from amanuensis.kernels.designs.products_tiles import TILE, Place, Product, parts_of
from amanuensis.kernels.designs.products_words import Flag, Kind
from amanuensis.kernels.dtypes import BFLOAT16
from amanuensis.kernels.layout import INT8_A, padded
from amanuensis.kernels.memory import Memory, OperandError
from amanuensis.kernels.operands import Epilogue, Region
from amanuensis.kernels.operators import GemmBf16, GemmInt8, GemmRequantise, Operator

COVERS: Final[frozenset[type[Operator]]] = frozenset({GemmInt8, GemmRequantise, GemmBf16})
WORD_BYTES: Final = 4


def launch(operator: Operator, memory: Memory, device: Device) -> Launch:
    """Return the launch of an operator.

    Args:
        operator: one of COVERS.
        memory: the buffers of the dispatch, of which only the run-time parameters are read.
        device: whose whole array is used: 4 columns, or 8.

    Raises:
        LaunchError: another operator, or one with sizes or places that this configuration cannot serve; names the
            operator, the value and the limit.

    """
    name = type(operator).__name__
    if type(operator) not in COVERS:
        covered = ", ".join(sorted(kind.__name__ for kind in COVERS))
        raise LaunchError(f"{name} is not in the configuration products, which has {covered}")
    try:
        rows = memory.count(operator.rows, "rows")
        parts = _parts(operator, memory, rows, device.cols) if rows else []
    except (OperandError, LaunchError) as error:
        raise LaunchError(f"{name}: {error}") from error
    return launch_of(parts, memory, device, f"{name} of {rows} rows")


def _parts(operator: Operator, memory: Memory, rows: int, columns: int) -> list[Part]:
    product = _product(operator, memory, rows)
    return parts_of(product, columns)


class _Places:
    """Finds tensors in a memory, held to their buffers."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def __call__(self, region: Region, name: str, dtype: Any, *shape: int) -> Place:
        self._memory.read(region, dtype, shape, name)
        return Place(region.buffer, self._memory.start(region, name) // WORD_BYTES)


def _product(operator: Operator, memory: Memory, rows: int) -> Product:
    assert isinstance(operator, GemmInt8 | GemmRequantise | GemmBf16)
    if operator.n % TILE:
        raise LaunchError(f"n is {operator.n}; a multiple of {TILE} is needed, the columns of a tile")
    make = {GemmInt8: _int8, GemmBf16: _bf16, GemmRequantise: _requantise}[type(operator)]
    product: Product = make(operator, _Places(memory), rows)
    return product


def _int8(op: GemmInt8, place: _Places, rows: int) -> Product:
    columns = [place(op.b_scales, "b_scales", np.float32, op.n)]
    if op.bias is not None:
        columns.append(place(op.bias, "bias", np.float32, op.n))
    return Product(
        kind=Kind.INT8,
        flags=_flags(op.epilogue, op.bias),
        rows=rows,
        k=op.k,
        n=op.n,
        a=place(op.a, "a", np.int8, padded(rows, INT8_A.rows) * op.k),
        b=place(op.b, "b", np.int8, op.k * op.n),
        dst=_dst(op, place, rows),
        row_scales=place(op.a_scales, "a_scales", np.float32, rows),
        columns=tuple(columns),
        residual=_residual(op, place, rows),
    )


def _bf16(op: GemmBf16, place: _Places, rows: int) -> Product:
    columns = () if op.bias is None else (place(op.bias, "bias", np.float32, op.n),)
    return Product(
        kind=Kind.BF16,
        flags=_flags(op.epilogue, op.bias),
        rows=rows,
        k=op.k,
        n=op.n,
        a=place(op.a, "a", BFLOAT16, rows * op.k),
        b=place(op.b, "b", BFLOAT16, op.k * op.n),
        dst=_dst(op, place, rows),
        row_scales=None,
        columns=columns,
        residual=_residual(op, place, rows),
    )


def _requantise(op: GemmRequantise, place: _Places, rows: int) -> Product:
    columns = [place(op.multipliers, "multipliers", np.int32, op.n)]
    if op.bias is not None:
        columns.append(place(op.bias, "bias", np.int32, op.n))
    return Product(
        kind=Kind.REQUANTISE,
        flags=Flag(0) if op.bias is None else Flag.BIAS,
        rows=rows,
        k=op.k,
        n=op.n,
        a=place(op.a, "a", np.int8, padded(rows, INT8_A.rows) * op.k),
        b=place(op.b, "b", np.int8, op.k * op.n),
        dst=place(op.dst, "dst", np.int8, padded(rows, INT8_A.rows) * op.n),
        row_scales=None,
        columns=tuple(columns),
        residual=None,
        shift=op.shift,
    )


def _flags(epilogue: Epilogue, bias: Region | None) -> Flag:
    return (
        (Flag.GELU if epilogue.gelu else Flag(0))
        | (Flag.RESIDUAL if epilogue.residual is not None else Flag(0))
        | (Flag.BIAS if bias is not None else Flag(0))
        | (Flag.F32 if epilogue.out == "f32" else Flag(0))
    )


def _dst(op: GemmInt8 | GemmBf16, place: _Places, rows: int) -> Place:
    dtype = np.dtype(np.float32) if op.epilogue.out == "f32" else BFLOAT16
    return place(op.dst, "dst", dtype, rows * op.n)


def _residual(op: GemmInt8 | GemmBf16, place: _Places, rows: int) -> Place | None:
    residual = op.epilogue.residual
    return None if residual is None else place(residual, "residual", np.float32, rows * op.n)
