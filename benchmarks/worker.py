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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

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
        self._command = [str(python), *command]
        env = {**os.environ, **QUIET, "OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            self._command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.versions: dict[str, str] = json.loads(self._line())

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def run(self, case: str) -> Run:
        """Have one case run once."""
        assert self._process.stdin is not None
        self._process.stdin.write(case + "\n")
        self._process.stdin.flush()
        return Run(**json.loads(self._line()))

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line:
            raise WorkerError(f"worker ended with status {self._process.wait()}: {' '.join(self._command)}")
        return line
