"""Ray nodes on one machine as if they were several: each with an address and processes of its own, pinned to cores.

Where namespaces are permitted, each node has a network of its own behind a bridge, which can be cut and healed. Where
they are not, nodes have loopback addresses of their own and cannot be cut; `NetworkNodes.kind` says which it is.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from amanuensis.benchmarks.cpu_share import CpuShare

STARTED: Final = "Ray runtime started"
START_S: Final = 120.0  # only against hanging
STORE_BYTES: Final = 100_000_000
QUIET: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DISABLE_DOCKER_CPU_WARNING": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
HEALTH: Final = '{"health_check_initial_delay_ms":1000,"health_check_period_ms":1000,"health_check_timeout_ms":2000}'
HEAD: Final = 254  # last number of its address
NETWORKS: Final = 250  # at once on a machine
Kind = Literal["namespaces", "loopback"]


class NodesError(Exception):
    """A node could not be made; the message says why."""


@dataclass(slots=True)
class NetworkNode:
    """A node that runs.

    Attributes:
        name: of the node, for Ray too.
        address: of its own.
        command: that starts it.
        env: of its processes, beside ours.
        process: of `ray start`, which has started all others.

    """

    name: str
    address: str
    command: tuple[str, ...]
    env: Mapping[str, str]
    process: subprocess.Popen[str]

    def processes(self, name: str = "") -> list[int]:
        """Return its processes whose command line begins with `name`."""
        return [pid for pid in _tree(self.process.pid) if _command_of(pid).startswith(name)]


class NetworkNodes:
    """A cluster whose head is this machine, without CPUs of its own; made by `network_nodes`.

    Attributes:
        kind: how nodes are kept apart.
        address: HOST:PORT of the head.

    """

    def __init__(self, kind: Kind, folder: Path) -> None:
        self.kind = kind
        self._folder = folder
        self._nodes: dict[str, NetworkNode] = {}
        self._shares: list[CpuShare] = []
        self._number = _free_number() if kind == "namespaces" else os.getpid() % NETWORKS
        self._bridge = f"amn{self._number}"
        self.address = ""

    def start_head(self) -> None:
        """Make the network and the head."""
        if self.kind == "namespaces":
            _ip("link", "add", self._bridge, "type", "bridge")
            _ip("addr", "add", f"{self._host(HEAD)}/24", "dev", self._bridge)
            _ip("link", "set", self._bridge, "up")
        port = 20000 + self._number * 40
        words = ["--head", f"--port={port}", "--num-cpus=0", f"--temp-dir={self._folder}"]
        words += ["--include-dashboard=false", f"--system-config={HEALTH}"]
        self._nodes["head"] = self._start("head", self._host(HEAD), words, {}, [])
        self.address = f"{self._host(HEAD)}:{port}"

    def add(
        self,
        name: str,
        cores: str = "",
        env: Mapping[str, str] | None = None,
        *,
        npus: int = 0,
        own: Path | None = None,
        share: float = 0.0,
    ) -> NetworkNode:
        """Start a node.

        Args:
            name: of it, at most 8 letters.
            cores: that its processes may use, as `taskset -c` wants them; "": all.
            env: of its processes, beside ours.
            npus: that it claims to have.
            own: a folder that is another one at this node, as if it had a disk of its own.
            share: of a core that all its processes together may use; 0: all that there is.

        Raises:
            NoShareError: a share is not permitted here.

        """
        number = len(self._nodes)
        address, before = self._host(number), []
        if share:
            self._shares.append(CpuShare(f"amn{self._number}-{name}", share))
            before += self._shares[-1].command
        if self.kind == "namespaces":
            space = self._space(name)
            outside, inside = f"amo{self._number}n{number}", f"ami{self._number}n{number}"
            _ip("netns", "add", space)
            _ip("link", "add", outside, "type", "veth", "peer", "name", inside)
            _ip("link", "set", outside, "master", self._bridge, "up")
            _ip("link", "set", inside, "netns", space)
            for order in (f"addr add {address}/24 dev {inside}", f"link set {inside} up", "link set lo up"):
                _ip("-n", space, *order.split())
            before += ["ip", "netns", "exec", space]
        if cores:
            before += ["taskset", "-c", cores]
        if own is not None:
            disk = self._folder / f"disk-{name}"
            disk.mkdir()
            before += [
                "unshare",
                "--mount",
                "sh",
                "-c",
                'mount --bind "$0" "$1" && shift && exec "$@"',
                str(disk),
                str(own),
            ]
        words = [f"--address={self.address}", "--num-cpus=1"]
        words += [f'--resources={{"npu":{npus}}}'] if npus else []
        node = self._nodes[name] = self._start(name, address, words, env or {}, before)
        return node

    def kill(self, name: str) -> None:
        """Kill all processes of a node with SIGKILL."""
        node = self._nodes[name]
        for pid in _tree(node.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        node.process.wait(START_S)

    def start_again(self, name: str) -> None:
        """Start a node that was killed, at its old address."""
        node = self._nodes[name]
        self._nodes[name] = self._run(name, node.address, node.command, node.env)

    def stop(self, name: str) -> None:
        """Have all processes of a node stand still."""
        for pid in _tree(self._nodes[name].process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)

    def go_on(self, name: str) -> None:
        """Let a node that was stopped go on."""
        for pid in _tree(self._nodes[name].process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def cut(self, name: str) -> None:
        """Have nothing reach a node, nor leave it; connections stay open on both sides."""
        self._link(name, "down")

    def heal(self, name: str) -> None:
        """Let a node that was cut off be reached again."""
        self._link(name, "up")

    def __getitem__(self, name: str) -> NetworkNode:
        return self._nodes[name]

    @property
    def names(self) -> list[str]:
        """The names of all nodes."""
        return list(self._nodes)

    @property
    def workers(self) -> list[str]:
        """The names of all nodes but the head."""
        return [name for name in self._nodes if name != "head"]

    def close(self) -> None:
        """End all nodes and take down the network."""
        for name in list(self._nodes):
            self.kill(name)
        for share in self._shares:
            share.close()
        if self.kind == "namespaces":
            for name in self._nodes:
                if name != "head":
                    subprocess.run(["ip", "netns", "del", self._space(name)], check=False, capture_output=True)
            subprocess.run(["ip", "link", "del", self._bridge], check=False, capture_output=True)

    def _link(self, name: str, state: str) -> None:
        if self.kind != "namespaces":
            raise NodesError("nodes with loopback addresses cannot be cut off from one another")
        number = list(self._nodes).index(name)
        _ip("link", "set", f"amo{self._number}n{number}", state)

    def _host(self, number: int) -> str:
        return (
            f"10.{200 + self._number % 50}.{self._number}.{number}"
            if self.kind == "namespaces"
            else f"127.77.0.{number}"
        )

    def _space(self, name: str) -> str:
        return f"amn{self._number}-{name}"

    def _start(
        self, name: str, address: str, words: list[str], env: Mapping[str, str], before: list[str]
    ) -> NetworkNode:
        command = [*before, sys.executable, "-m", "ray.scripts.scripts", "start", "--block", *words]
        command += [f"--node-ip-address={address}", f"--node-name={name}", f"--object-store-memory={STORE_BYTES}"]
        return self._run(name, address, (*command, "--disable-usage-stats"), env)

    def _run(self, name: str, address: str, command: tuple[str, ...], env: Mapping[str, str]) -> NetworkNode:
        log = self._folder / f"{name}.log"
        with log.open("w") as out:
            process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=out,
                text=True,
                env={**os.environ, **QUIET, **env},
                start_new_session=True,
            )
        assert process.stdout is not None
        for line in process.stdout:
            if STARTED in line:
                return NetworkNode(name, address, command, env, process)
        raise NodesError(f"node {name} has not started: {log.read_text()[-2000:]}")


@contextlib.contextmanager
def network_nodes() -> Iterator[NetworkNodes]:
    """Give a cluster that has a head only.

    Raises:
        NodesError: Ray cannot be started.

    """
    folder = Path(tempfile.mkdtemp(prefix="am", dir="/tmp"))  # short: sockets lie in it
    nodes = NetworkNodes("namespaces" if namespaces_work() else "loopback", folder)
    try:
        nodes.start_head()
        yield nodes
    finally:
        nodes.close()
        shutil.rmtree(folder, ignore_errors=True)


def namespaces_work() -> bool:
    """Return whether network namespaces can be made here."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    name = f"amn-try-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], check=False, capture_output=True)
    if made.returncode == 0:
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
    return made.returncode == 0


def _free_number() -> int:
    """Return a number of which no network is there, of another run or of one that was killed."""
    there = _ip("-o", "link") + _ip("netns", "list")
    numbers = (number % NETWORKS for number in range(os.getpid(), os.getpid() + NETWORKS))
    for number in numbers:
        if not re.search(rf"\bam[noi]{number}(n\d+|\b)", there):
            return number
    raise NodesError("too many networks of nodes are there: `ip link` and `ip netns` show them, as am...")


def _ip(*words: str) -> str:
    made = subprocess.run(["ip", *words], check=False, capture_output=True, text=True)
    if made.returncode != 0:
        raise NodesError(f"`ip {' '.join(words)}` failed: {made.stderr.strip()}")
    return made.stdout


def _tree(pid: int) -> list[int]:
    """Return a process and all that it has started, children first."""
    found: list[int] = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [below for child in file.read_text().split() for below in _tree(int(child))]
    return [*found, pid]


def _command_of(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""
