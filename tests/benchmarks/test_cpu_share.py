"""Shares of the CPU: what runs in one gets no more than it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from amanuensis.benchmarks.cpu_share import CpuShare, shares_work

SHARE = 0.3
_BUSY = """
import multiprocessing, os, time
def work():
    end_s = time.monotonic() + 1.0
    while time.monotonic() < end_s:
        pass
begin_s = time.monotonic()
workers = [multiprocessing.Process(target=work) for _ in range(2)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
print(sum(os.times()[:4]) / (time.monotonic() - begin_s))
"""

needs_groups = pytest.mark.skipif(not shares_work(), reason="control groups are not permitted here")


@needs_groups
def test_all_processes_of_a_share_together_get_no_more_than_it() -> None:
    """Two busy processes use three tenths of a core between them, where they would use a core or two."""
    share = CpuShare(f"amanuensis-test-share-{os.getpid()}", SHARE)
    try:
        ran = subprocess.run([*share.command, sys.executable, "-c", _BUSY], check=True, capture_output=True, text=True)
    finally:
        share.close()
    assert float(ran.stdout) < 1.5 * SHARE


@needs_groups
def test_a_share_leaves_nothing_behind() -> None:
    """Its name is free again."""
    for _ in range(2):
        CpuShare(f"amanuensis-test-again-{os.getpid()}", 1.0).close()


def test_a_share_that_the_kernel_would_refuse_is_refused() -> None:
    """A quota is at least a millisecond of each period."""
    with pytest.raises(ValueError, match=r"a share of 0\.1 of a core is too small: at least 0\.2"):
        CpuShare("amanuensis-test-small", 0.1)
