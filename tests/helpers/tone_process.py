"""An engine process that reads tones, and dies at one word: `Supervision(loader=LOADER)` with `PYTHONPATH` at ROOT."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Final

from amanuensis.npu.engine.api import EngineConfig, EngineInfo
from amanuensis.npu.window import WindowJob, WindowResult
from tests.helpers.tone_engine import INFO, read_tones
from tests.helpers.words import result

ROOT: Final = Path(__file__).resolve().parents[2]
LOADER: Final = "tests.helpers.tone_process:deadly"
SLOW_LOADER: Final = "tests.helpers.tone_process:slow"
SLOW_S: Final = 0.05  # a window: so that something is at work when a process is killed
DEADLY: Final = 3  # index in VOCABULARY


class Deadly:
    """Reads tones; a window in which the deadly word is kills it."""

    @property
    def info(self) -> EngineInfo:
        return INFO

    def decode(self, job: WindowJob) -> WindowResult:
        heard = read_tones(job.features)[len(job.forced) :]
        tokens, frames = tuple(word for word, _ in heard), tuple(frame // 2 for _, frame in heard)
        if DEADLY in tokens:
            os.kill(os.getpid(), signal.SIGKILL)
        return result(tokens, frames, logprob=-0.05, avg_logprob=-0.05)

    def maintain(self, streams: int, *, voice: bool) -> float | None:
        return None


def deadly(config: EngineConfig) -> Deadly:
    """Open the model; there is nothing to load."""
    return Deadly()


class Slow(Deadly):
    """The same, at work for a while at each window."""

    def decode(self, job: WindowJob) -> WindowResult:
        time.sleep(SLOW_S)
        return super().decode(job)


def slow(config: EngineConfig) -> Slow:
    """Open the model; there is nothing to load."""
    return Slow()
