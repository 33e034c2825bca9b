"""The array configuration `choice`: tokens are chosen in all columns but the last, frames are measured in that one.

The four cores of a column share a row of logits, a quarter of the vocabulary each. One stream, cut apart in the memory
tile, brings each its own tiles of logits; another brings all four the same objects: first the suppress bitmaps in
quarters, of which each core keeps its own, then the rules of row after row. What a core finds goes to the one below it,
which takes it in; the first core answers. Measuring has a core of its own, since choosing leaves its cores no program
memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import numpy as np

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
from amanuensis.kernels.designs._types import array_type
from amanuensis.kernels.designs.launch import LaunchError
from amanuensis.kernels.entries import entry
from amanuensis.kernels.entries_rows import PLACES_WORDS, STATE_WORDS, WORD_BYTES
from amanuensis.kernels.records import RULES, SCORES

CORES: Final = 4  # of a column, which share a row
TILE: Final = 1024  # logits that a core takes at a time
RULES_WORDS: Final = RULES.itemsize // WORD_BYTES  # of an object of rules, or of a quarter of a bitmap
SCORES_WORDS: Final = SCORES.itemsize // WORD_BYTES
MAX_MASKS: Final = 16  # quarters of bitmaps that a core keeps: 33 KB of its 64
MAX_TILES: Final = (RULES_WORDS * WORD_BYTES - WORD_BYTES) * 8 // TILE  # of a core: a bitmap may begin within a word
MAX_VOCABULARY: Final = CORES * MAX_TILES * TILE
STACK_BYTES: Final = 2304  # select_tile takes 2048; 128 of the core's function and as much to spare

N_MELS: Final = (80, 128)
FRAME_WORDS: Final = 640  # of an object of frames: 8 of 80 mels, or 5 of 128
BLOCK_FRAMES: Final = 40  # measured in an object that is given, for both
ENERGY_STACK_BYTES: Final = 1792  # energy_frames takes 1536

MIN_COLUMNS: Final = 2


class Plan(IntEnum):
    """Words of the plan of a core that chooses: `places_word` of aie2/select.h, then what counts its loops."""

    SIZE = 0
    TIMESTAMP_BEGIN = 1
    EOT = 2
    NO_SPEECH = 3
    SLOT = 4
    SKEW = 5
    MOVES = 6
    FIRST = 7
    BITS = 8
    MASKS = 9
    ROWS = 10
    TILES = 11


class Measure(IntEnum):
    """Words of the plan of the core that measures."""

    BLOCKS = 0
    OBJECTS = 1  # of frames that make a block
    FRAMES = 2  # of an object
    POWERS = 3  # 1 where the frames are powers
    WIDTH = 4
    PER_WIDTH = 5  # 1 / width, as the bits of a float


@dataclass(frozen=True, slots=True)
class Column:
    """What the sequence needs of a column that chooses.

    Attributes:
        logits: takes objects of a tile for each core.
        rules: takes quarters of bitmaps, then rules, for all cores.
        scores: gives the answers of a row.
        start: the barrier at which its cores wait for their plans.
        plans: of its cores, from the lowest ids to the highest.

    """

    logits: ObjectFifoHandle
    rules: ObjectFifoHandle
    scores: ObjectFifoHandle
    start: WorkerRuntimeBarrier
    plans: tuple[Buffer, ...]


@dataclass(frozen=True, slots=True)
class Meter:
    """What the sequence needs of the core that measures.

    Attributes:
        frames: takes objects of FRAME_WORDS.
        measures: gives energy and flatness of BLOCK_FRAMES frames.
        start: the barrier at which it waits.
        plan: of words of `Measure`.

    """

    frames: ObjectFifoHandle
    measures: ObjectFifoHandle
    start: WorkerRuntimeBarrier
    plan: Buffer


@dataclass(frozen=True, slots=True)
class Configuration:
    """The graph: the same for all launches on a device."""

    columns: tuple[Column, ...]
    meter: Meter
    workers: tuple[Worker, ...]


def configuration(device: Device) -> Configuration:
    """Return the configuration of a device; LaunchError if it has a single column."""
    if device.cols < MIN_COLUMNS:
        raise LaunchError(f"choice: the device has {device.cols} columns; the configuration needs {MIN_COLUMNS}")
    names = ("keep", "begin", "tile", "merge", "finish")
    sizes = {"n": TILE, "k": MAX_MASKS * RULES_WORDS * WORD_BYTES}
    kernels = functions(*(entry(f"select_{name}", **sizes) for name in names))
    columns, workers = [], []
    for number in range(device.cols - 1):
        column, cores = _column(number, kernels)
        columns.append(column)
        workers += cores
    meter, worker = _meter(device.cols - 1)
    return Configuration(tuple(columns), meter, (*workers, worker))


def _words(count: int) -> Any:
    return array_type((count,), np.int32)


def _plan(name: str) -> Buffer:
    return Buffer(_words(PLACES_WORDS), name=name, use_write_rtp=True)


def _column(number: int, kernels: list[Kernel]) -> tuple[Column, list[Worker]]:
    shim, memory = Tile(number, 0), Tile(number, 1)
    tile = array_type((TILE,), np.float32)
    logits = ObjectFifo(array_type((CORES * TILE,), np.float32), name=f"logits_{number}")
    parts = logits.cons().split(
        [TILE * core for core in range(CORES)],
        tile=memory,
        obj_types=[tile] * CORES,
        names=[f"logits_{number}_{core}" for core in range(CORES)],
    )
    rules = ObjectFifo(_words(RULES_WORDS), name=f"rules_{number}")
    scores = ObjectFifo(_words(SCORES_WORDS), name=f"scores_{number}")
    found = [ObjectFifo(_words(STATE_WORDS), name=f"found_{number}_{core}") for core in range(1, CORES)]
    start = WorkerRuntimeBarrier()
    plans = [_plan(f"plan_{number}_{core}") for core in range(CORES)]
    workers = []
    for core in range(CORES):
        masks = array_type((MAX_MASKS * RULES_WORDS * WORD_BYTES,), np.int8)
        own = [Buffer(masks, name=f"masks_{number}_{core}"), Buffer(_words(TILE), name=f"work_{number}_{core}")]
        result = found[core - 1] if core else scores
        beside: list[Any] = [Buffer(_words(STATE_WORDS), name=f"state_{number}")] if core == 0 else []
        above = [found[core].cons()] if core < CORES - 1 else []
        ends = [parts[core].cons(), rules.cons(), result.prod()]
        workers.append(
            Worker(
                _chooser(core),
                [*ends, plans[core], *own, start, *kernels, *above, *beside],
                tile=Tile(number, 2 + core),
                stack_size=STACK_BYTES,
                dynamic_objfifo_lowering=True,  # the loops' counts are known only when a plan is read
            )
        )
    column = Column(logits.prod(tile=shim), rules.prod(tile=shim), scores.cons(tile=shim), start, tuple(plans))
    return column, workers


def _chooser(core: int) -> Callable[..., None]:
    """Return what the core does that takes the core-th quarter of the ids."""
    lowest, highest = core == 0, core == CORES - 1

    def choose(
        logits: ObjectFifoHandle,
        rules: ObjectFifoHandle,
        results: ObjectFifoHandle,
        plan: Buffer,
        masks: Buffer,
        work: Buffer,
        start: WorkerRuntimeBarrier,
        keep: Kernel,
        begin: Kernel,
        tile: Kernel,
        merge: Kernel,
        finish: Kernel,
        *more: Any,
    ) -> None:
        start.wait_for_value(1)
        for number in range_(plan[Plan.MASKS]):
            for quarter in range(CORES):
                piece = rules.acquire(1)
                if quarter == core:
                    keep(piece, masks, number)
                rules.release(1)
        for _ in range_(plan[Plan.ROWS]):
            rule, result = rules.acquire(1), results.acquire(1)
            state = more[-1] if lowest else result
            begin(rule, plan, state)
            for _ in range_(plan[Plan.TILES]):
                tile(logits.acquire(1), masks, rule, plan, work, state)
                logits.release(1)
            if not highest:
                merge(more[0].acquire(1), state)
                more[0].release(1)
            if lowest:
                finish(rule, state, result)
            rules.release(1)
            results.release(1)

    return choose


def _meter(number: int) -> tuple[Meter, Worker]:
    measure = entry("energy_frames", m=BLOCK_FRAMES, n=FRAME_WORDS)
    frames = ObjectFifo(measure.arguments[0], name="frames")
    measures = ObjectFifo(measure.arguments[1], name="measures")
    start, plan = WorkerRuntimeBarrier(), _plan("plan_of_the_meter")
    note = Buffer(_words(1), name="first_frame")
    arguments = [frames.cons(), measures.prod(), plan, note, start, *functions(measure)]
    worker = Worker(
        _measure,
        arguments,
        tile=Tile(number, 2),
        stack_size=ENERGY_STACK_BYTES,
        dynamic_objfifo_lowering=True,
    )
    shim = Tile(number, 0)
    return Meter(frames.prod(tile=shim), measures.cons(tile=shim), start, plan), worker


def _measure(
    frames: ObjectFifoHandle,
    measures: ObjectFifoHandle,
    plan: Buffer,
    first: Buffer,
    start: WorkerRuntimeBarrier,
    measure: Kernel,
) -> None:
    start.wait_for_value(1)
    for _ in range_(plan[Measure.BLOCKS]):
        first[0] = 0
        given = measures.acquire(1)
        for _ in range_(plan[Measure.OBJECTS]):
            powers, width, per_width = plan[Measure.POWERS], plan[Measure.WIDTH], plan[Measure.PER_WIDTH]
            measure(frames.acquire(1), given, powers, width, per_width, first[0])
            frames.release(1)
            first[0] = first[0] + plan[Measure.FRAMES]
        measures.release(1)
