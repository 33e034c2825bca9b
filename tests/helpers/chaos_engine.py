"""An engine process on a simulated NPU in trouble: `Supervision(loader=LOADER)` with `PYTHONPATH` at the repository.

The process takes the seed of its trouble from CHAOS_SEED, and appends to the file CHAOS_STRUCK the kinds of the faults
that struck while a window was decoded, one a line.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from amanuensis.npu import pyxrt_emulator
from amanuensis.npu.devices.together import Outcome
from amanuensis.npu.engine.api import EngineConfig, EngineInfo
from amanuensis.npu.loading import LoadedModel, load_model
from amanuensis.npu.voice_vector import VoiceVector
from amanuensis.npu.window import WindowJob, WindowResult
from tests.helpers.chaos_faults import draw_trouble

LOADER: Final = "tests.helpers.chaos_engine:troubled"
HURRY: Final = 1000.0  # a device that failed is tried again after milliseconds instead of seconds
DISPATCHES: Final = 20  # of a short session


@dataclass
class Troubled:
    """A loaded model that writes down which faults have struck."""

    model: LoadedModel
    log: Path

    @property
    def info(self) -> EngineInfo:
        return self.model.info

    def decode(self, job: WindowJob) -> WindowResult:
        with self._noting():
            return self.model.decode(job)

    def decode_together(self, jobs: Sequence[WindowJob], ended: Callable[[int, Outcome], None]) -> None:
        with self._noting():
            self.model.decode_together(jobs, ended)

    def embed(self, features: NDArray[np.float32]) -> VoiceVector:
        with self._noting():
            return self.model.embed(features)

    @contextmanager
    def _noting(self) -> Iterator[None]:
        before = Counter(pyxrt_emulator.counters().faults)
        yield
        with self.log.open("a") as file:
            file.writelines(f"{kind}\n" for kind in Counter(pyxrt_emulator.counters().faults) - before)

    def maintain(self, streams: int, *, voice: bool) -> float | None:
        return self.model.maintain(streams, voice=voice)


def troubled(config: EngineConfig) -> Troubled:
    """Open a model on a device in trouble; the faults begin once it is open."""
    model = load_model(config, lambda: HURRY * time.monotonic())
    for fault in draw_trouble(int(os.environ["CHAOS_SEED"]), DISPATCHES).faults:
        pyxrt_emulator.inject(fault)
    return Troubled(model, Path(os.environ["CHAOS_STRUCK"]))
