"""How long a window may take before its process is held to hang. Pure.

A hang must be found soon, since speech waits behind it, and a large model on a slow CPU must not be taken for one. So
the limit follows what this engine has needed so far.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from amanuensis.npu.window import WindowJob

# The driver of the NPU ends a hung command after 2 to 6 s (`tdr_timeout_ms`, amd/xdna-driver; amd/IRON), and our
# runtime waits 10 s for it (`npu.devices.xrt.runtime.DEADLINE_S`); then the CPU does the window in the same process.
LEAST_S: Final = 30.0
MOST_S: Final = 300.0  # also before the first answer: 30 s of sound at ten times slower than real time
ALLOWANCE: Final = 30.0  # a window with much text after ones with little, on a machine that others use as well
FRAME_S: Final = 0.01  # of the features
LEAST_WINDOW_S: Final = 1.0  # a shorter one has costs of its own


class JobLimits:
    """Learns from answers how long windows take.

    Args:
        most_s: whatever was learnt, no window may take longer.
        least_s: whatever was learnt, each may take so long, unless `most_s` is less.

    """

    def __init__(self, most_s: float = MOST_S, least_s: float = LEAST_S) -> None:
        self._most_s = most_s
        self._least_s = least_s
        self._slowest = 0.0  # seconds for a second of window and a beam

    def answered(self, job: WindowJob, took_s: float) -> None:
        """Take note of how long a window took."""
        self._slowest = max(self._slowest, took_s / _size(job))

    def limit_s(self, jobs: Iterable[WindowJob]) -> float:
        """Return how long the jobs that are done together may take from their start."""
        if not self._slowest:
            return self._most_s
        expected_s = sum(self._slowest * _size(job) * len(job.options.temperatures) for job in jobs)
        return min(self._most_s, max(self._least_s, ALLOWANCE * expected_s))


def _size(job: WindowJob) -> float:
    """Return what a job's time grows with: seconds of its window times beams."""
    window_s = float(job.features.shape[1] * FRAME_S)
    return max(LEAST_WINDOW_S, window_s) * job.options.beam_size
