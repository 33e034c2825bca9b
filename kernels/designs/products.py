"""The array configuration `products`: linear layers, convolutions, layer norm and quantisation on one graph.

4 rows of cores by the columns of the device, one worker a core, all with one program. Objects of 4096 bytes come by
two ways: a, broadcast along a row of cores, and b, broadcast down a column; both wait in memory tiles. Results, 1024
bytes a core, are joined in the memory tile of the column. What is done is told by words (`products_words`) that the
sequence writes before it opens the barrier; each loop of the core has its count there, so nothing else differs between
launches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from amanuensis.kernels.designs._iron import (
    Buffer,
    Device,
    Kernel,
    ObjectFifo,
    ObjectFifoHandle,
    Tile,
    Worker,
    WorkerRuntimeBarrier,
    range_,
)
from amanuensis.kernels.designs._kernels import functions
from amanuensis.kernels.designs.launch import LaunchError
from amanuensis.kernels.designs.products_words import Loop
from amanuensis.kernels.entries_products import (
    CONTROL_WORDS,
    HELD_WORDS,
    OBJECT_WORDS,
    OUT_WORDS,
    PRODUCT_ENTRIES,
    SCALES_WORDS,
    STATE_WORDS,
    words,
)

ROWS: Final = 4  # of cores in a column
STACK_BYTES: Final = 0xD00  # of mlir-aie's matrix examples
WAITING: Final = 4  # objects of an input in a memory tile
FIRST_CORE_ROW: Final = 2

Way: TypeAlias = tuple[Literal["a", "b", "out"], int]  # an end at the shim: of a row of cores, or of a column


@dataclass(frozen=True, slots=True)
class Core:
    """A core as the sequence sees it."""

    row: int
    column: int
    control: Buffer


@dataclass(frozen=True, slots=True)
class Configuration:
    """The graph, without a sequence.

    Attributes:
        columns: of cores.
        workers: one a core.
        cores: in the same order.
        ends: handles that a sequence fills (a, b) and drains (out).
        barrier: that lets all cores begin.

    """

    columns: int
    workers: tuple[Worker, ...]
    cores: tuple[Core, ...]
    ends: dict[Way, ObjectFifoHandle]
    barrier: WorkerRuntimeBarrier


def configuration(device: Device) -> Configuration:
    """Return the graph.

    Raises:
        LaunchError: fewer columns than rows of cores, or no multiple of them.

    """
    columns = device.cols
    if columns % ROWS:
        raise LaunchError(f"products: {device} has {columns} columns; a multiple of {ROWS} is needed, one a row of a")
    apart = columns // ROWS  # from one column that brings rows of a to the next
    ends: dict[Way, ObjectFifoHandle] = {}
    a = [_brought(ends, ("a", row), row * apart) for row in range(ROWS)]
    b = [_brought(ends, ("b", column), column) for column in range(columns)]
    out = [_joined(ends, column) for column in range(columns)]
    kernels = dict(zip(PRODUCT_ENTRIES, functions(*PRODUCT_ENTRIES.values()), strict=True))
    barrier = WorkerRuntimeBarrier()
    workers, cores = [], []
    for row in range(ROWS):
        for column in range(columns):
            control = Buffer(words(CONTROL_WORDS), name=f"control_{row}_{column}", use_write_rtp=True)
            fifos = [a[row].cons(), b[column].cons(), out[column][row].prod()]
            place = Tile(column, FIRST_CORE_ROW + row)
            workers.append(_worker(fifos, control, barrier, kernels, row, place))
            cores.append(Core(row, column, control))
    return Configuration(columns, tuple(workers), tuple(cores), ends, barrier)


def _brought(ends: dict[Way, ObjectFifoHandle], way: Way, column: int) -> ObjectFifo:
    """Return the fifo from a memory tile to cores, and note its beginning at the shim."""
    name = f"{way[0]}_{way[1]}"
    source = ObjectFifo(words(OBJECT_WORDS), depth=WAITING, name=f"{name}_in")
    ends[way] = source.prod(tile=Tile(column, 0))
    return source.cons().forward(tile=Tile(column, 1), depth=2, name=name)


def _joined(ends: dict[Way, ObjectFifoHandle], column: int) -> list[ObjectFifo]:
    """Return the fifos from the cores of a column to its memory tile, and note the end at the shim."""
    target = ObjectFifo(words(OUT_WORDS * ROWS), name=f"out_{column}")
    ends["out", column] = target.cons(tile=Tile(column, 0))
    return target.prod().join(
        [OUT_WORDS * row for row in range(ROWS)],
        tile=Tile(column, 1),
        obj_types=[words(OUT_WORDS)] * ROWS,
        names=[f"out_{column}_{row}" for row in range(ROWS)],
    )


def _worker(
    fifos: list[ObjectFifoHandle],
    control: Buffer,
    barrier: WorkerRuntimeBarrier,
    kernels: dict[str, Kernel],
    row: int,
    place: Tile,
) -> Worker:
    """Return the worker of a core."""
    sizes = {"state": STATE_WORDS, "held": HELD_WORDS, "scales": SCALES_WORDS}
    buffers = [Buffer(words(size), name=f"{name}_{place.col}_{row}") for name, size in sizes.items()]
    given = [kernels[name] for name in PRODUCT_ENTRIES]

    def core(
        a: ObjectFifoHandle,
        b: ObjectFifoHandle,
        out: ObjectFifoHandle,
        control: Buffer,
        state: Buffer,
        held: Buffer,
        scales: Buffer,
        ready: WorkerRuntimeBarrier,
        *functions: Kernel,
    ) -> None:
        call = dict(zip(PRODUCT_ENTRIES, functions, strict=True))
        ready.wait_for_value(1)
        call["products_begin"](control, state)
        for way, count in ((b, Loop.B_KEPT), (a, Loop.A_KEPT)):
            for _ in range_(state[count]):
                call["products_keep"](way.acquire(1), held, state)
                way.release(1)
        _tiles(a, b, out, state, held, call, row)
        _rows(b, out, state, held, scales, call, row)

    return Worker(core, [*fifos, control, *buffers, barrier, *given], tile=place, stack_size=STACK_BYTES)


def _tiles(
    a: ObjectFifoHandle,
    b: ObjectFifoHandle,
    out: ObjectFifoHandle,
    state: Buffer,
    held: Buffer,
    call: dict[str, Kernel],
    row: int,
) -> None:
    """Multiply: groups of rows, in them tiles of columns, in them steps of k, and then results."""
    for _ in range_(state[Loop.GROUPS]):
        for _ in range_(state[Loop.ACTIVE]):
            call["products_clear"](held, state)
            for _ in range_(state[Loop.STEPS]):
                call["products_mac"](a.acquire(1), b.acquire(1), held, state)
                a.release(1)
                b.release(1)
            call["products_finish"](held, state)
            for _ in range_(state[Loop.OUTS]):
                result = out.acquire(1)
                for _ in range_(state[Loop.RESIDUALS]):
                    call["products_residual"](b.acquire(1), held, state, row)
                    b.release(1)
                call["products_store"](held, result, state)
                out.release(1)
        for _ in range_(state[Loop.IDLE]):
            _pass_by(a, state[Loop.STEPS])


def _rows(
    b: ObjectFifoHandle,
    out: ObjectFifoHandle,
    state: Buffer,
    held: Buffer,
    scales: Buffer,
    call: dict[str, Kernel],
    row: int,
) -> None:
    """Take rows chunk by chunk, of each the share of this core; give results when all shares of the column are in."""
    for _ in range_(state[Loop.ROUNDS]):
        for _ in range_(state[Loop.CHUNKS]):
            _pass_by(b, row)  # b brings a share for each core of the column
            call["products_take"](b.acquire(1), held, state)
            b.release(1)
            _pass_by(b, ROWS - 1 - row)
        call["products_work"](held, scales, state)
        for _ in range_(state[Loop.GIVES]):
            call["products_give"](held, scales, out.acquire(1), state)
            out.release(1)
    for _ in range_(state[Loop.EXTRAS]):
        call["products_extra"](scales, out.acquire(1), state)
        out.release(1)


def _pass_by(way: ObjectFifoHandle, count: int) -> None:
    """Let objects of others go by."""
    for _ in range_(count):
        way.acquire(1)
        way.release(1)
