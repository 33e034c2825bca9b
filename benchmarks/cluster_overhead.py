"""What a window costs more through Ray than through the engine of this machine: both in one run, in turn.

A cluster must be there whose only node is this machine (`ray start --head`). Each window is decoded by both engines in
each round; what the engine itself took is told by its answer, so that the way there and back is what remains.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from amanuensis.benchmarks.common import header, report
from amanuensis.benchmarks.measures import Percentiles, three
from amanuensis.npu.calibration_sound import demo_windows
from amanuensis.npu.engine.api import Engine, EngineConfig
from amanuensis.npu.engine.process import start_engine
from amanuensis.npu.store import resolve
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.npu.window import WindowJob

LENGTHS_S: Final = (2.0, 6.0, 12.0)
LIBRARIES: Final = ("ray", "numpy", "onnxruntime")
Figures: TypeAlias = dict[str, float | int | None]


@dataclass(frozen=True, slots=True)
class Answered:
    """One window at one engine."""

    wall_ms: float  # from the question to the answer
    way_ms: float  # of these, all but encoding and decoding


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `amanuensis bench cluster`."""
    parser.add_argument("--model", metavar="NAME|PATH", help="model of both engines (default: the best installed)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="of each engine (default: %(default)s)")
    parser.add_argument("--address", default="auto", metavar="HOST:PORT", help="of the cluster (default: auto)")
    parser.add_argument("--rounds", type=int, default=30, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    head = header(args.model or "default", args.threads, LIBRARIES)
    found = asyncio.run(measure(args))
    lines = ["P50 / P95 / P99 in ms:"]
    for length, answers in found.items():
        lines += [f"{length}  {name:>24}: {three(figures)}" for name, figures in answers.items()]
    report(head, {"cluster_overhead": found}, lines, as_json=args.json)
    return 0


async def measure(args: argparse.Namespace) -> dict[str, dict[str, Figures]]:
    """Return what was measured, by length of the window."""
    from amanuensis.daemon.cluster.engine import start_ray_engine

    folder = resolve(args.model)
    config = EngineConfig(folder, "cpu", args.threads)
    local = await start_engine(config)
    try:
        ray = await start_ray_engine(config, args.address)
        try:
            (window,) = demo_windows(Tokenizer(folder), local.info.n_mels, slice(0, 1))
            jobs = {f"{s:4.1f} s": WindowJob(window.features[:, : round(100 * s)]) for s in LENGTHS_S}
            return {length: summary(*await in_turn((local, ray), job, args.rounds)) for length, job in jobs.items()}
        finally:
            await ray.aclose()
    finally:
        await local.aclose()


async def in_turn(engines: tuple[Engine, Engine], job: WindowJob, rounds: int) -> tuple[list[Answered], list[Answered]]:
    """Decode a window by each engine in turn, one round to warm up; return what each took."""
    streams = [engine.open_stream() for engine in engines]
    answers: tuple[list[Answered], list[Answered]] = ([], [])
    for _ in range(rounds + 1):
        for engine, stream, own in zip(engines, streams, answers, strict=True):
            own.append(await ask(engine, stream, job))
    for engine, stream in zip(engines, streams, strict=True):
        engine.close_stream(stream)
    return answers[0][1:], answers[1][1:]


async def ask(engine: Engine, stream: int, job: WindowJob) -> Answered:
    """Decode a window."""
    start_s = time.perf_counter()
    result = await engine.decode(stream, job, time.monotonic())
    wall_ms = 1e3 * (time.perf_counter() - start_s)
    return Answered(wall_ms, wall_ms - result.encode_ms - result.decode_ms)


def summary(local: Sequence[Answered], ray: Sequence[Answered]) -> dict[str, Figures]:
    """Return the figures of two engines that answered in turn, and what the second added in each round."""
    values = {
        "local, in all": [it.wall_ms for it in local],
        "local, on the way": [it.way_ms for it in local],
        "through Ray, in all": [it.wall_ms for it in ray],
        "through Ray, on the way": [it.way_ms for it in ray],
        "added on the way": [there.way_ms - here.way_ms for here, there in zip(local, ray, strict=True)],
    }
    return {name: Percentiles.of(some).figures() for name, some in values.items()}
