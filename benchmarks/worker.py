"""A measurement in a process of its own, so that it has its own threads, libraries and memory.

The worker prints one JSON line when it is ready; then each line on its standard input names a case to run and is
answered by one JSON line. Whoever drives it decides the order, so that several workers run in turn and never at once.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from amanuensis.benchmarks.common import library_version, timed

QUIET = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TQDM_DISABLE": "1",
}


class WorkerError(Exception):
    """A worker died or answered nonsense; the message has what it said."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of a worker took."""

    wall_s: float
    cpu_s: float  # of the worker process, all threads
    steps: int  # tokens that were decoded one by one or forced, as the case counts them
    rss_mb: float  # largest resident size so far


def serve_runs(cases: Mapping[str, Callable[[], int]], libraries: Sequence[str]) -> None:
    """Run cases as they are named until standard input ends; a case returns the number of tokens that it made."""
    print(json.dumps({name: library_version(name) for name in libraries}), flush=True)
    for line in sys.stdin:
        work = cases[line.strip()]
        tokens = 0

        def once(work: Callable[[], int] = work) -> None:
            nonlocal tokens
            tokens = work()

        took = timed(once)
        rss_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(asdict(Run(took.wall_s, took.cpu_s, tokens, rss_mb))), flush=True)


class Worker:
    """A worker process; use it as a context manager.

    Args:
        python: the interpreter, of another environment where the measured system needs one.
        command: arguments of the interpreter.
        threads: for OpenMP; BLAS gets one thread, since only small NumPy work is left to it.

    Attributes:
        versions: of the libraries that the worker measures.

    """

    def __init__(self, python: Path, command: Sequence[str], threads: int) -> None:
        env = {**os.environ, **QUIET, "OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": "1"}
        self._complaints = tempfile.TemporaryFile("w+")  # noqa: SIM115 - as long as the process
        streams: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self._complaints, "text": True}
        self._process = subprocess.Popen([str(python), *command], env=env, **streams)
        self.versions: dict[str, str] = self._answer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()
        self._complaints.close()

    def run(self, case: str) -> Run:
        """Have one case run once."""
        return Run(**self.ask(case))

    def ask(self, case: str) -> dict[str, Any]:
        """Have one case run once and return its answer; WorkerError when there is none."""
        assert self._process.stdin is not None
        self._process.stdin.write(case + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        if line := self._process.stdout.readline():
            answer: dict[str, Any] = json.loads(line)
            return answer
        self._process.communicate()
        self._complaints.seek(0)
        last = self._complaints.read().strip().rpartition("\n")[2]
        raise WorkerError(f"ended with status {self._process.returncode}: {last}")
