"""Bounds for one fuzzed input: memory beyond what the program has taken already, and time."""

from __future__ import annotations

import resource
import signal
from pathlib import Path
from types import FrameType
from typing import Final

MEMORY_BYTES: Final = 1 << 30  # more than any reader of an input of some kilobytes may ask for
INPUT_S: Final = 10  # a thousand times what an input takes


def limit_memory(extra_bytes: int = MEMORY_BYTES) -> None:
    """Let the process take so much more address space; beyond it allocations fail, which is a finding."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + extra_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def start_watch() -> None:
    """Have an input that takes too long end in a TimeoutError where it stands."""
    signal.signal(signal.SIGALRM, _too_long)


def _too_long(number: int, frame: FrameType | None) -> None:
    raise TimeoutError(f"an input took more than {INPUT_S} s")
