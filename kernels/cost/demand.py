"""What an operator asks of the cores, the streams and the memory of an array, as our designs cut it.

How the designs do it stands with them (`amanuensis.kernels.designs`); their streams, as the simulator counts them, are
what tests hold this to.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Final, TypeAlias

from amanuensis.kernels import operators as kinds
from amanuensis.kernels.cost.arrays import Array
from amanuensis.kernels.cost.product import Product, Tiling
from amanuensis.kernels.layout import INT8_A, TILE_COLUMNS, padded
from amanuensis.kernels.loads import Counts, Load, count_of
from amanuensis.kernels.operators import Operator
from amanuensis.kernels.records import RULES

TILE: Final = 64  # rows of a and c, and depth of a and b, that a core holds
SMALL_ROWS: Final = 32  # so many are the decoder's: each weight is read once, spread over all columns
WEIGHT_BURST: Final = 4096  # packed weights and tables of a block lie one after another
BLOCK_BURST: Final = TILE * INT8_A.rows  # int8 activations lie in blocks of 4 rows
ROW_BURST: Final = 2 * TILE  # bf16 rows of a tile, and of an attention head
SUM_BURST: Final = 4 * TILE  # float32 rows of a tile
QUERY_ROWS: Final = 64  # of an attention block, which a core keeps while keys and values pass
CHOICE_TILE: Final = 1024  # logits that each of the cores of a row takes at a time
NARROW_K: Final = 256  # k of a product that may have narrow tiles is a multiple of it

_Gemm: TypeAlias = kinds.GemmInt8 | kinds.GemmBf16 | kinds.GemmRequantise


@dataclass(frozen=True, slots=True)
class Demand:
    """What an operator asks of an array.

    Attributes:
        cores: of the array.
        macs: of the cores that have most to do, as if all had as much.
        lanes: the same of the cycles of all else, in shares of the load's.
        streamed: bytes that the busiest channel carries.
        transfers: bytes that cross the memory, and the contiguous bytes of each burst.

    """

    cores: int
    macs: float
    lanes: float
    streamed: float
    transfers: tuple[tuple[int, int], ...]


def demand(operator: Operator, counts: Counts, load: Load, array: Array) -> Demand:
    """Return what an operator asks.

    Args:
        operator: any.
        counts: values of the run-time parameters.
        load: of the operator.
        array: the columns and rows of cores that work on it.

    Raises:
        OpError: a parameter has no value, or one out of its limits.

    """
    if isinstance(operator, kinds.Nop) or not load.n_bytes:
        return Demand(array.cores, 0, 0, 0, ())
    rows = count_of(operator, "rows", operator.rows, counts)
    if isinstance(operator, kinds.GemmInt8 | kinds.GemmBf16 | kinds.GemmRequantise):
        few = rows <= SMALL_ROWS
        return _few_rows(operator, rows, load, array) if few else _product(operator, rows, load, array)
    if isinstance(operator, kinds.Attention):
        few = rows <= SMALL_ROWS
        return _cached_attention(operator, rows, load, array) if few else _attention(operator, rows, load, array)
    if isinstance(operator, kinds.Select):
        return _choice(operator, rows, load, array)
    if isinstance(operator, kinds.EnergyGate):  # one core measures all frames, over one channel
        return Demand(1, 0, 1.0, load.bytes_read, ((load.n_bytes, WEIGHT_BURST),))
    burst = operator.row_bytes if isinstance(operator, kinds.CopyRows) else WEIGHT_BURST  # whole rows
    streamed = max(load.bytes_read, load.bytes_written) / array.columns  # rows have one channel of each column
    transfers = ((load.n_bytes, min(burst, load.n_bytes)),)
    return Demand(array.cores, 0, _spread(rows, array.cores), streamed, transfers)


def _spread(units: int, places: int) -> float:
    """Return how much longer the busiest place works than if the units could be split at will."""
    return ceil(units / places) * places / units


def _attention(operator: kinds.Attention, rows: int, load: Load, array: Array) -> Demand:
    """A unit is a head and QUERY_ROWS rows for each core of a column, which sees all of its keys and values.

    Queries and keys come over one channel and values over another. A unit that is not full costs as much as a full one.
    """
    unit_rows = array.rows * QUERY_ROWS
    units = operator.heads * ceil(rows / unit_rows)
    idle = _spread(units, array.columns) * padded(rows, unit_rows) / rows
    row_bytes = 2 * operator.size
    keys_bytes = (load.bytes_read - rows * row_bytes * operator.heads) // 2 // operator.heads  # of one head
    streamed = ceil(units / array.columns) * (unit_rows * row_bytes + keys_bytes)
    again = (ceil(rows / unit_rows) - 1) * 2 * keys_bytes * operator.heads
    return Demand(array.cores, idle * load.macs, idle, streamed, ((load.n_bytes + again, row_bytes),))


def _cached_attention(operator: kinds.Attention, rows: int, load: Load, array: Array) -> Demand:
    """A head a core: those of a column come over one channel, and keys of what is kept once more, a head a column."""
    row_bytes = 2 * operator.size
    keys_bytes = (load.bytes_read - rows * row_bytes * operator.heads) // 2 // operator.heads
    full = ceil(ceil(operator.heads / array.rows) / array.columns) * min(operator.heads, array.rows)
    heads = ceil(operator.heads / array.columns) if array.spreads_heads else full  # of the busiest column
    kept = len(operator.kept_heads)
    streamed = (2 * heads + ceil(kept / array.columns)) * keys_bytes
    spread = _spread(operator.heads, array.cores)
    return Demand(array.cores, spread * load.macs, spread, streamed, ((load.n_bytes + kept * keys_bytes, row_bytes),))


def _choice(operator: kinds.Select, rows: int, load: Load, array: Array) -> Demand:
    """The cores of a column share a row; the last column measures frames, if there is another. Bitmaps come first."""
    columns = max(1, array.columns - 1)
    tiles = ceil(operator.vocabulary / (array.rows * CHOICE_TILE)) * array.rows
    each = ceil(rows / columns)
    streamed = operator.n_masks * array.rows * RULES.itemsize + each * tiles * CHOICE_TILE * 4
    return Demand(
        columns * array.rows, 0, _spread(rows, columns), streamed, ((load.n_bytes, min(WEIGHT_BURST, load.n_bytes)),)
    )


def _few_rows(operator: _Gemm, rows: int, load: Load, array: Array) -> Demand:
    """Tiles of columns go round the columns of the array, and each weight is read once; a is shown to all."""
    rows = padded(rows, INT8_A.rows)
    product = _cut(operator, rows, array)
    a, b, c = product.element_bytes
    traffic = rows * operator.k * a, operator.k * operator.n * b, rows * operator.n * c
    width = TILE_COLUMNS * array.rows
    is_narrow = c == SUM_BURST // TILE and ceil(operator.n / width) < array.columns
    if is_narrow and operator.n % (width // 2) == 0 and operator.k % NARROW_K == 0:
        width //= 2
    columns = ceil(operator.n / width / array.columns) * width  # of the busiest column of the array
    streamed = columns * operator.k * b / array.weight_channels
    macs = float(rows * operator.k * operator.n)
    return Demand(array.cores, macs, 1.0, streamed, _transfers(product, traffic, load))


def _product(operator: _Gemm, rows: int, load: Load, array: Array) -> Demand:
    """All columns see all of a, each its share of b, behind which the residual of its columns rides."""
    product = _cut(operator, padded(rows, INT8_A.rows), array)
    traffic = product.traffic
    rides = 0
    if not isinstance(operator, kinds.GemmRequantise) and operator.epilogue.residual is not None:
        rides = rows * operator.n * 4
    rows_of_a = ceil(array.rows / array.columns)  # of the column that brings a for most rows of cores
    streamed = max(traffic[0] * rows_of_a / array.rows, (traffic[1] + rides) / array.columns)
    return Demand(array.cores, float(product.macs), 1.0, streamed, _transfers(product, traffic, load))


def _transfers(product: Product, traffic: tuple[int, int, int], load: Load) -> tuple[tuple[int, int], ...]:
    a, b, c = product.element_bytes
    once = product.m * product.k * a + product.k * product.n * b + product.m * product.n * c
    beside = max(0, load.n_bytes - once)  # scales, biases, residual
    return *zip(traffic, product.tiling.bursts, strict=True), (beside, SUM_BURST)


def _cut(operator: _Gemm, rows: int, array: Array) -> Product:
    is_int8 = not isinstance(operator, kinds.GemmBf16)
    a_burst = BLOCK_BURST if is_int8 else ROW_BURST
    if isinstance(operator, kinds.GemmRequantise):
        c_bytes, c_burst = 1, BLOCK_BURST
    else:
        c_bytes, c_burst = (4, SUM_BURST) if operator.epilogue.out == "f32" else (2, ROW_BURST)
    tiling = Tiling(TILE, TILE, TILE_COLUMNS, array.columns, array.rows, (a_burst, WEIGHT_BURST, c_burst))
    element = 1 if is_int8 else 2
    return Product(rows, operator.k, operator.n, (element, element, c_bytes), tiling)
