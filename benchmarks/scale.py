"""What a cluster of many nodes would do: simulated from how long windows take here, and labelled so.

Windows of the bundled speech are timed on this machine, as live ticks ask for them. Then clusters of these nodes are
simulated (`scale_model`): full but for a margin, with nodes that die, with a rush of sessions.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from amanuensis.benchmarks.cluster_overhead import ask
from amanuensis.benchmarks.common import header, report
from amanuensis.benchmarks.model_choice import add_model_arguments, chosen_model
from amanuensis.benchmarks.scale_model import simulate
from amanuensis.benchmarks.scale_plan import Outcome, Plan, Service, Trouble
from amanuensis.npu.calibration_sound import demo_windows
from amanuensis.npu.engine.api import Engine, EngineConfig
from amanuensis.npu.engine.process import start_engine
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.npu.window import WindowJob

NODES: Final = (1, 2, 4, 8, 16, 50, 100, 200)
WINDOWS_S: Final = (1.0, 2.0, 3.0, 4.0, 6.0)
ROUNDS: Final = 12
NEW_TOKENS: Final = 3  # of a tick: half a second of speech
STREAMS_A_FRONT: Final = 400
DEAD: Final = 0.1  # of the nodes, at least one where there are two
RUSH: Final = 0.3  # of the sessions, on top
TROUBLE_S: Final = 20.0  # it begins then, and lasts so long


@dataclass(frozen=True, slots=True)
class Row:
    """One simulated cluster; lags in seconds."""

    case: str
    nodes: int
    fronts: int
    sessions: int
    carried: int
    refused: int
    lag_p50_s: float
    lag_p95_s: float
    lag_p99_s: float
    lag_max_s: float
    final_p50_s: float
    final_p95_s: float
    moved: int
    given_up: int
    busy: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `amanuensis bench scale`."""
    add_model_arguments(parser)
    parser.add_argument("--nodes", type=int, nargs="+", default=NODES, metavar="N", help="sizes of clusters")
    parser.add_argument("--seconds", type=float, default=60.0, metavar="S", help="simulated (default: 60)")
    parser.add_argument("--fill", type=float, default=0.8, metavar="X", help="sessions, of what is carried (0.8)")
    parser.add_argument("--share", type=float, default=0.9, metavar="X", help="of its time that a node works (0.9)")
    parser.add_argument("--network-ms", type=float, default=2.0, metavar="MS", help="to a node and back (2)")
    parser.add_argument("--service", metavar="FILE", help="times of windows, from `--json` of a run on another machine")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of what is drawn (default: 0)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Measure, simulate and print."""
    folder = chosen_model(args.model)
    head = header(folder.name, args.threads)
    service = _read(Path(args.service)) if args.service else asyncio.run(measured(folder, args.threads))
    rows = [row(case, plan) for n in args.nodes for case, plan in plans(service, n, args).items()]
    figures = {"service": asdict(service), "simulated": [asdict(one) for one in rows]}
    report(head, figures, [*_service_lines(service), "", *_lines(rows)], as_json=args.json)
    return 0


async def measured(folder: Path, threads: int) -> Service:
    """Time windows on this machine."""
    engine = await start_engine(EngineConfig(folder, threads=threads))
    try:
        return (await timed(engine, folder))[0]
    finally:
        await engine.aclose()


async def timed(engine: Engine, folder: Path) -> tuple[Service, float]:
    """Time windows of several lengths, as many at once as the engine takes; return also the seconds of the way.

    They are those of live ticks: all but the newest words are known, as a draft that is only verified.
    """
    workers = engine.info.batch
    (window,) = demo_windows(Tokenizer(folder), engine.info.n_mels, slice(0, 1))
    streams = [engine.open_stream() for _ in range(workers)]
    try:
        jobs = {length_s: WindowJob(window.features[:, : round(100 * length_s)]) for length_s in WINDOWS_S}
        for length_s, job in jobs.items():
            text = (await engine.decode(streams[0], job, time.monotonic())).tokens
            jobs[length_s] = replace(job, draft=tuple(text[:-NEW_TOKENS]))
        times: dict[float, list[float]] = {length_s: [] for length_s in WINDOWS_S}
        ways: list[float] = []
        for _ in range(1 + ROUNDS):
            for length_s, job in jobs.items():
                answers = await asyncio.gather(*(ask(engine, stream, job) for stream in streams))
                times[length_s] += [(it.wall_ms - it.way_ms) / 1000 for it in answers]
                ways += [it.way_ms / 1000 for it in answers]
    finally:
        for stream in streams:
            engine.close_stream(stream)
    warm = {length_s: all_s[workers:] for length_s, all_s in times.items()}  # the first round fills caches
    medians = {length_s: statistics.median(all_s) for length_s, all_s in warm.items()}
    factors = [took_s / medians[length_s] for length_s, all_s in warm.items() for took_s in all_s]
    return Service(tuple(medians), tuple(medians.values()), tuple(factors), workers), statistics.median(ways)


def plans(service: Service, n: int, args: argparse.Namespace) -> dict[str, Plan]:
    """Return what is simulated of a cluster of so many nodes."""
    sessions = max(1, round(args.fill * n * service.capacity(args.share)))
    steady = Plan(
        nodes=(service,) * n,
        sessions=sessions,
        fronts=-(-sessions // STREAMS_A_FRONT),
        seconds=args.seconds,
        share=args.share,
        network_s=args.network_ms / 1000,
        seed=args.seed,
    )
    found = {"steady": steady}
    if n > 1:
        deaths = Trouble(TROUBLE_S, "deaths", max(1, round(DEAD * n)), TROUBLE_S)
        found["a tenth dies" if n >= 10 else "one dies"] = replace(steady, troubles=(deaths,))
    rush = Trouble(TROUBLE_S, "spike", max(1, round(RUSH * sessions)), TROUBLE_S)
    found["a rush"] = replace(steady, troubles=(rush,))
    return found


def row(case: str, plan: Plan) -> Row:
    """Simulate one cluster."""
    outcome: Outcome = simulate(plan)
    p50, p95, p99 = (float(value) for value in np.percentile(outcome.ticks or [np.nan], (50, 95, 99)))
    final_p50, final_p95 = (float(value) for value in np.percentile(outcome.finals or [np.nan], (50, 95)))
    return Row(
        case=case,
        nodes=len(plan.nodes),
        fronts=plan.fronts,
        sessions=plan.sessions,
        carried=outcome.carried,
        refused=outcome.refused,
        lag_p50_s=p50,
        lag_p95_s=p95,
        lag_p99_s=p99,
        lag_max_s=max(outcome.ticks, default=float("nan")),
        final_p50_s=final_p50,
        final_p95_s=final_p95,
        moved=outcome.moved,
        given_up=outcome.given_up,
        busy=outcome.busy,
    )


def _read(path: Path) -> Service:
    found = json.loads(path.read_text(encoding="utf-8"))["service"]
    values: dict[str, Any] = {name: tuple(it) if isinstance(it, list) else it for name, it in found.items()}
    return Service(**values)


def _service_lines(service: Service) -> list[str]:
    pairs = zip(service.window_s, service.took_s, strict=True)
    times = ", ".join(f"{1000 * took_s:.1f} ms for {window_s:g} s" for window_s, took_s in pairs)
    return [f"windows, {service.origin}: {times}; {service.workers} at once"]


def _lines(rows: Sequence[Row]) -> list[str]:
    """Return a Markdown table."""
    titles = ["simulated", "nodes", "fronts", "sessions", "refused", "lag P50 / P95 / P99 / most, s"]
    titles += ["final P50 / P95, s", "moved", "given up", "busy"]
    lines = ["| " + " | ".join(titles) + " |", "|" + " --- |" * len(titles)]
    for one in rows:
        lags = " / ".join(f"{value:.2f}" for value in (one.lag_p50_s, one.lag_p95_s, one.lag_p99_s, one.lag_max_s))
        finals = f"{one.final_p50_s:.2f} / {one.final_p95_s:.2f}"
        cells = (one.case, one.nodes, one.fronts, one.carried, one.refused, lags, finals, one.moved, one.given_up)
        lines.append("| " + " | ".join(map(str, cells)) + f" | {one.busy:.0%} |")
    return lines
