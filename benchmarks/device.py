"""What the cost model has to know of an NPU: dispatches, transfers and operators, timed one by one on the device.

On the simulated NPU the same figures are the model's own; they are printed as modelled and calibrate nothing.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Final, Literal

import numpy as np

from amanuensis.benchmarks.common import Spread, header, report
from amanuensis.kernels.cost.measured import (
    FEW_ROWS,
    FFN,
    MANY_ROWS,
    WARM_DISPATCH,
    WIDTH,
    calibration_path,
    operator_figure,
)
from amanuensis.kernels.ops import Attention, GemmBf16, GemmInt8, LayerNorm, Nop, Operator, QuantiseRows, Region, encode
from amanuensis.npu.devices.xrt.opening import open_runtime
from amanuensis.npu.devices.xrt.programs import PROGRAM
from amanuensis.npu.devices.xrt.runtime import DATA_KINDS, Buffer, Loaded, XrtRuntime
from amanuensis.npu.window import Timing

WEIGHTS, SCRATCH, CACHE, INPUT, OUTPUT = range(5)
BUFFER_BYTES: Final = 16 << 20
TRANSFER_BYTES: Final = 8 << 20
HEADS, HEAD_SIZE = 8, 64  # Whisper base
ROWS: Final = (FEW_ROWS, 32, 512, MANY_ROWS)  # a token, a verification, two audio contexts
IDLE_S: Final = 6.0  # the driver suspends after 5


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement.

    Attributes:
        name: what was timed.
        us: microseconds, each from the start of a dispatch or transfer to its end.
        amount: multiply-adds or bytes of one run, 0 where neither says anything.

    """

    name: str
    us: Spread
    amount: int = 0

    def __str__(self) -> str:
        rate = f", {self.amount / self.us.median / 1e3:.4g} G/s" if self.amount else ""
        return f"{self.name:28} {self.us} us{rate}"


class Bench:
    """A device with five buffers and streams to time."""

    def __init__(self, runtime: XrtRuntime, rounds: int) -> None:
        self._runtime = runtime
        self._rounds = rounds
        self._loaded: Loaded = runtime.load(PROGRAM)
        self._buffers = tuple(runtime.allocate(self._loaded, BUFFER_BYTES, kind) for kind in DATA_KINDS)
        for buffer in self._buffers:
            runtime.write(buffer, np.zeros(BUFFER_BYTES, np.uint8))

    def stream(self, *operators: Operator) -> Buffer:
        """Put a stream onto the device."""
        words = encode(operators)
        stream = self._runtime.allocate(self._loaded, words.nbytes, "instructions")
        self._runtime.write(stream, words)
        return stream

    def dispatch(self, stream: Buffer) -> None:
        """Do a dispatch."""
        self._runtime.wait(self._runtime.run(self._loaded, stream, self._buffers))

    def elapsed_us(self, work: Callable[[], object]) -> float:
        """Return how long something takes on the device's clock."""
        before_s = self._runtime.clock.monotonic()
        work()
        return 1e6 * (self._runtime.clock.monotonic() - before_s)

    def timed(self, name: str, work: Callable[[], object], amount: int = 0) -> Figure:
        """Time something once cold, which does not count, and some rounds warm."""
        work()
        return Figure(name, Spread.of([self.elapsed_us(work) for _ in range(self._rounds)]), amount)

    def transfers(self) -> Iterator[Figure]:
        """Time both directions of the bus."""
        data = np.zeros(TRANSFER_BYTES, np.uint8)
        buffers, runtime = self._buffers, self._runtime
        yield self.timed("to the device", lambda: runtime.write(buffers[INPUT], data), TRANSFER_BYTES)
        take = (TRANSFER_BYTES,)
        yield self.timed("from the device", lambda: runtime.read(buffers[OUTPUT], take, np.uint8), TRANSFER_BYTES)

    def operators(self) -> Iterator[Figure]:
        """Time the operators of a layer of Whisper base on different numbers of rows, a dispatch each."""
        for rows in ROWS:
            for operator, macs in _layer(rows):
                stream = self.stream(operator)
                name = operator_figure(type(operator).__name__, rows)
                yield self.timed(name, lambda stream=stream: self.dispatch(stream), macs)  # type: ignore[misc]


def _layer(rows: int) -> Iterator[tuple[Operator, int]]:
    a, scales, dst = Region(SCRATCH, 0), Region(SCRATCH, 8 << 20), Region(OUTPUT, 0)
    weight, more = Region(WEIGHTS, 0), Region(WEIGHTS, 8 << 20)
    yield LayerNorm(a, dst, more, more, rows, WIDTH), 0
    yield QuantiseRows(a, dst, scales, rows, WIDTH), 0
    macs = rows * WIDTH * FFN
    yield GemmInt8(a, scales, weight, more, more, dst, rows, WIDTH, FFN), macs
    yield GemmBf16(a, weight, more, dst, rows, WIDTH, FFN), macs
    keys = (Region(CACHE, 0), Region(CACHE, 4 << 20))
    macs = 2 * rows * ROWS[-1] * WIDTH
    yield Attention(a, *keys, dst, rows, ROWS[-1], HEADS, HEAD_SIZE, False, 0, HEAD_SIZE**-0.5), macs


def measure(runtime: XrtRuntime, rounds: int, idle: Callable[[float], object]) -> list[Figure]:
    """Take all figures of a device; `idle` lets so many seconds pass."""
    bench = Bench(runtime, rounds)
    nop = bench.stream(Nop())
    figures = [bench.timed(WARM_DISPATCH, lambda: bench.dispatch(nop))]
    idle(IDLE_S)
    figures.append(Figure("dispatch, after 6 s", Spread.of([bench.elapsed_us(lambda: bench.dispatch(nop))])))
    return [*figures, *bench.transfers(), *bench.operators()]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `amanuensis bench device`."""
    parser.add_argument("--device", choices=("npu", "sim"), default="npu", help="what to time (default: npu)")
    parser.add_argument("--rounds", type=int, default=20, metavar="N", help="runs of each (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Measure, print, and keep the calibration of a real NPU."""
    runtime = open_runtime(args.device)
    figures = measure(runtime, args.rounds, _idle(args.device))
    timing: Timing = "measured" if args.device == "npu" else "modelled"
    facts = {
        "timing": timing,
        "device": args.device,
        "hardware": runtime.hardware,
        "architecture": runtime.architecture,
        "figures": [asdict(figure) for figure in figures],
    }
    head = replace(header("none: operators alone", threads=1), device=f"{args.device}: {runtime.hardware}")
    lines = [f"{runtime.hardware} ({runtime.architecture}), all times {timing}", *map(str, figures)]
    if timing == "measured":
        path = calibration_path(runtime.architecture)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(facts | {"header": asdict(head)}, indent=1) + "\n")
        lines.append(f"calibration: {path}")
    runtime.close()
    report(head, facts, lines, as_json=args.json)
    return 0


def _idle(device: Literal["npu", "sim"]) -> Callable[[float], object]:
    if device == "npu":
        return time.sleep
    from amanuensis.npu import pyxrt_emulator

    return pyxrt_emulator.clock().sleep
