"""Operators as launches of the configuration `products`."""

from __future__ import annotations

from typing import Final

from amanuensis.kernels.designs import products_im2col, products_rows, products_tiles
from amanuensis.kernels.designs._iron import Device
from amanuensis.kernels.designs.launch import Launch, LaunchError
from amanuensis.kernels.designs.products_operands import job_of, product_of
from amanuensis.kernels.designs.products_sequence import Part, launch_of
from amanuensis.kernels.memory import Memory, OperandError
from amanuensis.kernels.operators import (
    AddRows,
    CopyRows,
    GemmBf16,
    GemmInt8,
    GemmRequantise,
    Im2col,
    LayerNorm,
    Operator,
    QuantiseRows,
)

COVERS: Final[frozenset[type[Operator]]] = frozenset(
    {GemmInt8, GemmRequantise, GemmBf16, LayerNorm, QuantiseRows, AddRows, CopyRows, Im2col}
)


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
    try:
        rows, parts = _parts(operator, memory, device.cols)
    except (OperandError, LaunchError) as error:
        raise LaunchError(f"{name}: {error}") from error
    return launch_of(parts, memory, device, f"{name} of {rows} rows")


def _parts(operator: Operator, memory: Memory, columns: int) -> tuple[int, list[Part]]:
    """Return the rows of an operator, and its parts."""
    if isinstance(operator, GemmInt8 | GemmBf16 | GemmRequantise):
        rows = memory.count(operator.rows, "rows")
        return rows, products_tiles.parts_of(product_of(operator, memory, rows), columns) if rows else []
    if isinstance(operator, LayerNorm | QuantiseRows | AddRows | CopyRows):
        rows = memory.count(operator.rows, "rows")
        return rows, products_rows.parts_of(job_of(operator, memory, rows), columns) if rows else []
    if isinstance(operator, Im2col):
        rows = memory.count(operator.rows, "rows")
        return rows, products_im2col.parts_of(operator, memory, rows, columns) if rows else []
    covered = ", ".join(sorted(kind.__name__ for kind in COVERS))
    raise LaunchError(f"is not in the configuration products, which has {covered}")
