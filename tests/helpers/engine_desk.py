"""Where a test meets the models of `engine_models`, which it steers from outside the engine process."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np

from amanuensis.npu.engine.process import SupervisedEngine
from amanuensis.npu.window import WindowJob, WindowResult

HELPERS = Path(__file__).parent
WAIT, DIE, REFUSE, FAIL, WORK, FALL, DIE_ON_DEVICE, SENSELESS = (
    (k,) for k in range(1, 9)
)  # what a job's draft makes the steered model do
Starter = Callable[..., Awaitable[SupervisedEngine]]


def job(number: int, draft: tuple[int, ...] = (), n_frames: int = 20) -> WindowJob:
    """Return a job that is known by the first token of its prompt."""
    return WindowJob(np.full((80, n_frames), number, np.float32), prompt=(number,), draft=draft)


def expected(number: int, n_frames: int = 20) -> tuple[int, int]:
    """Return the tokens that the steered model answers to `job`."""
    return (number, number * 80 * n_frames)


class Desk:
    """Where a test meets the steered models: it sees which jobs were started, and lets waiting ones go on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        os.mkfifo(folder / "gate")
        self._gate = os.open(folder / "gate", os.O_RDWR)  # a reader and writer of its own: opening never blocks

    def started(self) -> list[int]:
        """Return the jobs in the order in which they were started."""
        path = self.folder / "started"
        return [int(line) for line in path.read_text().split()] if path.exists() else []

    def batches(self) -> list[str]:
        """Return which jobs were done at once, as "1+2"."""
        path = self.folder / "batches"
        return path.read_text().split() if path.exists() else []

    def told(self) -> list[str]:
        """Return what the processes were told of streams and voices."""
        path = self.folder / "told"
        return path.read_text().split() if path.exists() else []

    async def running(self, number: int, times: int = 1) -> None:
        """Wait until a job has been started so many times."""
        await until(lambda: self.started().count(number) >= times)

    def release(self) -> None:
        """Let one job with draft WAIT go on."""
        os.write(self._gate, b".")

    def close(self) -> None:
        """Release the pipe."""
        os.close(self._gate)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that the engine brings about by itself."""
    while not condition():
        await asyncio.sleep(0.002)


def submit(
    engine: SupervisedEngine, work: WindowJob, deadline_s: float = 0.0, stream: int = 0
) -> asyncio.Task[WindowResult]:
    """Ask for a window of a stream, of a new one by default."""
    return asyncio.create_task(engine.decode(stream or engine.open_stream(), work, deadline_s))


def kill(engine: SupervisedEngine, number: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to the engine process."""
    assert engine.pid is not None
    os.kill(engine.pid, number)
