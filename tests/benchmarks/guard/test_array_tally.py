"""The count of arrays that NumPy makes."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from amanuensis.benchmarks.guard.array_tally import ArrayTally


def test_what_makes_an_array_is_counted() -> None:
    """New arrays, copies and zeros count with the bytes of their data; a view and writing into an array do not."""
    with ArrayTally() as tally:
        made = np.empty(1000, np.float32)
        assert (tally.arrays, tally.bytes) == (1, 4000)
        copied = made.copy()
        assert (tally.arrays, tally.bytes) == (2, 8000)
        np.zeros((10, 10))
        assert (tally.arrays, tally.bytes) == (3, 8800)
        made[:500] = copied[500:]
        assert (tally.arrays, tally.bytes) == (3, 8800)


def test_nothing_is_counted_outside() -> None:
    """Before and after, NumPy allocates as it always does; a second use counts on."""
    tally = ArrayTally()
    np.empty(10)
    with tally:
        np.empty(10)
    np.empty(10)
    assert tally.arrays == 1
    with tally:
        np.empty(10)
    assert tally.arrays == 2


def test_counted_arrays_outlive_the_count() -> None:
    """Arrays that were counted grow and are freed later, the last ones when the interpreter ends."""
    program = """
import sys
import numpy as np
from amanuensis.benchmarks.guard.array_tally import ArrayTally
with ArrayTally() as tally:
    sys.kept = [np.full(size, 7) for size in (1, 100, 100_000)] + [np.zeros(100_000)]
del tally
sys.kept[0].resize(5000, refcheck=False)
sys.kept.pop(1)
assert sys.kept[0][0] == 7 and sys.kept[1].sum() == 700_000
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
