"""A part of the guard in a process of its own, in which nothing but what is measured differs from run to run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

# The way to programs and to the caches of models; nothing that changes what this project does.
KEPT: Final = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "XDG_CACHE_HOME", "XDG_DATA_HOME")
PINNED: Final = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}


class ChildError(Exception):
    """A part of the guard failed; the message has its last line."""


def told(module: str, folder: Path) -> dict[str, Any]:
    """Run a module of the guard on a model folder and return what it prints.

    Raises:
        ChildError: it ended with another status than 0.

    """
    command = [sys.executable, "-m", f"amanuensis.benchmarks.guard.{module}", str(folder)]
    env = {name: os.environ[name] for name in KEPT if name in os.environ} | PINNED
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        last = done.stderr.strip().rpartition("\n")[2]
        raise ChildError(f"{module} ended with status {done.returncode}: {last}; run it by itself: {' '.join(command)}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
