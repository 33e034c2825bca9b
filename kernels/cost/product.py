"""A matrix product on the array: cores, streams and memory side by side, and the slowest of them counts.

The picture is that of mlir-aie's whole_array, which IRON's `flm` product shares: a is broadcast along each row of
cores and read again for every group of columns of c, b along each column and read again for every group of rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from amanuensis.kernels.cost.arrays import STREAM_BYTES, Array


@dataclass(frozen=True, slots=True)
class Tiling:
    """How a product is cut.

    Attributes:
        m, k, n: of what a core holds of a, b and c at a time.
        columns: of the array in use.
        rows: of cores in use in each.
        bursts: contiguous bytes in memory of the transfers of a, b and c.

    """

    m: int
    k: int
    n: int
    columns: int
    rows: int
    bursts: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Product:
    """A product c [m, n] = a [m, k] b [k, n] under a tiling; `element_bytes` are those of a, b and c."""

    m: int
    k: int
    n: int
    element_bytes: tuple[int, int, int]
    tiling: Tiling

    @property
    def macs(self) -> int:
        """Multiply-adds, those that fill the last tiles up included."""
        m, n = self.tiling.m * self.tiling.rows, self.tiling.n * self.tiling.columns
        return ceil(self.m / m) * m * self.k * ceil(self.n / n) * n

    @property
    def traffic(self) -> tuple[int, int, int]:
        """Bytes of a, b and c that cross the memory, with what is read again."""
        a, b, c = self.element_bytes
        again_a = ceil(self.n / (self.tiling.n * self.tiling.columns))
        again_b = ceil(self.m / (self.tiling.m * self.tiling.rows))
        return self.m * self.k * a * again_a, self.k * self.n * b * again_b, self.m * self.n * c


@dataclass(frozen=True, slots=True)
class Rates:
    """What a design reaches.

    Attributes:
        macs: multiply-adds a cycle and core.
        clock_ghz: of the array.
        memory_gb_s: of contiguous transfers, both directions together.
        burst_ns: that every burst costs besides its bytes.

    """

    macs: float
    clock_ghz: float
    memory_gb_s: float
    burst_ns: float


@dataclass(frozen=True, slots=True)
class Parts:
    """Microseconds that each resource is busy."""

    compute_us: float
    stream_us: float
    memory_us: float
    ramp_us: float = 0.0

    @property
    def us(self) -> float:
        """The slowest resource, and the ramp before it can begin and after it has ended."""
        return max(self.compute_us, self.stream_us, self.memory_us) + self.ramp_us


def memory_us(n_bytes: float, burst_bytes: int, memory_gb_s: float, burst_ns: float) -> float:
    """Return how long a transfer keeps the memory busy: each burst its bytes and a fixed time."""
    return n_bytes / burst_bytes * (burst_ns + burst_bytes / memory_gb_s) / 1e3


def stream_us(n_bytes: float, channels: int, clock_ghz: float) -> float:
    """Return how long a transfer takes over so many channels."""
    return n_bytes / (channels * STREAM_BYTES * clock_ghz) / 1e3


def product_parts(product: Product, array: Array, rates: Rates) -> Parts:
    """Return how long each resource is busy with a product."""
    tiling, traffic = product.tiling, product.traffic
    cores = tiling.rows * tiling.columns
    channels = (min(tiling.rows, array.columns, tiling.columns), tiling.columns, tiling.columns)
    first = tiling.k * max(tiling.m * product.element_bytes[0], tiling.n * product.element_bytes[1])
    last = tiling.m * tiling.n * tiling.rows * product.element_bytes[2]
    return Parts(
        compute_us=product.macs / (cores * rates.macs * rates.clock_ghz) / 1e3,
        stream_us=max(stream_us(part, width, rates.clock_ghz) for part, width in zip(traffic, channels, strict=True)),
        memory_us=sum(
            memory_us(part, burst, rates.memory_gb_s, rates.burst_ns)
            for part, burst in zip(traffic, tiling.bursts, strict=True)
        ),
        ramp_us=stream_us(first, 1, rates.clock_ghz) + stream_us(last, 1, rates.clock_ghz),
    )
