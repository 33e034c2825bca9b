"""What every measurement shares: the header that says what was measured where, timing, medians, the printed form."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

from amanuensis.npu.cpu_features import cpu_model

T = TypeVar("T")
LIBRARIES = ("numpy", "onnxruntime", "soxr", "webrtcvad-wheels", "websockets")


@dataclass(frozen=True, slots=True)
class Header:
    """A figure without its device, model, command and commit says nothing (DESIGN 1.3)."""

    device: str
    cores: int
    model: str
    threads: int
    command: str
    commit: str
    versions: dict[str, str]
    load_average: float  # processes that wanted the CPU in the last minute, before the run


def header(model: str, threads: int, libraries: Sequence[str] = LIBRARIES) -> Header:
    """Describe this machine, this checkout and this run."""
    return Header(
        device=f"cpu: {cpu_model()}",
        cores=len(os.sched_getaffinity(0)),
        model=model,
        threads=threads,
        command=" ".join(["amanuensis", *sys.argv[1:]]),
        commit=commit(),
        versions={"python": sys.version.split()[0], **{name: library_version(name) for name in libraries}},
        load_average=round(os.getloadavg()[0], 2),
    )


def commit() -> str:
    """The commit of the checkout, with `+` when files differ from it; the version where there is no checkout."""
    root = Path(__file__).resolve().parents[1]
    git = ["git", "-C", str(root)]
    try:
        if not (root / "pyproject.toml").is_file():
            return library_version("amanuensis")
        short = subprocess.run([*git, "rev-parse", "--short", "HEAD"], check=True, capture_output=True, text=True)
        changed = subprocess.run([*git, "status", "--porcelain", "-uno"], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return library_version("amanuensis")
    return short.stdout.strip() + ("+" if changed.stdout.strip() else "")


def library_version(name: str) -> str:
    """The installed version of a distribution, or "absent"."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some runs with the best and the worst of them."""

    median: float
    low: float
    high: float
    runs: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Summarise at least one value."""
        return cls(statistics.median(values), min(values), max(values), len(values))

    def __str__(self) -> str:
        return f"{self.median:.4g} ({self.low:.4g} to {self.high:.4g}, {self.runs} runs)"


@dataclass(frozen=True, slots=True)
class Took:
    """What one run took."""

    wall_s: float
    cpu_s: float  # of this process, all threads


def timed(work: Callable[[], object]) -> Took:
    """Run once and measure."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return Took(time.perf_counter() - wall, time.process_time() - cpu)


def interleaved(cases: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """Run every case once per round, in turn, so that a burst of other load falls on all of them alike."""
    results: dict[str, list[T]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, work in cases.items():
            results[name].append(work())
    return results


def report(head: Header, figures: Mapping[str, Any], lines: Sequence[str], *, as_json: bool) -> None:
    """Print the figures: one JSON object, or the lines under a readable header."""
    if as_json:
        print(json.dumps({**figures, "header": asdict(head)}))
        return
    print(f"{head.device}, {head.cores} cores, threads {head.threads or 'auto'}, load before {head.load_average}")
    print(f"model {head.model}, commit {head.commit}, `{head.command}`")
    print(", ".join(f"{name} {number}" for name, number in head.versions.items()))
    print(*lines, sep="\n")
