"""Whether the decoder belongs on the NPU or on the CPU beside it: the cost model against a measurement.

A decoder reads all its weights for every few tokens. The CPU reads the same memory at least as fast, so which of the
two is quicker depends on the model and the machine. The NPU's time comes from the cost model (modelled, not measured
on an NPU); that of the CPU is measured here, once, when the model is loaded.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from amanuensis.kernels.cost.band import Band
from amanuensis.npu.devices.hybrid import SplitBackend
from amanuensis.npu.devices.xrt.plan import NEW_TOKENS, VERIFIED_TOKENS, Planner, decoding_us, stream_frames
from amanuensis.npu.row_rules import Row, RowRules

ROUNDS: Final = 5  # after one that does not count
SEED: Final = 1


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the decoder would take for a tick: the verification of a hypothesis and a few new tokens.

    Attributes:
        device: microseconds on the NPU, modelled, with the changes of its configuration.
        cpu_us: on this CPU, measured, with what it must compute of the encoder's states first.

    """

    device: Band
    cpu_us: float

    @property
    def on_device(self) -> bool:
        """Whether the NPU is at least as quick, in the middle of the band."""
        return self.device.middle <= self.cpu_us

    def __str__(self) -> str:
        low, middle, high = (f"{end / 1e3:.2g}" for end in (self.device.low, self.device.middle, self.device.high))
        return f"{self.cpu_us / 1e3:.2g} ms a tick measured on the CPU, {middle} ({low} to {high}) modelled on the NPU"


def verdict(planner: Planner, cpu: SplitBackend) -> Verdict:
    """Return what speaks for each; `cpu` has its selection loaded."""
    frames = stream_frames(planner.dimensions)
    return Verdict(decoding_us(planner, frames), measured_us(cpu, frames))


def measured_us(cpu: SplitBackend, frames: int, clock: Callable[[], float] = time.perf_counter) -> float:
    """Return the median microseconds of a tick's decoding on the CPU, on states of noise."""
    states = np.random.default_rng(SEED).standard_normal((frames, cpu.dimensions.width)).astype(np.float32)
    tokens = [token % cpu.dimensions.vocabulary for token in range(VERIFIED_TOKENS)]
    rules = RowRules()

    def tick() -> float:
        started_s = clock()
        decoder = cpu.decoder(cpu.encoding_of(states))
        decoder.forward(tokens, [Row(row, rules) for row in range(VERIFIED_TOKENS)])
        for token in tokens[:NEW_TOKENS]:
            decoder.step([token], [rules])
        return 1e6 * (clock() - started_s)

    tick()
    return statistics.median(tick() for _ in range(ROUNDS))
