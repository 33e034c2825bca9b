"""How long operators would take on the device: a model with bands, not a measurement on an NPU.

An operator takes the longer of its arithmetic and its traffic with the memory, plus a fixed cost inside a sequence;
each operand crosses the memory once. The figures and where they come from: AM027, the Linux driver's clock tables and
arXiv 2512.13282 for arithmetic; the READMEs of IRON and issues of mlir-aie for memory, dispatch and fixed costs. No
figure for the memory of npu1 is published: 20 GB/s is an assumption. Per-element cycles are estimates, uncertain by a
factor 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from amanuensis.kernels.loads import Load
from amanuensis.kernels.program import Architecture


@dataclass(frozen=True, slots=True)
class Band:
    """A figure and how far off it may be; the middle is for where only one number fits."""

    low: float
    middle: float
    high: float

    def __add__(self, other: Band) -> Band:
        return Band(self.low + other.low, self.middle + other.middle, self.high + other.high)


@dataclass(frozen=True, slots=True)
class Device:
    """The parameters of one architecture; a band runs from slow to fast.

    Attributes:
        clock_ghz: of the array.
        cores: compute tiles.
        int8_macs: multiply-adds a cycle and core.
        bf16_macs: the same.
        int8_efficiency: share of the peak that published products reach.
        bf16_efficiency: the same.
        memory_gb_s: of contiguous transfers.

    """

    clock_ghz: Band
    cores: int
    int8_macs: int
    bf16_macs: int
    int8_efficiency: Band
    bf16_efficiency: Band
    memory_gb_s: Band


DEVICES: Final[dict[Architecture, Device]] = {
    "npu1": Device(
        clock_ghz=Band(0.8, 1.0, 1.6),
        cores=16,
        int8_macs=256,
        bf16_macs=128,
        int8_efficiency=Band(0.4, 0.65, 0.83),
        bf16_efficiency=Band(0.4, 0.57, 0.77),
        memory_gb_s=Band(15, 20, 30),
    ),
    "npu2": Device(
        clock_ghz=Band(1.27, 1.8, 1.8),
        cores=32,
        int8_macs=512,
        bf16_macs=128,  # emulated: what the best published 14.71 TFLOPS need
        int8_efficiency=Band(0.3, 0.5, 0.65),
        bf16_efficiency=Band(0.5, 0.75, 1.0),
        memory_gb_s=Band(47, 55, 66),
    ),
}

OPERATOR_US: Final = Band(3, 8, 17)  # fixed cost of a small operator inside one sequence
DISPATCH_US: Final = Band(45, 60, 160)  # of a sequence, beside its operators

_CYCLES_FACTOR: Final = 2.0  # of the estimates of cycles per element


def operator_us(architecture: Architecture, load: Load) -> Band:
    """Return the modelled microseconds of one operator inside a sequence.

    Args:
        architecture: whose parameters.
        load: its arithmetic and traffic.

    """
    device = DEVICES[architecture]
    ends = []
    for end, factor in (("high", 1 / _CYCLES_FACTOR), ("middle", 1.0), ("low", _CYCLES_FACTOR)):
        ghz = getattr(device.clock_ghz, end)
        per_us = device.cores * ghz * 1e3  # core cycles
        compute = load.int8_macs / (device.int8_macs * getattr(device.int8_efficiency, end) * per_us)
        compute += load.bf16_macs / (device.bf16_macs * getattr(device.bf16_efficiency, end) * per_us)
        compute += load.lane_cycles * factor / per_us
        ends.append(max(compute, load.n_bytes / (getattr(device.memory_gb_s, end) * 1e3)))
    return Band(*ends) + OPERATOR_US
