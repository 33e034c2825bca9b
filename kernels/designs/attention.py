"""The array configuration `attention`: heads and blocks of query rows spread over columns of four cores.

A column takes one head and 256 rows of queries at a time, each of its cores 64 of them. Two streams reach all four
cores of a column: the rows of q and then the keys over one, in blocks of 4 x 8, the values over the other, in blocks
of 8 x 4, 32 rows an object. A core keeps its own rows of q and attends block of keys by block
(`amanuensis.kernels.reference.attention.attention_streaming`); the results of the four meet in the memory tile.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from amanuensis.kernels.designs._iron import (
    Buffer,
    Device,
    Kernel,
    ObjectFifo,
    ObjectFifoHandle,
    Worker,
    WorkerRuntimeBarrier,
    if_,
    range_,
)
from amanuensis.kernels.designs._kernels import functions
from amanuensis.kernels.designs._types import array_type
from amanuensis.kernels.designs.launch import LaunchError
from amanuensis.kernels.dtypes import BFLOAT16
from amanuensis.kernels.entries import entry
from amanuensis.kernels.layout import BF16_A, BF16_B, Block
from amanuensis.kernels.reference.attention import KEY_BLOCK

CORES: Final = 4  # of a column
CORE_ROWS: Final = 64  # of q in a core
UNIT_ROWS: Final = CORES * CORE_ROWS
WHISPER_HEAD: Final = 64  # of every Whisper model: width / heads
HEADS: Final = range(16, 65, 16)  # a larger one does not leave a core room for 64 rows
STACK_BYTES: Final = 2304  # attention_block takes 2048; 128 of the core's function and as much to spare

# Words of a plan, what a launch asks of a core.
UNITS: Final = 0  # how many it takes
FIRST_BLOCK: Final = 1  # of query rows, of its first unit
BLOCKS: Final = 2  # of query rows that a head has
KEY_BLOCKS: Final = 3
KEYS: Final = 4
SEEN: Final = 5  # keys that its first row sees in block 0 of query rows
STEP: Final = 6  # more for each row
ADVANCE: Final = 7  # more for each block of query rows
PLAN_WORDS: Final = 8

# Words of what a core notes while it works.
_BLOCK, _PART, _SEEN_LEFT, _KEYS_LEFT = range(4)
_NOTES: Final = 4


@dataclass(frozen=True, slots=True)
class Column:
    """What the sequence needs of a column.

    Attributes:
        rows: takes rows of q, 256 a unit, then rows of k.
        values: takes rows of v.
        results: gives 256 rows a unit.
        plans: of its cores, from the first rows to the last.

    """

    rows: ObjectFifoHandle
    values: ObjectFifoHandle
    results: ObjectFifoHandle
    plans: tuple[Buffer, ...]


@dataclass(frozen=True, slots=True)
class Configuration:
    """The graph: the same for all launches on a device.

    Attributes:
        columns: of the array.
        start: the barrier that every core waits for before it reads its plan.
        workers: all cores.

    """

    columns: tuple[Column, ...]
    start: WorkerRuntimeBarrier
    workers: tuple[Worker, ...]


def configuration(device: Device, size: int = WHISPER_HEAD) -> Configuration:
    """Return the configuration of a device for heads of a size, which a model has only one of.

    Raises:
        LaunchError: a head size that is no multiple of 16 or above 64.

    """
    if size not in HEADS:
        raise LaunchError(f"Attention.size is {size}; allowed are multiples of {HEADS.step} up to {HEADS[-1]}")
    start = WorkerRuntimeBarrier()
    sizes = {"m": CORE_ROWS, "d": size}
    kernels = [
        *functions(entry("attention_query", **sizes)),
        *functions(*(entry(f"attention_{name}", **sizes) for name in ("begin", "block", "finish"))),
    ]
    columns, workers = [], []
    for number in range(device.cols):
        column, cores = _column(number, size, start, kernels)
        columns.append(column)
        workers += cores
    return Configuration(tuple(columns), start, tuple(workers))


def _column(number: int, size: int, start: WorkerRuntimeBarrier, kernels: list[Kernel]) -> tuple[Column, list[Worker]]:
    rows_in, rows = _stream(f"rows_{number}", size, BF16_A)
    values_in, values = _stream(f"values_{number}", size, BF16_B)
    result = array_type((CORE_ROWS * size,), BFLOAT16.type)
    results = ObjectFifo(array_type((UNIT_ROWS * size,), BFLOAT16.type), name=f"results_{number}")
    parts = results.prod().join(
        [CORE_ROWS * size * core for core in range(CORES)],
        obj_types=[result] * CORES,
        names=[f"result_{number}_{core}" for core in range(CORES)],
        depths=[1] * CORES,  # a core sends it while it attends to the next unit
    )
    plans = [
        Buffer(array_type((PLAN_WORDS,), np.int32), name=f"plan_{number}_{core}", use_write_rtp=True)
        for core in range(CORES)
    ]
    workers = [
        _worker(
            f"{number}_{core}",
            core,
            size,
            [rows.cons(), values.cons(), parts[core].prod()],
            plans[core],
            start,
            kernels,
        )
        for core in range(CORES)
    ]
    return Column(rows_in.prod(), values_in.prod(), results.cons(), tuple(plans)), workers


def _stream(name: str, size: int, block: Block) -> tuple[ObjectFifo, ObjectFifo]:
    """Return a fifo of 32 rows to a memory tile, and the one that shows them to a column in blocks."""
    source = ObjectFifo(array_type((KEY_BLOCK * size,), BFLOAT16.type), name=f"{name}_in")
    order = [
        (KEY_BLOCK // block.rows, block.rows * size),
        (size // block.columns, block.columns),
        (block.rows, size),
        (block.columns, 1),
    ]
    return source, source.cons().forward(name=name, dims_to_stream=order)


def _worker(
    name: str,
    core: int,
    size: int,
    ends: list[ObjectFifoHandle],
    plan: Buffer,
    start: WorkerRuntimeBarrier,
    kernels: list[Kernel],
) -> Worker:
    buffers = [
        Buffer(array_type(shape, dtype), name=f"{what}_{name}")
        for what, shape, dtype in (
            ("notes", (_NOTES,), np.int32),
            ("q", (CORE_ROWS * size,), BFLOAT16.type),
            ("scores", (CORE_ROWS * KEY_BLOCK,), np.float32),
            ("state", (2 * CORE_ROWS,), np.float32),
            ("sums", (CORE_ROWS * size,), np.float32),
        )
    ]
    return Worker(_function_of(core), [*ends, plan, *buffers, start, *kernels], stack_size=STACK_BYTES)


def _function_of(core: int) -> Callable[..., None]:
    """Return what the core does that takes the rows from 64 * core on of each unit."""
    parts = CORE_ROWS // KEY_BLOCK
    before = -parts * core

    def attend(
        rows: ObjectFifoHandle,
        values: ObjectFifoHandle,
        results: ObjectFifoHandle,
        plan: Buffer,
        notes: Buffer,
        q: Buffer,
        scores: Buffer,
        state: Buffer,
        sums: Buffer,
        start: WorkerRuntimeBarrier,
        query: Kernel,
        begin: Kernel,
        block: Kernel,
        finish: Kernel,
    ) -> None:
        start.wait_for_value(1)
        notes[_BLOCK] = plan[FIRST_BLOCK]
        for _ in range_(plan[UNITS]):
            notes[_PART] = before
            for _ in range_(parts * CORES):
                query(rows.acquire(1), q, notes[_PART])
                rows.release(1)
                notes[_PART] = notes[_PART] + 1
            notes[_SEEN_LEFT] = plan[SEEN] + notes[_BLOCK] * plan[ADVANCE]
            notes[_KEYS_LEFT] = plan[KEYS]
            begin(state, sums)
            for _ in range_(plan[KEY_BLOCKS]):
                keys, seen, left = rows.acquire(1), notes[_SEEN_LEFT], notes[_KEYS_LEFT]
                block(q, keys, values.acquire(1), scores, state, sums, seen, plan[STEP], left)
                rows.release(1)
                values.release(1)
                notes[_SEEN_LEFT] = seen - KEY_BLOCK
                notes[_KEYS_LEFT] = left - KEY_BLOCK
            finish(state, sums, results.acquire(1))
            results.release(1)
            notes[_BLOCK] = notes[_BLOCK] + 1
            with if_(notes[_BLOCK] == plan[BLOCKS], hasElse=False):
                notes[_BLOCK] = 0

    return attend
