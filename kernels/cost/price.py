"""What one operator costs inside a sequence, and which resource decides it."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Final, Literal, TypeAlias

from amanuensis.kernels import operators as kinds
from amanuensis.kernels.cost.arrays import ARRAYS, Array
from amanuensis.kernels.cost.band import Band
from amanuensis.kernels.cost.parameters import Model, Parameters
from amanuensis.kernels.cost.product import Parts, Product, Tiling, memory_us, stream_us
from amanuensis.kernels.layout import INT8_A, TILE_COLUMNS, padded
from amanuensis.kernels.loads import Counts, Load, count_of, load_of
from amanuensis.kernels.operators import Operator

Bound: TypeAlias = Literal["compute", "stream", "DDR", "launch"]

TILE: Final = 64  # rows of a and c, and depth of a and b, that a core holds
SMALL_ROWS: Final = 32  # a product of so few rows reads each weight once, spread over all cores
WEIGHT_BURST: Final = 4096  # packed weights and tables of a block lie one after another
BLOCK_BURST: Final = TILE * INT8_A.rows  # int8 activations lie in blocks of 4 rows
ROW_BURST: Final = 2 * TILE  # bf16 rows of a tile, and of an attention head
SUM_BURST: Final = 4 * TILE  # float32 rows of a tile
QUERY_ROWS: Final = 64  # of an attention block: keys and values are streamed to the core once for each

_Gemm: TypeAlias = kinds.GemmInt8 | kinds.GemmBf16 | kinds.GemmRequantise


_ORDER: Final = ("fast", "middle", "slow")


@dataclass(frozen=True, slots=True)
class Price:
    """What one operator costs.

    Attributes:
        load: what it asks for.
        traffic_bytes: that cross the memory, what is read again included.
        time: microseconds inside a sequence.
        bound: what the middle of the band is spent on most.
        parts: how long each resource is busy, at the middle of the band.

    """

    load: Load
    traffic_bytes: int
    time: Band
    bound: Bound
    parts: Parts


def price(operator: Operator, counts: Counts, model: Model) -> Price:
    """Return the price of an operator.

    Args:
        operator: any.
        counts: values of the run-time parameters.
        model: of the device.

    Raises:
        OpError: a parameter has no value, or one out of its limits.

    """
    load, array = load_of(operator, counts), ARRAYS[model.architecture]
    demand = _demand(operator, counts, load, array)
    fast, middle, slow = (_parts(demand, load, model.cases[case]) for case in _ORDER)
    fixed = Band(*(model.cases[case].operator_us for case in _ORDER))
    return Price(
        load=load,
        traffic_bytes=sum(n_bytes for n_bytes, _ in demand.transfers),
        time=Band(fast.us, middle.us, slow.us) + fixed,
        bound=_bound(middle, fixed.middle),
        parts=middle,
    )


@dataclass(frozen=True, slots=True)
class _Demand:
    """What an operator asks of an array as our designs cut it.

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


def _bound(parts: Parts, operator_us: float) -> Bound:
    busy: dict[Bound, float] = {
        "launch": operator_us,
        "compute": parts.compute_us,
        "stream": parts.stream_us,
        "DDR": parts.memory_us,
    }
    return max(busy, key=lambda bound: busy[bound])


def _parts(demand: _Demand, load: Load, parameters: Parameters) -> Parts:
    rate = parameters.bf16_macs if load.bf16_macs else parameters.int8_macs
    core_cycles = demand.macs / rate + demand.lanes * load.lane_cycles * parameters.lane_factor
    return Parts(
        compute_us=core_cycles / (demand.cores * parameters.clock_ghz) / 1e3,
        stream_us=stream_us(demand.streamed, 1, parameters.clock_ghz),
        memory_us=sum(
            memory_us(n_bytes, burst, parameters.memory_gb_s, parameters.burst_ns)
            for n_bytes, burst in demand.transfers
        ),
    )


def _demand(operator: Operator, counts: Counts, load: Load, array: Array) -> _Demand:
    if isinstance(operator, kinds.Nop) or not load.n_bytes:
        return _Demand(array.cores, 0, 0, 0, ())
    rows = count_of(operator, "rows", operator.rows, counts)
    if isinstance(operator, kinds.GemmInt8 | kinds.GemmBf16 | kinds.GemmRequantise):
        return _product_demand(operator, rows, load, array)
    if isinstance(operator, kinds.Attention):
        return _attention_demand(operator, rows, load, array)
    burst = min(_burst(operator), load.n_bytes)
    streamed = max(load.bytes_read, load.bytes_written) / (array.columns * array.shim_channels)
    return _Demand(array.cores, 0, _spread(_units(operator, rows), array.cores), streamed, ((load.n_bytes, burst),))


def _spread(units: int, cores: int) -> float:
    """Return how much longer the busiest core works than if the units could be split at will."""
    return ceil(units / cores) * cores / units


def _units(operator: Operator, rows: int) -> int:
    """Return the pieces that cores can work on apart: rows, but of a choice of tokens columns of logits."""
    return ceil(operator.vocabulary / TILE_COLUMNS) if isinstance(operator, kinds.Select) else rows


def _burst(operator: Operator) -> int:
    if isinstance(operator, kinds.CopyRows):
        return operator.row_bytes
    return WEIGHT_BURST  # whole rows of activations, one after another


def _attention_demand(operator: kinds.Attention, rows: int, load: Load, array: Array) -> _Demand:
    """Heads, and blocks of queries of each, are spread over the cores; each block is shown all keys and values.

    The blocks of a column of cores are shown them at once, so the memory gives them once for each column of queries.
    """
    units = operator.heads * ceil(rows / QUERY_ROWS)
    spread = _spread(units, array.cores)
    row_bytes = 2 * operator.heads * operator.size
    keys_bytes = load.bytes_read - rows * row_bytes
    streamed = ceil(units / array.cores) * keys_bytes / operator.heads
    again = (ceil(rows / (array.rows * QUERY_ROWS)) - 1) * keys_bytes
    return _Demand(array.cores, spread * load.macs, spread, streamed, ((load.n_bytes + again, 2 * operator.size),))


def _product_demand(operator: _Gemm, rows: int, load: Load, array: Array) -> _Demand:
    rows = padded(rows, INT8_A.rows)
    product = _product(operator, rows, array)
    if rows <= SMALL_ROWS:  # each core has weights of its own, all channels bring them, and a is shown to all
        a, b, c = product.element_bytes
        traffic = rows * operator.k * a, operator.k * operator.n * b, rows * operator.n * c
        macs, streamed = float(rows * operator.k * operator.n), traffic[1] / (array.columns * array.shim_channels)
    else:
        traffic, macs = product.traffic, float(product.macs)
        streamed = max(traffic[0] / min(array.rows, array.columns), traffic[1] / array.columns)
    beside = max(0, load.n_bytes - _whole_bytes(product))  # scales, biases, residual
    transfers = (*zip(traffic, product.tiling.bursts, strict=True), (beside, SUM_BURST))
    return _Demand(array.cores, macs, 1.0, streamed, transfers)


def _whole_bytes(product: Product) -> int:
    a, b, c = product.element_bytes
    return product.m * product.k * a + product.k * product.n * b + product.m * product.n * c


def _product(operator: _Gemm, rows: int, array: Array) -> Product:
    is_int8 = not isinstance(operator, kinds.GemmBf16)
    a_burst = BLOCK_BURST if is_int8 else ROW_BURST
    if isinstance(operator, kinds.GemmRequantise):
        c_bytes, c_burst = 1, BLOCK_BURST
    else:
        c_bytes, c_burst = (4, SUM_BURST) if operator.epilogue.out == "f32" else (2, ROW_BURST)
    tiling = Tiling(TILE, TILE, TILE_COLUMNS, array.columns, array.rows, (a_burst, WEIGHT_BURST, c_burst))
    element = 1 if is_int8 else 2
    return Product(rows, operator.k, operator.n, (element, element, c_bytes), tiling)
