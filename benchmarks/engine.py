"""Where the time of the CPU back end goes, operator by operator, and how far it is from what this CPU can multiply.

The peak is that of the engine's own products: the fastest of some shapes, measured in the same run. At that speed all
multiply-adds of an encoding would take a time that no arrangement of the same arithmetic can beat; its share of the
time that the encoding takes is the efficiency.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime as ort

from amanuensis.benchmarks.common import Spread, header, interleaved, report, timed
from amanuensis.benchmarks.stream_cost import cache_folder, random_base
from amanuensis.npu.devices.cpu import CpuDecoder, CpuModel
from amanuensis.npu.devices.cpu_session import open_session
from amanuensis.npu.devices.cpu_tuning import Products
from amanuensis.npu.model_config import Dimensions
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.store import resolve
from amanuensis.npu.tuning import Arithmetic, Shape

ARITHMETICS: Final[tuple[Arithmetic, ...]] = ("int8", "float32")
DRAFT: Final = 16  # tokens of a verification
REPEATS: Final = 8  # of a product, timed as one, and profiled runs of each graph


@dataclass(frozen=True, slots=True)
class Efficiency:
    """An encoding against the peak.

    Attributes:
        peak_gops: multiplications and additions of the fastest run of the fastest product, 1e9 a second, by arithmetic.
        encode_ms: of the encoder.
        least_ms: of its multiply-adds, each at the peak of its arithmetic.
        share: least_ms over encode_ms.

    """

    peak_gops: dict[str, float]
    encode_ms: Spread
    least_ms: float
    share: float


def operations(dimensions: Dimensions, frames: int) -> dict[Arithmetic, float]:
    """Return multiplications and additions of the encoder in int8, by arithmetic, for encoder frames of 20 ms."""
    width, wide = dimensions.width, dimensions.encoder_ffn
    layer = frames * (4 * width * width + 2 * width * wide)
    attention = 2 * frames * frames * width
    convolutions = 2 * frames * 3 * dimensions.n_mels * width + frames * 3 * width * width
    return {
        "int8": 2.0 * dimensions.encoder_layers * layer,
        "float32": 2.0 * (dimensions.encoder_layers * attention + convolutions),
    }


def measure(files: ModelFiles, window_s: float, rounds: int) -> Efficiency:
    """Measure products and the int8 encoder in turn, one thread."""
    model = CpuModel(files, "int8", threads=1)
    frames, width, wide = round(50 * window_s), files.dimensions.width, files.dimensions.encoder_ffn
    shapes = [Shape(frames, width, wide), Shape(frames, wide, width), Shape(2 * frames, width, width)]
    features = np.random.default_rng(0).standard_normal((files.dimensions.n_mels, 2 * frames)).astype(np.float32)
    cases: dict[str, Callable[[], float]] = {"encoder": partial(_cpu_s, partial(model.encoder_states, features))}
    amounts: dict[str, tuple[Arithmetic, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        products = Products(Path(folder), files)
        for arithmetic in ARITHMETICS:
            for shape in shapes:
                name = f"{arithmetic} {shape}"
                cases[name] = partial(_warm_cpu_s, products.prepare(shape, arithmetic, 1))
                amounts[name] = (arithmetic, 2.0 * shape.rows * shape.columns * shape.outputs)
    seconds = interleaved(cases, rounds + 1)
    taken = {name: Spread.of(some[1:]) for name, some in seconds.items()}  # the first run warms up
    peak: dict[str, float] = {
        arithmetic: max(amount / taken[name].low for name, (kind, amount) in amounts.items() if kind == arithmetic)
        for arithmetic in ARITHMETICS
    }
    least_s = sum(amount / peak[arithmetic] for arithmetic, amount in operations(files.dimensions, frames).items())
    encode_ms = Spread.of([1e3 * each for each in seconds["encoder"][1:]])
    gops = {name: value / 1e9 for name, value in peak.items()}
    return Efficiency(gops, encode_ms, 1e3 * least_s, least_s / taken["encoder"].median)


def _cpu_s(work: Callable[[], object]) -> float:
    return timed(work).cpu_s


def _warm_cpu_s(work: Callable[[], object]) -> float:
    """Return what a run takes whose operands are in the cache."""
    work()
    return timed(lambda: [work() for _ in range(REPEATS)]).cpu_s / REPEATS


def profile(files: ModelFiles, window_s: float) -> dict[str, dict[str, float]]:
    """Return milliseconds by operator of an encoding, its keys and values, a verification and a token."""
    model = CpuModel(files, "int8", threads=1)
    frames = round(50 * window_s)
    random = np.random.default_rng(0)
    features = random.standard_normal((1, files.dimensions.n_mels, 2 * frames)).astype(np.float32)
    states = random.standard_normal((1, frames, files.dimensions.width)).astype(np.float32)
    encoding = model.encode(features[0])

    def decoder(session: ort.InferenceSession) -> CpuDecoder:
        return CpuDecoder(session, model.caches, model.steps, encoding, None)

    def step(session: ort.InferenceSession) -> Callable[[], object]:
        steps = decoder(session)

        def run() -> object:
            steps.truncate(DRAFT)
            return steps.step_logits([0])

        return run

    graphs: dict[str, tuple[str, Callable[[ort.InferenceSession], Callable[[], object]]]] = {
        "encoder": ("encoder", lambda session: partial(session.run, None, {"features": features})),
        "keys and values": ("cross", lambda session: partial(session.run, None, {"states": states})),
        f"{DRAFT} tokens": (
            "decoder",
            lambda session: lambda: decoder(session).forward_logits([0] * DRAFT, range(DRAFT - 5, DRAFT)),
        ),
        "one token": ("decoder", step),
    }
    return {name: _profiled(model.graphs / f"{graph}.onnx", prepare) for name, (graph, prepare) in graphs.items()}


def _profiled(path: Path, prepare: Callable[[ort.InferenceSession], Callable[[], object]]) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        session = open_session(path, 1, profile=Path(folder) / "profile")
        work = prepare(session)
        for _ in range(REPEATS + 1):
            work()
        events = json.loads(Path(session.end_profiling()).read_text())
    runs: defaultdict[str, list[float]] = defaultdict(list)  # microseconds of each node, run by run
    operators: dict[str, str] = {}
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            runs[event["name"]].append(event["dur"])
            operators[event["name"]] = event["args"]["op_name"]
    total: defaultdict[str, float] = defaultdict(float)
    for name, taken in runs.items():
        total[operators[name]] += Spread.of(taken[1:]).median / 1e3
    return dict(sorted(total.items(), key=lambda item: -item[1]))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `amanuensis bench engine`."""
    parser.add_argument("--model", metavar="NAME|PATH", help="model (default: random weights of Whisper base's shape)")
    parser.add_argument("--window", type=float, default=5.0, metavar="S", help="seconds of the window (default: 5)")
    parser.add_argument("--rounds", type=int, default=15, metavar="N", help="runs of each (default: 15)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    files = ModelFiles.load(resolve(args.model) if args.model else random_base(cache_folder() / "random-base"))
    head = header(f"{files.manifest.name}, int8", threads=1)
    efficiency = measure(files, args.window, args.rounds)
    operators = profile(files, args.window)
    facts = {"window_s": args.window, "efficiency": asdict(efficiency), "operators_ms": operators}
    report(head, facts, list(_lines(efficiency, operators)), as_json=args.json)
    return 0


def _lines(efficiency: Efficiency, operators: Mapping[str, Mapping[str, Any]]) -> list[str]:
    peaks = ", ".join(f"{name} {value:.0f}" for name, value in efficiency.peak_gops.items())
    encoder, least = efficiency.encode_ms, efficiency.least_ms
    lines = [
        f"peak of the engine's own products: {peaks} G operations a second",
        f"encoder {encoder} ms of CPU, {least:.1f} ms at the peak: {efficiency.share:.0%} of it",
    ]
    for name, taken in operators.items():
        total = sum(taken.values())
        parts = ", ".join(f"{op} {ms:.2f} ({ms / total:.0%})" for op, ms in taken.items() if ms >= 0.01 * total)
        lines.append(f"{name}, {total:.2f} ms: {parts}")
    return lines
