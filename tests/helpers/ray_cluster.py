"""A small real Ray cluster of this machine: each node is a raylet of its own."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from amanuensis.daemon.cluster.engine import RayEngine
from amanuensis.daemon.cluster.host_link import HostLink
from amanuensis.daemon.cluster.runtime import disconnect, load_ray

ROOT: Final = Path(__file__).resolve().parents[2]
ENVIRONMENT: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",  # whatever token the user has
    "RAY_worker_niceness": "0",  # as docs/cluster.md says, instead of 15
}
STORE_BYTES: Final = 100_000_000
QUICK: Final = 0.02  # seconds between two looks at something that is waited for


class RayCluster:
    """The cluster; its head is the node "one".

    Attributes:
        address: HOST:PORT of its head.

    """

    def __init__(self, folder: str, head_cpus: int) -> None:
        from ray._private.utils import get_ray_address_file
        from ray.cluster_utils import Cluster

        os.environ |= ENVIRONMENT
        load_ray()
        Path(get_ray_address_file(None)).parent.mkdir(exist_ok=True)  # it notes its address there in any case
        head = {"node_name": "one", "num_cpus": head_cpus, "object_store_memory": STORE_BYTES, "temp_dir": folder}
        with _variables({"PYTHONPATH": str(ROOT)}):
            self._cluster = Cluster(
                initialize_head=True, head_node_args=head | {"include_dashboard": False, "include_log_monitor": False}
            )
        self.address: str = self._cluster.address
        self._nodes: dict[str, Any] = {}

    def add(self, name: str, env: Mapping[str, str] | None = None, cpus: int = 2, npus: int = 0) -> None:
        """Add a node whose processes find the helpers of the tests."""
        with _variables({"PYTHONPATH": str(ROOT)} | dict(env or {})):
            self._nodes[name] = self._cluster.add_node(
                node_name=name,
                num_cpus=cpus,
                resources={"npu": npus} if npus else {},
                object_store_memory=STORE_BYTES,
                include_log_monitor=False,
            )

    def kill(self, name: str) -> None:
        """Kill a node with SIGKILL, raylet and all."""
        self._cluster.remove_node(self._nodes.pop(name), allow_graceful=False)

    def raylet(self, name: str) -> int:
        """Return the process number of a node's raylet."""
        pid: int = self._nodes[name].all_processes["raylet"][0].process.pid
        return pid

    def close(self) -> None:
        """End all of its processes."""
        disconnect()
        for name in list(self._nodes):
            self.kill(name)
        self._cluster.shutdown()


@contextmanager
def _variables(changes: Mapping[str, str]) -> Iterator[None]:
    """Change this process's environment, which a raylet hands on to the processes of actors."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in changes.items():
            patch.setenv(name, value)
        yield


@contextmanager
def ray_cluster(head_cpus: int = 0) -> Iterator[RayCluster]:
    """Give a cluster of one node, which computes only if it has CPUs."""
    folder = tempfile.mkdtemp(prefix="ray", dir="/tmp")  # short: sockets lie in it
    try:
        cluster = RayCluster(folder, head_cpus)
        try:
            yield cluster
        finally:
            cluster.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def link_of(engine: RayEngine, node: str) -> HostLink:
    """Return a front's way to the host on a node."""
    (found,) = (link for link in engine.hosts if link.node.name == node)
    return found


def up(engine: RayEngine) -> set[str]:
    """Return the nodes whose hosts take windows."""
    return {link.node.name for link in engine.hosts if link.state == "up"}


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds; the time limit of the test bounds it."""
    while not holds():
        await asyncio.sleep(QUICK)


def kill_actor(engine: RayEngine, node: str, number: int = signal.SIGKILL) -> int:
    """Send a signal to the process of the actor on a node; return its number."""
    pid = int(link_of(engine, node).facts["pid"])
    os.kill(pid, number)
    return pid
