"""The parameters with which operators are priced: for each architecture a fast, a middle and a slow device.

The middle is what a design reaches that is built like IRON's flm product; fast is the best published, slow the plain
one at the lowest clock. Only for npu1 are all three published, in bf16; int8 and npu2 take the same shares of the best.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from amanuensis.kernels.cost.arrays import ARRAYS
from amanuensis.kernels.cost.band import Band
from amanuensis.kernels.cost.fitted import FITTED
from amanuensis.kernels.program import Architecture

Case: TypeAlias = Literal["fast", "middle", "slow"]
BASIS: Final = "modelled, not measured on an NPU"

PLAIN_SHARE: Final = FITTED.npu1_plain / FITTED.npu1_best_bf16
TUNED_SHARE: Final = FITTED.npu1_tuned / FITTED.npu1_best_bf16
LANE_FACTOR: Final = 2.0  # the estimates of cycles per element are uncertain by as much
OPERATOR_US: Final = Band(3, FITTED.operator_us, 17)  # fixed cost of an operator in a sequence: IRON's decode steps
MEMORY_GB_S: Final[dict[Architecture, tuple[float, float]]] = {  # slow, fast
    "npu1": (15, 30),  # assumed: nothing is published; its channels carry 32 in one direction
    "npu2": (47, FITTED.npu2_memory_gb_s),  # flm's contiguous transfers, a tuned copy
}
# From one array configuration to another. Nobody measured npu1, where it means another xclbin: low and mid are assumed.
# The high end follows from the only hint: 24 products that change between four xclbins take 140 ms where each alone is
# told to reach 976 to 1377 GOPS, 89 ms at most; at most the rest is the changes (tibrezus/xdna-npu-toolkit @ef0ef97,
# docs/PROFILING-FINDINGS.md). On npu2 it is a change of design inside an ELF, from the switch alone to a whole small
# dispatch (IRON).
SWITCH_US: Final[dict[Architecture, Band]] = {
    "npu1": Band(100, 225, 2100),
    "npu2": Band(38, FITTED.npu2_switch_us, 150),
}
SLOW_CLOCK_GHZ: Final[dict[Architecture, float]] = {"npu1": 0.8, "npu2": 1.267}  # levels of the driver on low power
EMPTY_DISPATCH_US: Final = 45.0  # mlir-aie#2381
WARM_DISPATCH_US: Final = 160.0  # from Python (IRON's notes for contributors)


@dataclass(frozen=True, slots=True)
class Parameters:
    """One device as it may be.

    Attributes:
        clock_ghz: of the array.
        int8_macs: multiply-adds that a product reaches, a cycle and core.
        bf16_macs: the same.
        lane_factor: cycles of what is no product, as a multiple of the estimate.
        memory_gb_s: of contiguous transfers, both directions together.
        burst_ns: that every burst costs besides its bytes.
        operator_us: fixed cost of an operator in a sequence.
        dispatch_us: fixed cost of a sequence.

    """

    clock_ghz: float
    int8_macs: float
    bf16_macs: float
    lane_factor: float
    memory_gb_s: float
    burst_ns: float
    operator_us: float
    dispatch_us: float


def _cases(architecture: Architecture) -> dict[Case, Parameters]:
    if architecture == "npu1":
        int8, bf16 = FITTED.npu1_best_int8, FITTED.npu1_best_bf16
        memory, dispatch_us = FITTED.npu1_memory_gb_s, FITTED.npu1_dispatch_us
    else:
        int8, bf16 = FITTED.npu2_best_int8, FITTED.npu2_best_bf16
        memory, dispatch_us = 55.0, FITTED.npu2_dispatch_us  # between what flm and what a copy reach
    slow_gb_s, fast_gb_s = MEMORY_GB_S[architecture]
    clock_ghz, burst_ns = ARRAYS[architecture].clock_ghz, FITTED.burst_ns
    slow_us = max(WARM_DISPATCH_US, dispatch_us)
    middle_int8, middle_bf16 = TUNED_SHARE * int8, TUNED_SHARE * bf16
    slow = PLAIN_SHARE * int8, PLAIN_SHARE * bf16
    return {
        "fast": Parameters(
            clock_ghz, int8, bf16, 1 / LANE_FACTOR, fast_gb_s, burst_ns, OPERATOR_US.low, EMPTY_DISPATCH_US
        ),
        "middle": Parameters(
            clock_ghz, middle_int8, middle_bf16, 1.0, memory, burst_ns, OPERATOR_US.middle, dispatch_us
        ),
        "slow": Parameters(
            SLOW_CLOCK_GHZ[architecture], *slow, LANE_FACTOR, slow_gb_s, burst_ns, OPERATOR_US.high, slow_us
        ),
    }


@dataclass(frozen=True, slots=True)
class Model:
    """The cost model of one architecture.

    Attributes:
        architecture: whose.
        cases: parameters of the fast, the middle and the slow device.
        switch_us: of a change of configuration, beside the dispatch that it costs.
        basis: what the figures rest on, in words.

    """

    architecture: Architecture
    cases: dict[Case, Parameters]
    switch_us: Band
    basis: str = BASIS

    @property
    def dispatch_us(self) -> Band:
        """Fixed cost of a sequence, beside its operators."""
        fast, middle, slow = (self.cases[case].dispatch_us for case in ("fast", "middle", "slow"))
        return Band(fast, middle, slow)


MODELS: Final[dict[Architecture, Model]] = {
    architecture: Model(architecture, _cases(architecture), SWITCH_US[architecture]) for architecture in ARRAYS
}
