"""A model's sequences through the designs of the array, in their simulator, on the bytes that the engine lays out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from amanuensis.kernels.compile.lowering import Part, configuration_of
from amanuensis.kernels.compile.work import Designs, covers_of, launched, load_designs
from amanuensis.kernels.designs.launch import run_launch
from amanuensis.kernels.memory import Memory
from amanuensis.kernels.operators import Operator
from amanuensis.kernels.sim.engine import Speed
from amanuensis.npu.device_weights import DeviceWeights
from amanuensis.npu.devices.xrt.quality import DeviceRun, Float32
from amanuensis.npu.model_files import ModelFiles


class PartRun(DeviceRun):
    """Knows which part of the model runs, and can go on from the memory of another run."""

    _part: Part = "encoder"

    def encode(self, features: Float32) -> Iterator[tuple[str, Float32]]:
        self._part = "encoder"
        return super().encode(features)

    def decode(self, frames: int, tokens: Sequence[int]) -> Iterator[tuple[str, Float32]]:
        self._part = "decoder"
        return super().decode(frames, tokens)

    def take_memory(self, other: DeviceRun) -> None:
        """Go on from what another run of the same model left in its memory."""
        for ours, theirs in zip(self._buffers[1:], other._buffers[1:], strict=True):
            ours[:] = theirs


class DesignRun(PartRun):
    """Runs every operator by the design of its configuration.

    Attributes:
        launches: how many of each configuration.

    """

    def __init__(self, files: ModelFiles, weights: DeviceWeights, device: Any, speed: Speed = "object") -> None:
        super().__init__(files, weights)
        self.launches: Counter[str] = Counter()
        self._device = device
        self._speed = speed
        self._designs = load_designs()

    def _run(self, operators: Iterable[Operator]) -> None:
        for name, part in groupby(operators, lambda op: configuration_of(op, self._part, covers_of(self._designs))):
            assert name is not None
            run = tuple(part)
            together = hasattr(self._designs[name], "launch_sequence")
            for each in [run] if together else [(operator,) for operator in run]:
                self._launch(name, self._designs[name], each)

    def _launch(self, name: str, designs: Designs, operators: Sequence[Operator]) -> None:
        launch = launched(designs, operators, Memory(self._buffers), self._device)
        run_launch(launch, self._buffers, self._speed)
        self.launches[name] += 1
