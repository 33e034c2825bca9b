"""One small Ray cluster of one node, in processes of its own, for daemons that are processes too."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

START_S = 120.0  # only against hanging
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DISABLE_DOCKER_CPU_WARNING": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_worker_niceness": "0",  # else the store starves on a machine that computes
}


@dataclass(frozen=True)
class RayNode:
    """A node that runs.

    Attributes:
        pid: of the process that started all others.
        address: HOST:PORT of the cluster.

    """

    pid: int
    address: str

    def kill_actor(self, name: str) -> bool:
        """Kill the process of an actor of a class; False when there is none just now."""
        found = find_process(self.pid, f"ray::{name}")
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return bool(found)


@contextlib.contextmanager
def ray_node(folder: Path) -> Iterator[RayNode]:
    """Run the head node of a cluster."""
    port = free_port()
    words = ["start", "--head", "--block", f"--port={port}", "--node-ip-address=127.0.0.1", "--num-cpus=1"]
    sizes = ["--object-store-memory=100000000", "--include-dashboard=false", "--disable-usage-stats"]
    command = [sys.executable, "-m", "ray.scripts.scripts", *words, *sizes, f"--temp-dir={folder}"]
    log = folder / "node.log"
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=out, text=True, env={**os.environ, **QUIET})
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if "Ray runtime started" in line:
                break
        else:
            raise AssertionError(log.read_text())
        yield RayNode(process.pid, f"127.0.0.1:{port}")
    finally:
        kill_tree(process.pid)  # in good order it takes half a minute
        process.wait(START_S)
        process.stdout.close()


def kill_tree(pid: int) -> None:
    """Kill a process and all that it has started, and these."""
    for child in children(pid):
        kill_tree(child)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def children(pid: int) -> list[int]:
    """Return the processes that a process has started and that run."""
    found = Path(f"/proc/{pid}/task").glob("*/children")
    with contextlib.suppress(OSError):
        return [int(child) for file in found for child in file.read_text().split()]
    return []


def command_of(pid: int) -> str:
    """Return how a process calls itself."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return ""


def find_process(root: int, name: str) -> list[int]:
    """Return the processes below `root` whose command line begins with `name`."""
    below = [found for child in children(root) for found in find_process(child, name)]
    return below + [root] * command_of(root).startswith(name)


def free_port() -> int:
    """Return a port that nobody has just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
