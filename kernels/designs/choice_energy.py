"""The measuring of frames on the configuration `choice`: blocks of 40 frames, the last one filled up with its last."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from amanuensis.kernels.designs.choice_array import BLOCK_FRAMES, FRAME_WORDS, N_MELS, Configuration, Measure
from amanuensis.kernels.designs.choice_moves import WORD_BYTES, Channel, Move, Place
from amanuensis.kernels.designs.launch import LaunchError
from amanuensis.kernels.layout import padded
from amanuensis.kernels.memory import Memory
from amanuensis.kernels.operators import EnergyGate

_MEASURES: Final = 2  # energy and flatness


@dataclass(frozen=True, slots=True)
class Frames:
    """An EnergyGate whose rows and places are known.

    Attributes:
        operator: the EnergyGate.
        rows: how many.
        src: the frames.
        dst: energy and flatness of each.

    """

    operator: EnergyGate
    rows: int
    src: Place
    dst: Place


def frames(operator: EnergyGate, memory: Memory) -> Frames:
    """Return an EnergyGate over memory.

    Raises:
        LaunchError: another number of mels, or measures that lie on frames.
        OperandError: an operand that is not there.

    """
    n_mels = operator.n_mels
    if n_mels not in N_MELS:
        raise LaunchError(f"EnergyGate.n_mels is {n_mels}; choice takes {' or '.join(map(str, N_MELS))}")
    rows = memory.count(operator.rows, "rows")
    memory.read(operator.src, np.float32, (rows, n_mels), "src")  # holds it to its buffer
    memory.read(operator.dst, np.float32, (rows, _MEASURES), "dst")
    src = Place(operator.src.buffer, memory.start(operator.src, "src") // WORD_BYTES, rows * n_mels)
    dst = Place(operator.dst.buffer, memory.start(operator.dst, "dst") // WORD_BYTES, rows * _MEASURES)
    if dst.overlaps(src):
        raise LaunchError("EnergyGate.dst overlaps src; choice writes measures while it reads frames")
    return Frames(operator, rows, src, dst)


def _filled(place: Place, rows: int, width: int) -> Iterator[Move]:
    """Yield the moves of all rows, and of the last again until the last block is full."""
    yield place.run(0, rows * width)
    more = padded(rows, BLOCK_FRAMES) - rows  # fewer than the iterations of a descriptor
    if more:
        yield Move(place.buffer, place.start + (rows - 1) * width, (more, 1, 1, width), (0, 0, 0, 1))


class FramesSequence:
    """All frames in, all measures out; surplus rows are the last one's, written where it is."""

    def __init__(self, work: Frames, graph: Configuration) -> None:
        self._work, self._meter = work, graph.meter

    def __call__(self, *arguments: Any) -> None:
        work, meter, data = self._work, self._meter, arguments[:-1]
        if not work.rows:
            return
        n_mels = work.operator.n_mels
        meter.plan[Measure.BLOCKS] = padded(work.rows, BLOCK_FRAMES) // BLOCK_FRAMES
        meter.plan[Measure.OBJECTS] = BLOCK_FRAMES * n_mels // FRAME_WORDS
        meter.plan[Measure.FRAMES] = FRAME_WORDS // n_mels
        meter.plan[Measure.POWERS] = int(work.operator.kind == "power")
        meter.plan[Measure.WIDTH] = n_mels
        meter.plan[Measure.PER_WIDTH] = int(np.float32(1 / n_mels).view(np.int32))
        meter.start.set(1)
        measures, given = Channel(meter.measures, data, drains=True), Channel(meter.frames, data)
        for move in _filled(work.dst, work.rows, _MEASURES):
            measures.issue(move)
        for move in _filled(work.src, work.rows, n_mels):
            given.issue(move)
        given.finish()
        measures.finish()
