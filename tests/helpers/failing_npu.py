"""Engines on a simulated NPU that breaks in its second window, or has wrong operators; for the engine process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amanuensis.npu import pyxrt_emulator
from amanuensis.npu.devices.together import Outcome
from amanuensis.npu.engine.api import EngineConfig, EngineInfo
from amanuensis.npu.loading import LoadedModel, load_model
from amanuensis.npu.pyxrt_emulator import Fault, Settings
from amanuensis.npu.voice_vector import VoiceVector
from amanuensis.npu.window import WindowJob, WindowResult


@dataclass
class Breaking:
    """A loaded model whose device breaks."""

    model: LoadedModel
    fault: Fault
    windows: int = 0

    @property
    def info(self) -> EngineInfo:
        return self.model.info

    def decode(self, job: WindowJob) -> WindowResult:
        self.windows += 1
        if self.windows == 2:
            pyxrt_emulator.inject(self.fault)
        return self.model.decode(job)

    def decode_together(self, jobs: Sequence[WindowJob], ended: Callable[[int, Outcome], None]) -> None:
        self.windows += len(jobs)
        if self.windows - len(jobs) < 2 <= self.windows:
            pyxrt_emulator.inject(self.fault)
        self.model.decode_together(jobs, ended)

    def embed(self, features: NDArray[np.float32]) -> VoiceVector:
        return self.model.embed(features)

    def maintain(self, streams: int, *, voice: bool) -> float | None:
        return self.model.maintain(streams, voice=voice)


def hanging(config: EngineConfig) -> Breaking:
    """Open a model on a device that hangs."""
    return Breaking(load_model(config), Fault("hang", at=4, lasts=1 << 20))


def lying(config: EngineConfig) -> Breaking:
    """Open a model on a device that answers zeros."""
    return Breaking(load_model(config), Fault("zeros", at=4, lasts=1 << 20))


def spoiled(config: EngineConfig) -> LoadedModel:
    """Open a model on a device that computes two kinds of operators wrongly."""
    pyxrt_emulator.configure(Settings(spoiled_operators=("LayerNorm", "Select")))
    return load_model(config)
