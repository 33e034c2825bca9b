"""How many streams a host carries: measured at its start with windows of real size.

Whatever else ran meanwhile makes that less, so the most that was ever measured is kept, beside the model's graphs. As
soon as there are enough of them, the windows of streams themselves say it.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections import deque
from pathlib import Path
from typing import Final

from amanuensis.npu.calibration_sound import demo_windows
from amanuensis.npu.cpu_features import cpu_model
from amanuensis.npu.engine.process import SupervisedEngine
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.prepared import discard, kept, prepare
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.npu.window import WindowJob

TICK_S: Final = 0.5  # a stream on which somebody speaks asks for a window so often
SHARE: Final = 0.9  # of the time that windows may take: as `limits.max_load` of one daemon
WINDOW_FRAMES: Final = 600  # 6 s: between the first tick of an utterance and the longest window
ROUNDS: Final = 3  # the first time, later one
BUDGET_S: Final = 20.0  # a model that is slower than that is measured by one round
RECENT: Final = 32  # windows: a quarter of a minute of one stream
LEAST_MS: Final = 1.0
FILE: Final = "capacity.txt"


class Learnt:
    """How many streams a host carries, by the windows that it decodes.

    Args:
        batch: windows that its engine decodes at once.

    """

    def __init__(self, batch: int) -> None:
        self._batch = batch
        self._recent_ms: deque[float] = deque(maxlen=RECENT)

    def answered(self, took_ms: float) -> None:
        """Take note of a window that the engine worked at for so long."""
        self._recent_ms.append(took_ms)

    def streams(self, measured: float) -> float:
        """Return streams; what was measured at the start while there were too few windows."""
        if len(self._recent_ms) < RECENT:
            return measured
        return SHARE * TICK_S * self._batch * 1000 / max(statistics.median(self._recent_ms), LEAST_MS)


async def streams_carried(engine: SupervisedEngine, folder: Path, device: str) -> float:
    """Return how many streams an engine carries: the most that was measured with a model on a machine.

    Args:
        engine: started.
        folder: of its model.
        device: part of what the result is kept under.

    """
    files = await asyncio.to_thread(ModelFiles.load, folder)
    machine = f"{cpu_model()} {len(os.sched_getaffinity(0))} {engine.info.precision} {engine.info.batch}"
    before = await asyncio.to_thread(_kept, files, device, machine)
    found = await measure(engine, folder, 1 if before else ROUNDS)
    if found > before:
        await asyncio.to_thread(_keep, files, device, machine, found)
    return max(found, before)


async def measure(engine: SupervisedEngine, folder: Path, rounds: int = ROUNDS) -> float:
    """Decode speech, as many windows at once as the engine takes; return streams."""
    tokenizer = await asyncio.to_thread(Tokenizer, folder)
    (window,) = await asyncio.to_thread(demo_windows, tokenizer, engine.info.n_mels, slice(0, 1))
    job = WindowJob(window.features[:, :WINDOW_FRAMES])
    streams = [engine.open_stream() for _ in range(engine.info.batch)]
    try:
        begin_s, times_s = time.monotonic(), []
        for number in range(1 + rounds):  # the first one fills caches
            start_s = time.monotonic()
            await asyncio.gather(*(engine.decode(stream, job, start_s) for stream in streams))
            times_s.append(time.monotonic() - start_s)
            if number and time.monotonic() - begin_s > BUDGET_S:
                break
    finally:
        for stream in streams:
            engine.close_stream(stream)
    return SHARE * TICK_S * len(streams) / min(times_s[1:] or times_s)


def _kept(files: ModelFiles, device: str, machine: str) -> float:
    folder = kept(files, f"capacity_{device}", machine)
    try:
        return float((folder / FILE).read_text(encoding="ascii")) if folder else 0.0
    except (OSError, ValueError):
        return 0.0


def _keep(files: ModelFiles, device: str, machine: str, streams: float) -> None:
    """Keep a measurement in the place of an earlier one."""

    def build(folder: Path) -> None:
        (folder / FILE).write_text(f"{streams:.3f}", encoding="ascii")

    if (folder := kept(files, f"capacity_{device}", machine)) is not None:
        discard(folder)
    prepare(files, f"capacity_{device}", machine, build)
