"""The array configuration `decoder`: one graph and one core program for every operator of a decoder layer.

In each column one shim channel loads objects of 512 bytes into all four cores (activations, scales, residuals, rows),
the other brings blocks of 8 KB to each core by itself through the memory tile (weights, keys and values). What the
cores give, 128 bytes each at a time, is joined in the memory tile to runs of 512 bytes; scales of quantised rows, which
come a word at a time, leave the first core of a column by a stream of their own. An order, runtime parameters of a
core, says which operator to compute and how often each loop runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Final

import numpy as np

from amanuensis.kernels.designs._iron import (
    Buffer,
    Device,
    ExternalFunction,
    Kernel,
    ObjectFifo,
    ObjectFifoHandle,
    Tile,
    Worker,
    WorkerRuntimeBarrier,
    range_,
)
from amanuensis.kernels.designs._types import array_type
from amanuensis.kernels.entries import SOURCES

CORES: Final = 4  # of a column
LOAD_WORDS: Final = 128  # of an object that all cores of a column load
BLOCK_WORDS: Final = 2048  # of a block that a core gets by itself
GIVEN_WORDS: Final = 32  # of an object that a core gives
JOINED_WORDS: Final = CORES * GIVEN_WORDS
STATE_BYTES: Final = 31744  # what an operator keeps in a core; its source asserts that every operator fits
STACK_BYTES: Final = 2304  # decoder_block takes 1960 as g++ lays it out; 128 of the core's function, the rest to spare
ORDER_WORDS: Final = 16
SOURCE: Final[Path] = SOURCES / "decoder.cc"
# Speed is that of the streams, and all operators must fit 16 KB: small code first.
FLAGS: Final = (f"-DSTATE_BYTES={STATE_BYTES}", "-Os")


class Word(IntEnum):
    """Words of an order: what counts the loops of the core's program, then what its kernels read."""

    TILES = 0
    ONCE = 1
    LOADS = 2
    BLOCKS = 3
    STEPS = 4
    GIVEN = 5
    SCALES = 6
    MODE = 7
    FLAGS = 8
    ROWS = 9
    WIDTH = 10
    KEYS = 11
    FIRST = 12
    SCALE = 13
    PASSES = 14


PACKED_WORDS: Final = 6
# Of each word of an order: the word that the sequence writes, the shift and the bits. A written word costs 66 ns in
# each memory that it goes to (amd/IRON, README of its GEMM `flm`), so there are few, and two cores share a memory.
FIELDS: Final[dict[Word, tuple[int, int, int]]] = {
    Word.TILES: (0, 0, 16),
    Word.ONCE: (0, 16, 15),
    Word.LOADS: (1, 0, 16),
    Word.GIVEN: (1, 16, 15),
    Word.BLOCKS: (2, 0, 16),
    Word.STEPS: (2, 16, 5),
    Word.SCALES: (2, 21, 3),
    Word.MODE: (2, 24, 4),
    Word.PASSES: (2, 28, 3),
    Word.FLAGS: (3, 0, 8),
    Word.ROWS: (3, 8, 8),
    Word.WIDTH: (3, 16, 15),
    Word.KEYS: (4, 0, 16),
    Word.FIRST: (4, 16, 15),
    Word.SCALE: (5, 0, 31),
}


@dataclass(frozen=True, slots=True)
class Column:
    """What the sequence needs of a column.

    Attributes:
        loads: takes objects of LOAD_WORDS for all cores.
        blocks: takes blocks of BLOCK_WORDS, one for each core in turn.
        given: gives objects of JOINED_WORDS.
        scales: gives single words, scales of rows.
        start: the barrier at which the column's cores wait for an order.
        orders: packed, in the two memories from which its cores read them.

    """

    loads: ObjectFifoHandle
    blocks: ObjectFifoHandle
    given: ObjectFifoHandle
    scales: ObjectFifoHandle
    start: WorkerRuntimeBarrier
    orders: tuple[Buffer, ...]


@dataclass(frozen=True, slots=True)
class Configuration:
    """The graph: the same for all launches on a device."""

    columns: tuple[Column, ...]
    workers: tuple[Worker, ...]


def configuration(device: Device) -> Configuration:
    """Return the configuration of a device."""
    kernels = _kernels()
    columns, workers = [], []
    for number in range(device.cols):
        column, cores = _column(number, kernels)
        columns.append(column)
        workers += cores
    return Configuration(tuple(columns), tuple(workers))


def _words(count: int) -> object:
    return array_type((count,), np.int32)


def _kernels() -> list[Kernel]:
    """Return begin, load, block, step, end and scale, of one object file."""
    load, block, given = _words(LOAD_WORDS), _words(BLOCK_WORDS), _words(GIVEN_WORDS)
    state, order, number = _words(STATE_BYTES // 4), _words(ORDER_WORDS), np.int32
    target = "decoder.o"
    first = ExternalFunction(
        "decoder_step",
        target,
        source_file=str(SOURCE),
        arg_types=[load, block, state, order, number],
        include_dirs=[str(SOURCE.parent)],
        compile_flags=list(FLAGS),
    )
    return [
        Kernel("decoder_begin", target, [_words(PACKED_WORDS), order]),
        Kernel("decoder_load", target, [load, state, order, number, number, number]),
        Kernel("decoder_block", target, [block, state, order, number, number, number]),
        first,
        Kernel("decoder_end", target, [given, state, order, number, number]),
        Kernel("decoder_scale", target, [array_type((1,), np.float32), state, number]),
    ]


def _column(number: int, kernels: list[Kernel]) -> tuple[Column, list[Worker]]:
    shim, memory = Tile(number, 0), Tile(number, 1)
    loads = ObjectFifo(_words(LOAD_WORDS), name=f"loads_{number}")
    blocks = ObjectFifo(_words(CORES * BLOCK_WORDS), name=f"blocks_{number}")
    given = ObjectFifo(_words(JOINED_WORDS), name=f"given_{number}")
    scales = ObjectFifo(array_type((1,), np.float32), name=f"scales_{number}")
    parts = blocks.cons().split(
        [BLOCK_WORDS * core for core in range(CORES)],
        tile=memory,
        obj_types=[_words(BLOCK_WORDS)] * CORES,
        names=[f"block_{number}_{core}" for core in range(CORES)],
    )
    results = given.prod().join(
        [GIVEN_WORDS * core for core in range(CORES)],
        tile=memory,
        obj_types=[_words(GIVEN_WORDS)] * CORES,
        names=[f"given_{number}_{core}" for core in range(CORES)],
    )
    start = WorkerRuntimeBarrier()
    orders = tuple(  # a core reaches the memories above and below its own
        Buffer(_words(PACKED_WORDS), name=f"order_{number}_{half}", tile=Tile(number, 3 + half), use_write_rtp=True)
        for half in range(2)
    )
    workers = []
    for core in range(CORES):
        state = Buffer(_words(STATE_BYTES // 4), name=f"state_{number}_{core}")
        order = Buffer(_words(ORDER_WORDS), name=f"unpacked_{number}_{core}")
        ends = [loads.cons(), parts[core].cons(), results[core].prod()]
        extra = [scales.prod()] if core == 0 else []
        arguments = [*ends, orders[core // 2], order, state, start, *kernels, *extra]
        workers.append(
            Worker(
                _program_of(core),
                arguments,
                tile=Tile(number, 2 + core),
                stack_size=STACK_BYTES,
                dynamic_objfifo_lowering=True,  # the loops' counts are known only when an order is read
            )
        )
    column = Column(
        loads.prod(tile=shim), blocks.prod(tile=shim), given.cons(tile=shim), scales.cons(tile=shim), start, orders
    )
    return column, workers


def _program_of(core: int) -> Callable[..., None]:
    """Return what a core does; the first of a column also gives scales."""

    def program(
        loads: ObjectFifoHandle,
        blocks: ObjectFifoHandle,
        given: ObjectFifoHandle,
        packed: Buffer,
        order: Buffer,
        state: Buffer,
        start: WorkerRuntimeBarrier,
        begin: Kernel,
        load: Kernel,
        block: Kernel,
        step: Kernel,
        end: Kernel,
        scale: Kernel,
        *scales: ObjectFifoHandle,
    ) -> None:
        start.wait_for_value(1)
        begin(packed, order)
        for i in range_(order[Word.ONCE]):
            load(loads.acquire(1), state, order, core, 0, i)
            loads.release(1)
        for tile in range_(order[Word.TILES]):
            for i in range_(order[Word.LOADS]):
                load(loads.acquire(1), state, order, core, 1, i)
                loads.release(1)
            for s in range_(order[Word.BLOCKS]):
                weights = blocks.acquire(1)
                block(weights, state, order, core, tile, s)
                for r in range_(order[Word.STEPS]):
                    step(loads.acquire(1), weights, state, order, r)
                    loads.release(1)
                blocks.release(1)
            for e in range_(order[Word.GIVEN]):
                end(given.acquire(1), state, order, core, e)
                given.release(1)
            for handle in scales:
                for r in range_(order[Word.SCALES]):
                    scale(handle.acquire(1), state, r)
                    handle.release(1)

    return program
