"""Whisper's log-mel features on three cores: transform, mel filters, scale.

Sixteen frames at a time. The first core splits them into bf16 and multiplies them by the transform, 16 bins a tile; the
powers of a tile go to the second, which puts them through the mel filters, takes log10 and keeps the window's maximum.
The logs leave for memory, since what lies 8 below the maximum is clamped and that is known at the end only; they come
back through the third core, which scales them. The transform's matrix streams past once for every 16 frames.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from amanuensis.kernels.designs._iron import (
    Buffer,
    Device,
    Kernel,
    ObjectFifo,
    ObjectFifoHandle,
    Program,
    Runtime,
    RuntimeData,
    TaskGroup,
    TensorAccessPattern,
    Worker,
    WorkerRuntimeBarrier,
    range_,
)
from amanuensis.kernels.designs._kernels import functions
from amanuensis.kernels.designs._types import array_type
from amanuensis.kernels.designs.launch import LaunchError
from amanuensis.kernels.dtypes import BFLOAT16
from amanuensis.kernels.entries import Entry, dtype_of, entry, size_of
from amanuensis.kernels.layout import padded
from amanuensis.kernels.mel_layout import N_STEPS, N_TILES, TILE_BINS
from amanuensis.kernels.reference.log_mel import N_FFT

HOP_SAMPLES: Final = 160  # openai/whisper `audio.py`
ROWS: Final = 16  # frames at a time: with 32, their bf16 parts alone would take 51 KB of a core
FRAMES_AN_OBJECT: Final = 4
MAX_FRAMES: Final = 3000  # 30 s, a window of Whisper's
MEL_COUNTS: Final = (80, 128)
STACK_BYTES: Final = 2304  # the products take 2048
SCALE_STACK_BYTES: Final = 1280
COLUMNS: Final = 2  # whose shims have the four channels to the array that are needed
REPEATS: Final = 64  # of one transfer: the iterations of a descriptor
RUNS: Final = (1280, 1024)  # bf16 that a repeated transfer counts as one size: at most 1023 words

FRAMES: Final = 0  # words of a plan, what a launch asks of a core
BLOCKS: Final = 1
PLAN_WORDS: Final = 2


@dataclass(frozen=True, slots=True)
class Window:
    """A window of features and the sizes that follow from it.

    Attributes:
        frames: of the window.
        n_mels: 80 or 128.

    """

    frames: int
    n_mels: int

    def __post_init__(self) -> None:
        if not 0 < self.frames <= MAX_FRAMES:
            raise LaunchError(f"log_mel: frames is {self.frames}; allowed are 1 to {MAX_FRAMES}")
        if self.n_mels not in MEL_COUNTS:
            raise LaunchError(f"log_mel: n_mels is {self.n_mels}; allowed are {', '.join(map(str, MEL_COUNTS))}")

    @property
    def rows(self) -> int:
        """Frames that are computed: whole blocks. Those beyond the window do not count for its maximum."""
        return padded(self.frames, ROWS)

    @property
    def samples(self) -> int:
        """Samples that are read, 160 apart by frame."""
        return (self.rows - 1) * HOP_SAMPLES + N_FFT


def log_mel(device: Device, window: Window) -> Program:
    """Return the program.

    Its tensors: samples f32 [window.samples], already padded in front; the transform bf16, as
    `mel_layout.transform_tiles`; the filters bf16, as `mel_layout.filter_tiles`; logs f32 [window.rows, n_mels], which
    is scratch; features f32 likewise. All windows of a number of mels have the same graph.

    Raises:
        LaunchError: a device of one column.

    """
    if device.cols < COLUMNS:
        raise LaunchError(f"log_mel: the device has {device.cols} columns; {COLUMNS} are needed for four transfers in")
    graph = _Graph(window.n_mels)
    logs = array_type((window.rows * window.n_mels,), np.float32)
    tensors = [
        array_type((window.samples,), np.float32),
        array_type((N_TILES * graph.matrix_words * N_STEPS * 2,), BFLOAT16.type),
        array_type((N_TILES * TILE_BINS * window.n_mels,), BFLOAT16.type),
        logs,
        logs,
    ]
    return Program(device, Runtime(_Sequence(window, graph), [*tensors, graph.ends]), workers=graph.workers)


def _fifo(name: str, kernel: Entry, argument: int) -> ObjectFifo:
    """Return a fifo of what a kernel takes as an argument."""
    return ObjectFifo(kernel.arguments[argument], name=name)


class _Graph:
    """Cores and fifos."""

    def __init__(self, n_mels: int) -> None:
        sizes, product = {"m": ROWS, "n": n_mels}, {"m": ROWS, "k": TILE_BINS, "n": n_mels}
        names = ("frames", "transform", "powers", "begin", "logs", "scale")
        split, transform, power, begin, log, scale = (entry(f"log_mel_{name}", **sizes) for name in names)
        zero, multiply = entry("gemm_bf16_zero", **product), entry("gemm_bf16_mac", **product)
        self.start = WorkerRuntimeBarrier()
        self.plans = [self._buffer(f"plan_{i}", (PLAN_WORDS,), np.int32, use_write_rtp=True) for i in range(3)]
        frames, matrix = _fifo("frames", split, 0), _fifo("matrix", transform, 1)
        powers, filters = _fifo("powers", power, 1), _fifo("filters", multiply, 1)
        logs, window = _fifo("logs", log, 1), _fifo("window", begin, 0)
        logs_back, features = _fifo("logs_back", scale, 0), _fifo("features", scale, 2)
        self.matrix_words = size_of(transform.arguments[1]) // 2
        self.ends = [f.prod() for f in (frames, matrix, filters, logs_back)] + [logs.cons(), features.cons()]
        own = [
            self._buffer("note", (1,), np.int32),
            self._like("operand", split, 1),
            self._like("sums", transform, 2),
        ]
        ends = [frames.cons(), matrix.cons(), powers.prod()]
        first = [*ends, self.plans[0], *own, self.start, *functions(split, transform, power)]
        ends = [powers.cons(), filters.cons(), logs.prod(), window.prod()]
        kernels = [*functions(zero, multiply), *functions(begin, log)]
        second = [*ends, self.plans[1], self._like("mel", zero, 0), self.start, *kernels]
        ends = [logs_back.cons(), window.cons(), features.prod()]
        third = [*ends, self.plans[2], self.start, *functions(scale)]
        self.workers = [
            Worker(_transform, first, stack_size=STACK_BYTES),
            Worker(_filter, second, stack_size=STACK_BYTES),
            Worker(_scale, third, stack_size=SCALE_STACK_BYTES),
        ]

    @staticmethod
    def _buffer(name: str, shape: tuple[int, ...], dtype: Any, **options: Any) -> Buffer:
        return Buffer(array_type(shape, dtype), name=name, **options)

    def _like(self, name: str, kernel: Entry, argument: int) -> Buffer:
        kind = kernel.arguments[argument]
        return self._buffer(name, (size_of(kind),), dtype_of(kind).type)


def _transform(
    frames: ObjectFifoHandle,
    matrix: ObjectFifoHandle,
    powers: ObjectFifoHandle,
    plan: Buffer,
    note: Buffer,
    operand: Buffer,
    sums: Buffer,
    start: WorkerRuntimeBarrier,
    split: Kernel,
    transform: Kernel,
    power: Kernel,
) -> None:
    start.wait_for_value(1)
    for _ in range_(plan[BLOCKS]):
        note[0] = 0
        for _ in range_(ROWS // FRAMES_AN_OBJECT):
            split(frames.acquire(1), operand, note[0])
            frames.release(1)
            note[0] = note[0] + 1
        for _ in range_(N_TILES):
            note[0] = 0
            for _ in range_(N_STEPS):
                transform(operand, matrix.acquire(1), sums, note[0])
                matrix.release(1)
                note[0] = note[0] + 1
            power(sums, powers.acquire(1))
            powers.release(1)


def _filter(
    powers: ObjectFifoHandle,
    filters: ObjectFifoHandle,
    logs: ObjectFifoHandle,
    window: ObjectFifoHandle,
    plan: Buffer,
    mel: Buffer,
    start: WorkerRuntimeBarrier,
    zero: Kernel,
    multiply: Kernel,
    begin: Kernel,
    log: Kernel,
) -> None:
    start.wait_for_value(1)
    highest = window.acquire(1)
    begin(highest, plan[FRAMES])
    for _ in range_(plan[BLOCKS]):
        zero(mel)
        for _ in range_(N_TILES):
            multiply(powers.acquire(1), filters.acquire(1), mel)
            powers.release(1)
            filters.release(1)
        log(mel, logs.acquire(1), highest)
        logs.release(1)
    window.release(1)


def _scale(
    logs: ObjectFifoHandle,
    window: ObjectFifoHandle,
    features: ObjectFifoHandle,
    plan: Buffer,
    start: WorkerRuntimeBarrier,
    scale: Kernel,
) -> None:
    start.wait_for_value(1)
    highest = window.acquire(1)
    for _ in range_(plan[BLOCKS]):
        scale(logs.acquire(1), highest, features.acquire(1))
        logs.release(1)
        features.release(1)
    window.release(1)


class _Sequence:
    """Everything up to the logs, then the logs once more."""

    def __init__(self, window: Window, graph: _Graph) -> None:
        self._window, self._graph = window, graph

    def __call__(
        self,
        samples: RuntimeData,
        matrix: RuntimeData,
        filters: RuntimeData,
        logs: RuntimeData,
        features: RuntimeData,
        ends: list[ObjectFifoHandle],
    ) -> None:
        frames_in, matrix_in, filters_in, logs_in, logs_out, features_out = ends
        blocks = self._window.rows // ROWS
        for plan in self._graph.plans:
            plan[FRAMES] = self._window.frames
            plan[BLOCKS] = blocks
        self._graph.start.set(1)
        group = TaskGroup()
        logs_out.drain(logs, wait=True, group=group)
        frames_in.fill(samples, tap=self._frames(), group=group)
        for handle, data in ((matrix_in, matrix), (filters_in, filters)):
            for tap in _repeated(data, blocks):
                handle.fill(data, tap=tap, group=group)
        group.finish()
        group = TaskGroup()
        features_out.drain(features, wait=True, group=group)
        logs_in.fill(logs, group=group)
        group.finish()

    def _frames(self) -> TensorAccessPattern:
        """Return each block's frames, which overlap."""
        blocks = self._window.rows // ROWS
        strides = [0, ROWS * HOP_SAMPLES, HOP_SAMPLES, 1]
        return TensorAccessPattern((self._window.samples,), offset=0, sizes=[1, blocks, ROWS, N_FFT], strides=strides)


def _repeated(data: RuntimeData, times: int) -> Iterator[TensorAccessPattern]:
    """Yield transfers of a whole bf16 tensor, over and over."""
    (count,) = data.shape
    run = next(run for run in RUNS if count % run == 0)
    for done in range(0, times, REPEATS):
        sizes = [min(REPEATS, times - done), 1, count // run, run]
        yield TensorAccessPattern((count,), offset=0, sizes=sizes, strides=[0, 0, run, 1])
