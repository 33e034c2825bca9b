"""What a window costs more through Ray than through the engine of this machine: both in one run, in turn.

A cluster must be there whose only node is this machine (`ray start --head`). Each window is decoded by both engines in
each round; what the engine itself took is told by its answer, so that the way there and back is what remains.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

from amanuensis.benchmarks.common import Spread, header, report
from amanuensis.npu.calibration_sound import demo_windows
from amanuensis.npu.engine.api import Engine, EngineConfig
from amanuensis.npu.engine.process import start_engine
from amanuensis.npu.store import resolve
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.npu.window import WindowJob

LENGTHS_S: Final = (2.0, 6.0, 12.0)
LIBRARIES: Final = ("ray", "numpy", "onnxruntime")


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
    figures = asyncio.run(measure(args))
    lines = [
        f"{length}  {engine:>5}: wall {spreads['wall_ms']} ms, of these on the way {spreads['way_ms']} ms"
        for length, engines in figures.items()
        for engine, spreads in engines.items()
    ]
    plain = {
        length: {engine: {name: asdict(it) for name, it in spreads.items()} for engine, spreads in engines.items()}
        for length, engines in figures.items()
    }
    report(head, plain, lines, as_json=args.json)
    return 0


async def measure(args: argparse.Namespace) -> dict[str, dict[str, dict[str, Spread]]]:
    """Return spreads by length of the window, engine and figure."""
    from amanuensis.daemon.cluster.engine import start_ray_engine

    folder = resolve(args.model)
    config = EngineConfig(folder, "cpu", args.threads)
    local = await start_engine(config)
    try:
        ray = await start_ray_engine(config, args.address)
        try:
            (window,) = demo_windows(Tokenizer(folder), local.info.n_mels, slice(0, 1))
            jobs = {f"{s:4.1f} s": WindowJob(window.features[:, : round(100 * s)]) for s in LENGTHS_S}
            return {
                length: await compare({"local": local, "ray": ray}, job, args.rounds) for length, job in jobs.items()
            }
        finally:
            await ray.aclose()
    finally:
        await local.aclose()


async def compare(engines: dict[str, Engine], job: WindowJob, rounds: int) -> dict[str, dict[str, Spread]]:
    """Decode a window by each engine in turn, one round to warm up."""
    streams = {name: engine.open_stream() for name, engine in engines.items()}
    answers: dict[str, list[Answered]] = {name: [] for name in engines}
    for _ in range(rounds + 1):
        for name, engine in engines.items():
            answers[name].append(await ask(engine, streams[name], job))
    for name, engine in engines.items():
        engine.close_stream(streams[name])
    return {name: spreads(some[1:]) for name, some in answers.items()}


async def ask(engine: Engine, stream: int, job: WindowJob) -> Answered:
    """Decode a window."""
    start_s = time.perf_counter()
    result = await engine.decode(stream, job, time.monotonic())
    wall_ms = 1e3 * (time.perf_counter() - start_s)
    return Answered(wall_ms, wall_ms - result.encode_ms - result.decode_ms)


def spreads(answers: Sequence[Answered]) -> dict[str, Spread]:
    """Return both figures of some answers."""
    return {name: Spread.of([asdict(answer)[name] for answer in answers]) for name in ("wall_ms", "way_ms")}
