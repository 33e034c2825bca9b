"""The parameters that published figures were fitted with; `amanuensis.kernels.cost.calibrate.fit` makes them again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Fitted:
    """Parameters of both architectures; rates in multiply-adds a cycle and core, at the nominal clock.

    Attributes:
        npu1_dispatch_us: a product alone, besides its ramp, started from Python.
        npu1_plain: bf16, mlir-aie's whole_array.
        npu1_tuned: bf16, IRON's flm.
        npu1_best_bf16: the best that was published.
        npu1_best_int8: the same.
        npu1_memory_gb_s: an assumption, of which C1 confirms only that less would not do.
        npu2_dispatch_us: as for npu1.
        npu2_int16: int16, mlir-aie's dynamic whole_array.
        npu2_best_bf16: the best that was published.
        npu2_best_int8: the same; that of bfp16 too.
        npu2_memory_gb_s: of contiguous transfers, both directions together.
        npu2_column_wait_us: of each column that is waited for on its own.
        npu2_switch_us: from one design to another inside a sequence.
        burst_ns: that every burst to memory costs besides its bytes.
        fresh_call_us: a call that makes its buffers anew and starts an unpooled run (Python).
        scalar_cycles: for an element of a row operator in scalar code.

    """

    npu1_dispatch_us: float
    npu1_plain: float
    npu1_tuned: float
    npu1_best_bf16: float
    npu1_best_int8: float
    npu1_memory_gb_s: float
    npu2_dispatch_us: float
    npu2_int16: float
    npu2_best_bf16: float
    npu2_best_int8: float
    npu2_memory_gb_s: float
    npu2_column_wait_us: float
    npu2_switch_us: float
    burst_ns: float
    fresh_call_us: float
    scalar_cycles: float


FITTED: Final = Fitted(
    npu1_dispatch_us=135,
    npu1_plain=52.5,
    npu1_tuned=67,
    npu1_best_bf16=95.8,
    npu1_best_int8=206,
    npu1_memory_gb_s=20,
    npu2_dispatch_us=190,
    npu2_int16=36.7,
    npu2_best_bf16=127.7,
    npu2_best_int8=330,
    npu2_memory_gb_s=66.6,
    npu2_column_wait_us=20,
    npu2_switch_us=107,
    burst_ns=1.358,
    fresh_call_us=300,
    scalar_cycles=46,
)
