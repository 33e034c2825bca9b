"""Memory and CPU seconds of a process tree."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from amanuensis.benchmarks.processes import cpu_seconds, family, memory

BUSY = "import time\nwhile time.process_time() < 0.2: pass\nprint('done', flush=True)\ninput()\n"


@pytest.fixture
def busy() -> Iterator[subprocess.Popen[str]]:
    """A process that has worked for a known time, under a shell."""
    command = ["sh", "-c", f'"{sys.executable}" -c "{BUSY}"; true']
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "done\n"
        yield process
        process.communicate("\n")


def test_a_family_is_a_process_with_its_descendants(busy: subprocess.Popen[str]) -> None:
    """The worker stands below its shell."""
    assert len(family(busy.pid)) == 2
    assert set(family(busy.pid)) < set(family(os.getpid()))


def test_cpu_seconds_are_those_of_all_of_them(busy: subprocess.Popen[str]) -> None:
    """The shell has done nothing, its child 0.2 s."""
    assert cpu_seconds(busy.pid) >= 0.1  # the kernel counts in ticks


def test_shared_pages_count_once_in_the_proportional_size(busy: subprocess.Popen[str]) -> None:
    """PSS is never more than RSS."""
    held = memory(busy.pid)
    assert 0 < held.pss_mb <= held.rss_mb


def test_a_process_that_has_ended_holds_nothing() -> None:
    """Who ends while being looked at costs nothing and is no error."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    assert memory(ended.pid).rss_mb == 0
    assert cpu_seconds(ended.pid) == 0
