"""What a second node brings: real Ray nodes on this machine, each pinned to a core of its own, one against two.

The daemon and its clients have no core for themselves, so two nodes are further from twice one than two machines are.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from dataclasses import asdict, dataclass
from typing import Final

import soundfile

from amanuensis.benchmarks.common import header, report
from amanuensis.benchmarks.daemon_run import COMMAND, UNLIMITED, DaemonFailedError, running_daemon
from amanuensis.benchmarks.density import Load, add_search_arguments, one_load, readable, search
from amanuensis.benchmarks.latency import warm
from amanuensis.benchmarks.model_choice import add_model_arguments, chosen_model
from amanuensis.benchmarks.network_nodes import NetworkNodes, network_nodes
from amanuensis.benchmarks.sound import SAMPLE_RATE, conversation

LIBRARIES: Final = ("ray", "numpy", "onnxruntime", "websockets")
NAMES: Final = ("one", "two")
LOOK_S: Final = 0.2
HOSTS_LEAVE_S: Final = 15.0  # their CPUs are free then


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
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    folder = chosen_model(args.model)
    head = header(folder.name, 1, LIBRARIES)
    found: list[Nodes] = []
    with network_nodes() as nodes:
        for core, name in enumerate(NAMES):
            nodes.add(name, str(sorted(os.sched_getaffinity(0))[core]), {"RAY_worker_niceness": "0"})
            found.append(asyncio.run(_carried(nodes, core + 1, str(folder), args)))
    one, two = found
    gain, archive_gain = two.carried / max(1, one.carried), two.archive_x / one.archive_x
    lines = [
        f"nodes in {nodes.kind}, a core each; the daemon and its clients, whose CPU is told, on the same two cores"
    ]
    for it in found:
        heard = f"an archive is heard {it.archive_x:.1f} times as fast as it was spoken"
        lines += ["", f"{it.nodes} of them:", *readable(it.loads, it.carried), heard]
    lines += ["", f"two nodes carry {gain:.2f} times the streams of one: efficiency {gain / len(NAMES):.0%}"]
    lines += [f"two nodes hear {archive_gain:.2f} times as much of an archive: {archive_gain / len(NAMES):.0%}"]
    efficiency = {"live": round(gain / len(NAMES), 3), "archive": round(archive_gain / len(NAMES), 3)}
    figures = {"kind": nodes.kind, "nodes": [asdict(it) for it in found], "efficiency": efficiency}
    report(head, {"cluster_scaling": figures}, lines, as_json=args.json)
    return 0


async def _carried(nodes: NetworkNodes, count: int, model: str, args: argparse.Namespace) -> Nodes:
    """Find out how many live streams so many nodes carry, through the real daemon."""
    env = UNLIMITED | {
        "AMANUENSIS_ENGINE_BACKEND": "ray",
        "AMANUENSIS_CLUSTER_ADDRESS": nodes.address,
        "AMANUENSIS_CLUSTER_CAPACITY": str(args.most),  # nobody is refused: what is carried is to be found out
    }
    async with running_daemon(model, 1, env) as daemon:
        while daemon.metric("amanuensis_node_up") < count:
            await asyncio.sleep(LOOK_S)
        await warm(daemon)
        loads = await search(lambda n: one_load(daemon, n, args.seconds), args.first, args.most, args.step)
    await asyncio.sleep(HOSTS_LEAVE_S)
    carried = max((load.streams for load in loads if load.keeps_up), default=0)
    return Nodes(count, carried, tuple(loads), await _archive_x(nodes, model, args.files))


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
