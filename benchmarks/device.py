"""What the cost model has to know of an NPU: dispatches, changes, memory, transfers and operators, timed on the device.

`amanuensis bench device` and `amanuensis kernels bench` are the same. On a device with compiled programs these are
launches of them; what cannot be shown is told with the reason.

On the simulated NPU the same figures are the model's own, or those of simulated programs; they are printed as modelled
and calibrate nothing.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from amanuensis.benchmarks.common import Spread, header, report
from amanuensis.daemon.commands.common import bounded_int
from amanuensis.kernels.cost.measured import (
    CONFIGURATIONS,
    MANY_ROWS,
    WARM_DISPATCH,
    calibration_path,
    changed_figure,
    cycles_per_element,
    operator_figure,
    warm_figure,
)
from amanuensis.kernels.operands import PARAMETERS_BYTES
from amanuensis.kernels.program import Architecture
from amanuensis.npu.atomic import whole_or_nothing
from amanuensis.npu.devices.xrt import timed
from amanuensis.npu.devices.xrt.opening import open_runtime
from amanuensis.npu.devices.xrt.programs import told
from amanuensis.npu.devices.xrt.runner import Prepared, runner_of
from amanuensis.npu.devices.xrt.runtime import DATA_KINDS, LINE_BYTES, MAX_OUTSTANDING, Pending, XrtRuntime
from amanuensis.npu.devices.xrt.timed import BUFFER_BYTES, Timed
from amanuensis.npu.window import Timing

INPUT, OUTPUT = 3, 4
TRANSFER_BYTES: Final = 8 << 20
ROWS: Final = timed.ROWS
MOST_ROUNDS: Final = 10_000
ROUNDS: Final = {"npu": 20, "sim": 3}
SMALL_ROUNDS: Final = 5  # of what takes hardly longer than its start, for each round of the rest
IDLE_S: Final = 6.0  # the driver suspends after 5
LOAD_S: Final = 3.0  # long enough for the driver to change the clock, and short enough to wait for
QUEUED: Final = f"dispatch, {MAX_OUTSTANDING} behind one another"
AFTER_IDLE: Final = "dispatch, after 6 s"
UNDER_LOAD: Final = f"{operator_figure('GemmInt8', MANY_ROWS)}, after {LOAD_S:g} s of load"
CYCLES: Final = "cycles of a core for an element"
CHANGES: Final = "changes of configuration"
NOT_MEASURED: Final = {
    "clock": "pyxrt tells the highest clock only; the product under load shows by how much the device slows down",
    "power": "neither pyxrt nor the driver tells it",
}
# What the engine goes to and fro between: an encoding between two, a step and its choice between two.
PAIRS: Final = (CONFIGURATIONS[:2], CONFIGURATIONS[2:])


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
        return f"{self.name:40} {self.us} us{rate}"


class Bench:
    """A device with five buffers and streams to time; see `amanuensis.npu.devices.xrt.timed` for what is timed."""

    def __init__(self, runtime: XrtRuntime, rounds: int) -> None:
        self._runtime = runtime
        self._rounds = rounds
        self._runner = runner_of(runtime)
        self._buffers = tuple(runtime.allocate(None, BUFFER_BYTES, kind) for kind in DATA_KINDS)
        self._given = np.zeros(PARAMETERS_BYTES // 4, np.int32)
        for buffer in self._buffers:
            runtime.write(buffer, np.zeros(BUFFER_BYTES, np.uint8))

    def stream(self, what: Timed) -> Prepared:
        """Make a stream."""
        return self._runner.prepare(what.operators, what.part)

    def start(self, stream: Prepared) -> Pending:
        """Start a stream, which is one dispatch."""
        pending = self._runner.start(stream, self._given, self._buffers)
        assert pending is not None
        return pending

    def dispatch(self, stream: Prepared) -> None:
        """Do a dispatch."""
        self._runtime.wait(self.start(stream))

    def elapsed_us(self, work: Callable[[], object]) -> float:
        """Return how long something takes on the device's clock."""
        before_s = self._runtime.clock.monotonic()
        work()
        return 1e6 * (self._runtime.clock.monotonic() - before_s)

    def timed(self, name: str, work: Callable[[], object], amount: int = 0, *, rounds: int = 1) -> Figure:
        """Time something once cold, which does not count, and some rounds warm."""
        work()
        return Figure(name, Spread.of([self.elapsed_us(work) for _ in range(self._rounds * rounds)]), amount)

    def dispatched(self, what: Timed, *, rounds: int = 1, name: str = "") -> Figure:
        """Time a dispatch that is waited for."""
        stream = self.stream(what)
        return self.timed(name or what.name, lambda: self.dispatch(stream), what.amount, rounds=rounds)

    def starts(self, idle: Callable[[float], object]) -> Iterator[Figure]:
        """Time what a dispatch costs: warm, after a pause, behind others, and each launch more in it."""
        least = timed.small("decoder")
        yield self.dispatched(least, rounds=SMALL_ROUNDS, name=WARM_DISPATCH)
        streams = [self.stream(least) for _ in range(MAX_OUTSTANDING)]
        idle(IDLE_S)
        yield Figure(AFTER_IDLE, Spread.of([self.elapsed_us(lambda: self.dispatch(streams[0]))]))
        yield self.timed(QUEUED, lambda: self._queued(streams), rounds=SMALL_ROUNDS)
        yield self.dispatched(timed.chained(), rounds=SMALL_ROUNDS)

    def _queued(self, streams: Sequence[Prepared]) -> None:
        for pending in [self.start(stream) for stream in streams]:
            self._runtime.wait(pending)

    def changes(self) -> Iterator[Figure]:
        """Time the least dispatch of each configuration, after itself and after the other one of its pair."""
        for pair in PAIRS:
            streams = {name: self.stream(timed.small(name)) for name in pair}
            for name in pair:
                yield self.dispatched(timed.small(name), rounds=SMALL_ROUNDS, name=warm_figure(name))
            spent: dict[str, list[float]] = {name: [] for name in pair}
            for name in islice(cycle(pair), len(pair) * self._rounds * SMALL_ROUNDS + 1):
                spent[name].append(self.elapsed_us(partial(self.dispatch, streams[name])))
            spent[pair[0]].pop(0)  # not all of the pair came before it
            yield from (Figure(changed_figure(name), Spread.of(spent[name])) for name in pair)

    def transfers(self) -> Iterator[Figure]:
        """Time both directions of the bus: a line, and a lot."""
        to, back, runtime = self._buffers[INPUT], self._buffers[OUTPUT], self._runtime
        for what, n_bytes, rounds in (("a line", LINE_BYTES, SMALL_ROUNDS), ("8 MiB", TRANSFER_BYTES, 1)):
            data, size = np.zeros(n_bytes, np.uint8), (n_bytes,)
            write, read = partial(runtime.write, to, data), partial(runtime.read, back, size, np.uint8)
            yield self.timed(f"{what} to the device", write, n_bytes, rounds=rounds)
            yield self.timed(f"{what} from the device", read, n_bytes, rounds=rounds)

    def under_load(self, load_s: float) -> Figure:
        """Time the largest product again when the array has multiplied for a while without a pause."""
        name = operator_figure("GemmInt8", ROWS[-1])
        product = next(each for each in timed.layer(ROWS[-1]) if each.name == name)
        stream, clock = self.stream(product), self._runtime.clock
        end_s = clock.monotonic() + load_s
        while clock.monotonic() < end_s:
            self.dispatch(stream)
        return self.timed(UNDER_LOAD, lambda: self.dispatch(stream), product.amount)

    def operators(self) -> Iterator[Figure]:
        """Time the operators of a layer of Whisper base on different numbers of rows, a dispatch each."""
        for rows in ROWS:
            yield from map(self.dispatched, timed.layer(rows))


def measure(
    runtime: XrtRuntime, rounds: int, idle: Callable[[float], object], load_s: float | None = None
) -> list[Figure]:
    """Take all figures of a device.

    Args:
        runtime: of the device.
        rounds: runs of each figure.
        idle: lets so many seconds pass.
        load_s: seconds of work before the product is timed again; None: it is not.

    Raises:
        ProgramError: the device's programs are of an older version, or damaged.
        DeviceError: it fails.

    """
    bench = Bench(runtime, rounds)
    figures = [*bench.starts(idle)]
    if runtime.package is not None:
        figures += bench.changes()
    figures += [*bench.transfers(), bench.dispatched(timed.memory_copy()), *bench.operators()]
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
    parser.add_argument(
        "--rounds",
        type=bounded_int("rounds", 1, MOST_ROUNDS),
        metavar="N",
        help=f"runs of each (default: {ROUNDS['npu']}, {ROUNDS['sim']} of a simulation)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="keep the figures there (default: of an NPU, where the plan looks)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Measure, print, and keep the calibration of a real NPU."""
    runtime, real = open_runtime(args.device), args.device == "npu"
    try:
        rounds = args.rounds or ROUNDS[args.device]
        figures = measure(runtime, rounds, _idle(args.device), LOAD_S if real else None)
    finally:
        runtime.close()
    facts = facts_of(runtime, figures)
    head = replace(header("none: operators alone", threads=1), device=f"{args.device}: {runtime.hardware}")
    path = args.out or (calibration_path(runtime.architecture) if real else None)
    lines = list(_lines(facts, figures))
    if path is not None:
        with whole_or_nothing(path) as part:
            part.write_text(json.dumps(facts | {"header": asdict(head)}, indent=1) + "\n")
        lines.append(f"calibration: {path}" if real else f"modelled figures, which calibrate nothing: {path}")
    report(head, facts, lines, as_json=args.json)
    return 0


def facts_of(runtime: XrtRuntime, figures: Sequence[Figure]) -> dict[str, Any]:
    """Return what is printed and kept, for programs."""
    timing: Timing = "measured" if runtime.device_name == "npu" else "modelled"
    unknown = NOT_MEASURED | ({} if timing == "measured" else {UNDER_LOAD: "a simulation does not tire"})
    target = runtime.package.manifest.target if runtime.package else None
    elements = cycles(runtime.architecture, figures)
    if target == "sim":
        elements = {}
        unknown |= {CYCLES: "simulated programs take time for streams and memory alone"}
    if target is None:
        unknown |= {CHANGES: "operators one by one are one configuration: there is nothing to change to"}
    return {
        "timing": timing,
        "device": runtime.device_name,
        "hardware": runtime.hardware,
        "architecture": runtime.architecture,
        "programs": told(runtime.package),
        "figures": [asdict(figure) for figure in figures],
        "cycles_per_element": elements,
        "not_measured": unknown,
    }


def _lines(facts: Mapping[str, Any], figures: Sequence[Figure]) -> Iterator[str]:
    yield f"{facts['hardware']} ({facts['architecture']}), {facts['programs']}, all times {facts['timing']}"
    yield from map(str, figures)
    for name, value in facts["cycles_per_element"].items():
        yield f"{name + ', an element':40} {value:.3g} cycles of a core"
    yield from (f"{name}: not measured: {why}" for name, why in facts["not_measured"].items())


def _idle(device: Literal["npu", "sim"]) -> Callable[[float], object]:
    if device == "npu":
        return time.sleep
    from amanuensis.npu import pyxrt_emulator

    return pyxrt_emulator.clock().sleep
