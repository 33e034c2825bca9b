"""A model's sequences as compiled launches from a package, dispatched by the host's code on the emulated NPU."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from amanuensis.kernels.compile.build import Order, build
from amanuensis.kernels.compile.manifest import load_manifest
from amanuensis.kernels.compile.simulated import SimulatedMaker
from amanuensis.kernels.compile.work import DESIGNS, Dispatched, Work
from amanuensis.kernels.operators import Operator
from amanuensis.kernels.program import Architecture
from amanuensis.npu import pyxrt_emulator
from amanuensis.npu.device_weights import DeviceWeights
from amanuensis.npu.devices.xrt.launches import rooms_of
from amanuensis.npu.devices.xrt.package import Package
from amanuensis.npu.devices.xrt.probe import open_device
from amanuensis.npu.devices.xrt.quality import DeviceRun
from amanuensis.npu.devices.xrt.runner import LaunchRunner
from amanuensis.npu.devices.xrt.runtime import DATA_KINDS, Target, XrtRuntime
from amanuensis.npu.model_files import ModelFiles
from tests.helpers.design_run import PartRun


class PackageRun(PartRun):
    """Builds the launches of what it is asked for, and runs them on the emulator."""

    def __init__(self, files: ModelFiles, weights: DeviceWeights, folder: Path, architecture: Architecture) -> None:
        super().__init__(files, weights)
        found = open_device(pyxrt_emulator)
        self._folder, self._architecture = folder, architecture
        self._target = Target(found.device, "sim", found.name, found.architecture, folder)
        self._works = 0

    def take_memory(self, other: DeviceRun) -> None:
        """Go on from what another run of the same model left in its memory; surplus ids of tokens are 0."""
        super().take_memory(other)
        self._input[:] = 0

    def _run(self, operators: Iterable[Operator]) -> None:
        sequence, rooms = tuple(operators), rooms_of(self.memory)
        sizes = tuple(buffer.size for buffer in self._buffers)
        work = Work("piece", (Dispatched(self._part, sequence),), rooms, sizes)
        self._works += 1
        folder = self._folder / str(self._works)
        maker = SimulatedMaker(self._architecture, DESIGNS, sizes)
        manifest = build(Order(work, self._architecture, maker, folder, DESIGNS))
        assert not manifest.lacking
        package = Package(folder, load_manifest(folder, self._architecture))
        runtime = XrtRuntime(pyxrt_emulator, replace(self._target, package=package))
        runner = LaunchRunner(runtime, package, rooms)
        prepared = runner.prepare(sequence, self._part)
        buffers = tuple(runtime.allocate(None, size, kind) for size, kind in zip(sizes, DATA_KINDS, strict=True))
        for buffer, content in zip(buffers, self._buffers, strict=True):
            runtime.write(buffer, content)
        pending = runner.start(prepared, self._input[: self._input.size // 4 * 4].view(np.int32), buffers)
        assert pending is not None
        runtime.wait(pending)
        for buffer, content in zip(buffers[1:], self._buffers[1:], strict=True):
            content[:] = runtime.read(buffer, content.shape, np.uint8)
        runtime.close()
