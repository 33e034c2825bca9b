"""What the cost model has to know of an NPU: dispatches, memory, transfers and operators, timed on the device.

`amanuensis bench device` and `amanuensis kernels bench` are the same. What the present programs cannot show is told
with the reason.

On the simulated NPU the same figures are the model's own; they are printed as modelled and calibrate nothing.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final, Literal

import numpy as np

from amanuensis.benchmarks.common import Spread, header, report
from amanuensis.kernels.cost.measured import (
    COPY_BYTES,
    FEW_ROWS,
    FFN,
    GELU,
    HEADS,
    MANY_ROWS,
    MEMORY_COPY,
    WARM_DISPATCH,
    WIDTH,
    calibration_path,
    cycles_per_element,
    operator_figure,
)
from amanuensis.kernels.ops import (
    Attention,
    CopyRows,
    Epilogue,
    GemmBf16,
    GemmInt8,
    LayerNorm,
    Nop,
    Operator,
    QuantiseRows,
    Region,
    encode,
)
from amanuensis.kernels.program import Architecture
from amanuensis.npu.devices.xrt.opening import open_runtime
from amanuensis.npu.devices.xrt.programs import PROGRAM
from amanuensis.npu.devices.xrt.runtime import DATA_KINDS, Buffer, Loaded, XrtRuntime
from amanuensis.npu.window import Timing

WEIGHTS, SCRATCH, CACHE, INPUT, OUTPUT = range(5)
BUFFER_BYTES: Final = 16 << 20
TRANSFER_BYTES: Final = 8 << 20
HEAD_SIZE: Final = WIDTH // HEADS
COPY_ROW_BYTES: Final = 1 << 16  # long bursts
ROWS: Final = (FEW_ROWS, 32, 512, MANY_ROWS)  # a token, a verification, two audio contexts
IDLE_S: Final = 6.0  # the driver suspends after 5
LOAD_S: Final = 3.0  # long enough for the driver to change the clock, and short enough to wait for
AFTER_IDLE: Final = "dispatch, after 6 s"
UNDER_LOAD: Final = f"{operator_figure('GemmInt8', MANY_ROWS)}, after {LOAD_S:g} s of load"
NOT_MEASURED: Final = {
    "clock": "pyxrt tells the highest clock only; the product under load shows by how much the device slows down",
    "switch of configuration": "the engine's program is one configuration, so there is nothing to change to",
    "power": "neither pyxrt nor the driver tells it",
}


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

    def memory(self) -> Figure:
        """Time a copy in the device's memory in long bursts; both directions count."""
        rows = COPY_BYTES // COPY_ROW_BYTES
        pitch = COPY_ROW_BYTES
        copy = self.stream(CopyRows(Region(SCRATCH, 0), Region(CACHE, 0), rows, pitch, pitch, pitch))
        return self.timed(MEMORY_COPY, lambda: self.dispatch(copy), 2 * COPY_BYTES)

    def under_load(self, load_s: float) -> Figure:
        """Time the largest product again when the array has multiplied for a while without a pause."""
        operator, macs = next(pair for pair in _layer(ROWS[-1]) if isinstance(pair[0], GemmInt8))
        stream, clock = self.stream(operator), self._runtime.clock
        end_s = clock.monotonic() + load_s
        while clock.monotonic() < end_s:
            self.dispatch(stream)
        return self.timed(UNDER_LOAD, lambda: self.dispatch(stream), macs)

    def operators(self) -> Iterator[Figure]:
        """Time the operators of a layer of Whisper base on different numbers of rows, a dispatch each."""
        for rows in ROWS:
            for operator, macs in _layer(rows):
                stream = self.stream(operator)
                name = operator_figure(_name_of(operator), rows)
                yield self.timed(name, lambda stream=stream: self.dispatch(stream), macs)  # type: ignore[misc]


def _layer(rows: int) -> Iterator[tuple[Operator, int]]:
    a, scales, dst = Region(SCRATCH, 0), Region(SCRATCH, 8 << 20), Region(OUTPUT, 0)
    weight, more = Region(WEIGHTS, 0), Region(WEIGHTS, 8 << 20)
    yield LayerNorm(a, dst, more, more, rows, WIDTH), 0
    yield QuantiseRows(a, dst, scales, rows, WIDTH), 0
    macs = rows * WIDTH * FFN
    product = GemmInt8(a, scales, weight, more, more, dst, rows, WIDTH, FFN)
    yield product, macs
    yield replace(product, epilogue=Epilogue(gelu=True)), macs
    yield GemmBf16(a, weight, more, dst, rows, WIDTH, FFN), macs
    keys = (Region(CACHE, 0), Region(CACHE, 4 << 20))
    macs = 2 * rows * ROWS[-1] * WIDTH
    yield Attention(a, *keys, dst, rows, ROWS[-1], HEADS, HEAD_SIZE, False, 0, HEAD_SIZE**-0.5), macs


def _name_of(operator: Operator) -> str:
    is_gelu = isinstance(operator, GemmInt8) and operator.epilogue.gelu
    return GELU if is_gelu else type(operator).__name__


def measure(
    runtime: XrtRuntime, rounds: int, idle: Callable[[float], object], load_s: float | None = None
) -> list[Figure]:
    """Take all figures of a device.

    Args:
        runtime: of the device.
        rounds: runs of each figure.
        idle: lets so many seconds pass.
        load_s: seconds of work before the product is timed again; None: it is not.

    """
    bench = Bench(runtime, rounds)
    nop = bench.stream(Nop())
    figures = [bench.timed(WARM_DISPATCH, lambda: bench.dispatch(nop))]
    idle(IDLE_S)
    figures.append(Figure(AFTER_IDLE, Spread.of([bench.elapsed_us(lambda: bench.dispatch(nop))])))
    figures += [*bench.transfers(), bench.memory(), *bench.operators()]
    return figures if load_s is None else [*figures, bench.under_load(load_s)]


def cycles(architecture: Architecture, figures: Sequence[Figure]) -> dict[str, float]:
    """Return the cycles of a core for an element of what is no product; none where the figures say nothing of them."""
    spreads = {figure.name: asdict(figure.us) for figure in figures}
    try:
        return cycles_per_element(architecture, spreads)
    except (KeyError, ValueError):  # a device so slow to start that an operator is lost in it
        return {}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `amanuensis bench device` and `amanuensis kernels bench`."""
    parser.add_argument("--device", choices=("npu", "sim"), default="npu", help="what to time (default: npu)")
    parser.add_argument("--rounds", type=int, default=20, metavar="N", help="runs of each (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Measure, print, and keep the calibration of a real NPU."""
    runtime = open_runtime(args.device)
    figures = measure(runtime, args.rounds, _idle(args.device), LOAD_S if args.device == "npu" else None)
    timing: Timing = "measured" if args.device == "npu" else "modelled"
    unknown = NOT_MEASURED | ({} if args.device == "npu" else {UNDER_LOAD: "a simulation does not tire"})
    elements = cycles(runtime.architecture, figures)
    facts = {
        "timing": timing,
        "device": args.device,
        "hardware": runtime.hardware,
        "architecture": runtime.architecture,
        "figures": [asdict(figure) for figure in figures],
        "cycles_per_element": elements,
        "not_measured": unknown,
    }
    head = replace(header("none: operators alone", threads=1), device=f"{args.device}: {runtime.hardware}")
    lines = [f"{runtime.hardware} ({runtime.architecture}), all times {timing}", *map(str, figures)]
    lines += [f"{name + ', an element':28} {value:.3g} cycles of a core" for name, value in elements.items()]
    lines += [f"{name}: not measured: {why}" for name, why in unknown.items()]
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
