"""Several windows decoded at once on the CPU: one to a thread, each with buffers of its own on the same graphs.

Products of one window gain little from a second core; a second window on it doubles what is done. Each is computed as
alone, so its text does not depend on the company.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Protocol

from amanuensis.npu.devices.together import Outcome
from amanuensis.npu.engine.api import EngineError
from amanuensis.npu.window import WindowJob, WindowResult


class Runner(Protocol):
    """Decodes windows, one at a time."""

    def decode(self, job: WindowJob) -> WindowResult:
        """Decode a window; EngineError when the job does not fit the model."""
        ...


class SideBySide:
    """Decodes a window on each of several runners at the same time.

    Args:
        runners: at least one; they share nothing that one of them writes.

    """

    def __init__(self, runners: Sequence[Runner]) -> None:
        self._runners = tuple(runners)
        self._threads = ThreadPoolExecutor(len(self._runners), "window")

    def decode(self, job: WindowJob) -> WindowResult:
        """Decode one window; EngineError when the job does not fit the model."""
        return self._runners[0].decode(job)

    def decode_together(self, jobs: Sequence[WindowJob], ended: Callable[[int, Outcome], None]) -> None:
        """Decode at most as many windows as there are runners; `ended` is told what came of each, here, when it did.

        Raises:
            Exception: a fault of ours in one of them, once all are done.

        """
        pairs = zip(self._runners, jobs, strict=False)
        places = {self._threads.submit(runner.decode, job): place for place, (runner, job) in enumerate(pairs)}
        assert len(places) == len(jobs)
        fault: BaseException | None = None
        for done in as_completed(places):
            error = done.exception()
            if error is None or isinstance(error, EngineError):
                ended(places[done], error or done.result())
            else:
                fault = error
        if fault is not None:
            raise fault
