"""Counted streams spoken to two daemons that share sessions and compute on four Ray nodes, while parts of it all fail.

Nodes have networks and disks of their own (`benchmarks.network_nodes`). One failure at a time: the next one comes when
the last one is over.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from amanuensis.benchmarks.network_nodes import NetworkNodes, network_nodes
from tests.helpers.balancer import Balancer
from tests.helpers.front_service import Scene
from tests.helpers.service_chaos import Outcome
from tests.helpers.service_host import ROOT, Host

NODES: Final = ("one", "two", "three", "four")
KINDS: Final = (
    "kill_front",
    "stop_front",
    "freeze_front",
    "kill_store",
    "cut_clients",
    "kill_host",
    "kill_node",
    "cut_node",
    "slow_node",
)
CAPACITY: Final = "4"  # streams of a node, so that sessions are on more than one
CUT_S: Final = (1.0, 12.0)  # shorter and longer than it takes to be given up
SLOW_STEPS: Final = 20
STEP_S: Final = (0.02, 0.3)  # a slow node stands still for so long, and goes on for as long


@contextmanager
def four_nodes(own: Path) -> Iterator[NetworkNodes]:
    """Give a cluster of four nodes, each with a version of the folder `own` of its own."""
    env = {"PYTHONPATH": str(ROOT), "RAY_worker_niceness": "0"}
    with network_nodes() as nodes:
        for name in NODES:
            nodes.add(name, env=env, own=own)
        yield nodes


def environment(nodes: NetworkNodes, own: Path) -> dict[str, str]:
    """Return what makes a daemon one of the fronts of a cluster whose nodes compute for it."""
    return {
        "RAY_ADDRESS": nodes.address,
        "AMANUENSIS_FRONTS_ENABLED": "true",
        "AMANUENSIS_FRONTS_FOLDER": str(own / "store"),
        "AMANUENSIS_ENGINE_BACKEND": "ray",
        "AMANUENSIS_CLUSTER_CAPACITY": CAPACITY,
    }


class ClusterScene(Scene):
    """Two fronts, four nodes, the networks before and between them, and clients."""

    def __init__(self, seed: int, hosts: list[Host], network: Balancer, outcome: Outcome, nodes: NetworkNodes) -> None:
        super().__init__(seed, hosts, network, outcome, lambda: self._kill_all("ray::StoreActor", nodes.names))
        self._nodes = nodes

    def _kill_all(self, process: str, nodes: list[str]) -> None:
        for pid in [pid for node in nodes for pid in self._nodes[node].processes(process)]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    async def _kill_host(self) -> None:
        self._kill_all("ray::EngineHost", [self._draw.choice(self._nodes.workers)])

    async def _kill_node(self) -> None:
        name = self._draw.choice(self._nodes.workers)
        await asyncio.to_thread(self._nodes.kill, name)
        await asyncio.sleep(self._draw.uniform(0, 3))
        await asyncio.to_thread(self._nodes.start_again, name)

    async def _cut_node(self) -> None:
        name = self._draw.choice(self._nodes.workers)
        self._nodes.cut(name)
        await asyncio.sleep(self._draw.uniform(*CUT_S))
        self._nodes.heal(name)
        await asyncio.sleep(1.0)
        if self._nodes[name].process.poll() is not None:  # Ray ends a node that it has given up
            await asyncio.to_thread(self._nodes.start_again, name)

    async def _slow_node(self) -> None:
        name = self._draw.choice(self._nodes.workers)
        for _ in range(SLOW_STEPS):
            self._nodes.stop(name)
            await asyncio.sleep(self._draw.uniform(*STEP_S))
            self._nodes.go_on(name)
            await asyncio.sleep(self._draw.uniform(*STEP_S))
