"""What more nodes bring: real Ray nodes on this machine, one against two with a core each, beside the simulation.

The daemon, its clients and Ray's head have no core for themselves. So that they are not in the way of more nodes more
than of fewer, a node gets a share of its core, where control groups are permitted, and leaves the rest to them.
Each load is simulated too (`cluster_twin`), with windows timed on the first node in the same run; so are a node that is
cut off, one that is killed, and four nodes on the two cores.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import soundfile

from amanuensis.benchmarks.cluster_twin import Case, Comparison, Struck, table
from amanuensis.benchmarks.common import header, report
from amanuensis.benchmarks.cpu_share import shares_work
from amanuensis.benchmarks.daemon_run import COMMAND, UNLIMITED, DaemonFailedError, DaemonRun, running_daemon
from amanuensis.benchmarks.density import Load, add_search_arguments, one_load, readable, search
from amanuensis.benchmarks.latency import warm
from amanuensis.benchmarks.model_choice import add_model_arguments, chosen_model
from amanuensis.benchmarks.network_nodes import NetworkNodes, network_nodes
from amanuensis.benchmarks.scale import timed
from amanuensis.benchmarks.scale_plan import Service
from amanuensis.benchmarks.sound import SAMPLE_RATE, conversation
from amanuensis.npu.engine.api import EngineConfig

LIBRARIES: Final = ("ray", "numpy", "onnxruntime", "websockets")
NAMES: Final = ("one", "two", "three", "four")
SCALED: Final = 2  # nodes that have a core each
QUICK: Final = {"RAY_worker_niceness": "0"}
LOOK_S: Final = 0.2
HOSTS_LEAVE_S: Final = 15.0  # their CPUs are free then
STRUCK: Final = 5 / 12  # of a run, once it has settled
CUT_S: Final = 7.0  # longer than it takes until a host is given up
SILENT_S: Final = 5.0  # until then, where its connections stay open
BREAKS_S: Final = 0.1  # where they break with it


@dataclass(frozen=True, slots=True)
class Nodes:
    """What so many nodes carried.

    Attributes:
        carried: streams that keep up, as `amanuensis bench density` counts them.
        loads: that were tried.
        archive_x: seconds of sound that an archive run heard in a second, its start included.

    """

    nodes: int
    carried: int
    loads: tuple[Load, ...]
    archive_x: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `amanuensis bench cluster-scaling`."""
    add_model_arguments(parser)
    add_search_arguments(parser, most=64)
    parser.add_argument("--files", type=int, default=60, metavar="N", help="of the archive, 53 s each (default: 60)")
    parser.add_argument("--troubled", type=int, default=8, metavar="N", help="streams that lose a node (default: 8)")
    parser.add_argument(
        "--share", type=float, default=0.4, metavar="X", help="of its core that a node may use (default: 0.4; 1: all)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    folder = chosen_model(args.model)
    head = header(folder.name, 1, LIBRARIES)
    found: list[Nodes] = []
    share = args.share if args.share < 1 and shares_work() else 0.0
    with network_nodes() as nodes:
        _add(nodes, 0, share)
        service, way_s = asyncio.run(_timed(nodes, folder))
        found.append(asyncio.run(_carried(nodes, 1, str(folder), args)))
        _add(nodes, 1, share)
        found.append(asyncio.run(_carried(nodes, SCALED, str(folder), args)))
        compare = Comparison(service, way_s, args.seconds)
        cases = [compare.case(it.nodes, load) for it in found for load in it.loads]
        cases += asyncio.run(_troubled(nodes, str(folder), compare, args.troubled))
        for number in range(SCALED, len(NAMES)):
            _add(nodes, number, share / 2)
        cases.append(asyncio.run(_four(nodes, str(folder), compare, args.troubled)))
    one, two = found
    gain, archive_gain = two.carried / max(1, one.carried), two.archive_x / one.archive_x
    each = f"{share:g} of a core" if share else "a core"
    lines = [f"nodes in {nodes.kind}, {each} each; daemon and clients, whose CPU is told, on the same two cores"]
    for it in found:
        heard = f"an archive is heard {it.archive_x:.1f} times as fast as it was spoken"
        lines += ["", f"{it.nodes} of them:", *readable(it.loads, it.carried), heard]
    lines += ["", f"two nodes carry {gain:.2f} times the streams of one: efficiency {gain / SCALED:.0%}"]
    lines += [f"two nodes hear {archive_gain:.2f} times as much of an archive: {archive_gain / SCALED:.0%}"]
    lines += ["", f"beside the simulation, with windows timed at one node and a way of {1000 * way_s:.1f} ms:"]
    lines += ["", *table(cases)]
    efficiency = {"live": round(gain / SCALED, 3), "archive": round(archive_gain / SCALED, 3)}
    figures = {
        "kind": nodes.kind,
        "share": share,
        "nodes": [asdict(it) for it in found],
        "efficiency": efficiency,
        "service": asdict(service),
        "way_s": way_s,
        "cases": [asdict(case) for case in cases],
    }
    report(head, {"cluster_scaling": figures}, lines, as_json=args.json)
    return 0


def _add(nodes: NetworkNodes, number: int, share: float) -> None:
    """Start a node that may use a share of its core (0: all); two and two are on the same."""
    cores = sorted(os.sched_getaffinity(0))
    nodes.add(NAMES[number], str(cores[number % SCALED]), QUICK, share=share)


async def _timed(nodes: NetworkNodes, folder: Path) -> tuple[Service, float]:
    """Time windows at the only node; return also the seconds of the way there and back."""
    from amanuensis.daemon.cluster.engine import start_ray_engine
    from amanuensis.daemon.cluster.runtime import disconnect

    engine = await start_ray_engine(EngineConfig(folder, "cpu", 1), nodes.address)
    try:
        found = await timed(engine, folder)
    finally:
        await engine.aclose()
        await asyncio.to_thread(disconnect)
    await asyncio.sleep(HOSTS_LEAVE_S)
    return found


def _environment(nodes: NetworkNodes, capacity: int) -> dict[str, str]:
    return UNLIMITED | {
        "AMANUENSIS_ENGINE_BACKEND": "ray",
        "AMANUENSIS_CLUSTER_ADDRESS": nodes.address,
        "AMANUENSIS_CLUSTER_CAPACITY": str(capacity),  # nobody is refused: what is carried is to be found out
    }


async def _all_up(daemon: DaemonRun, count: int) -> None:
    while await asyncio.to_thread(daemon.metric, "amanuensis_node_up") < count:
        await asyncio.sleep(LOOK_S)


async def _carried(nodes: NetworkNodes, count: int, model: str, args: argparse.Namespace) -> Nodes:
    """Find out how many live streams so many nodes carry, through the real daemon."""
    async with running_daemon(model, 1, _environment(nodes, args.most)) as daemon:
        await _all_up(daemon, count)
        await warm(daemon)
        loads = await search(lambda n: one_load(daemon, n, args.seconds), args.first, args.most, args.step)
    await asyncio.sleep(HOSTS_LEAVE_S)
    carried = max((load.streams for load in loads if load.keeps_up), default=0)
    return Nodes(count, carried, tuple(loads), await _archive_x(nodes, model, args.files))


async def _troubled(nodes: NetworkNodes, model: str, compare: Comparison, streams: int) -> list[Case]:
    """Let one of two nodes be cut off, if that is possible here, and killed, while streams speak."""
    cases, name, struck_s = [], NAMES[SCALED - 1], STRUCK * compare.seconds
    async with running_daemon(model, 1, _environment(nodes, streams)) as daemon:
        if nodes.kind == "namespaces":
            load = await _struck(daemon, streams, compare.seconds, lambda: _cut(nodes, name))
            cases.append(compare.case(SCALED, load, Struck("one is cut off", struck_s, CUT_S, SILENT_S)))
            await asyncio.to_thread(nodes.kill, name)  # Ray may have ended it, or not
            await asyncio.to_thread(nodes.start_again, name)
        load = await _struck(daemon, streams, compare.seconds, lambda: asyncio.to_thread(nodes.kill, name))
        cases.append(compare.case(SCALED, load, Struck("one is killed", struck_s, compare.seconds, BREAKS_S)))
    await asyncio.to_thread(nodes.start_again, name)
    return cases


async def _cut(nodes: NetworkNodes, name: str) -> None:
    nodes.cut(name)
    await asyncio.sleep(CUT_S)
    nodes.heal(name)


async def _struck(daemon: DaemonRun, streams: int, seconds: float, strike: Callable[[], Awaitable[None]]) -> Load:
    """Let streams speak to two nodes, and something befall them amid that."""
    await _all_up(daemon, SCALED)
    await warm(daemon)
    async with asyncio.TaskGroup() as tasks:
        load = tasks.create_task(one_load(daemon, streams, seconds))
        await asyncio.sleep(STRUCK * seconds)
        await strike()
    return load.result()


async def _four(nodes: NetworkNodes, model: str, compare: Comparison, streams: int) -> Case:
    """Let streams speak to four nodes, which share the cores two and two."""
    async with running_daemon(model, 1, _environment(nodes, streams)) as daemon:
        await _all_up(daemon, len(NAMES))
        await warm(daemon)
        return compare.case(len(NAMES), await one_load(daemon, streams, compare.seconds))


async def _archive_x(nodes: NetworkNodes, model: str, n_files: int) -> float:
    """Hear an archive on all nodes; return how many seconds of it a second."""
    with tempfile.TemporaryDirectory(prefix="amanuensis-bench-") as folder:
        sound = conversation()
        for number in range(n_files):
            soundfile.write(f"{folder}/{number:03d}.flac", sound, SAMPLE_RATE)
        words = ["archive", "run", folder, "-o", f"{folder}/out", "--engine", "ray", "--model", model, "--threads", "1"]
        env = {**os.environ, "AMANUENSIS_CLUSTER_ADDRESS": nodes.address, "XDG_CONFIG_HOME": folder}
        begin_s = time.perf_counter()
        process = await asyncio.create_subprocess_exec(*COMMAND, *words, stdout=asyncio.subprocess.DEVNULL, env=env)
        if await process.wait() != 0:
            raise DaemonFailedError("the archive was not heard")
        return n_files * len(sound) / SAMPLE_RATE / (time.perf_counter() - begin_s)
