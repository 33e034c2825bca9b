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
        npu1_int16: int16, mlir-aie's single_core and whole_array.
        npu1_best_bf16: the best that was published.
        npu1_best_int8: the same.
        npu1_memory_gb_s: contiguous, both directions; assumed, C1 only says that much less would not do.
        npu2_dispatch_us: as for npu1.
        npu2_int16: int16, mlir-aie's dynamic whole_array.
        npu2_best_bf16: the best that was published.
        npu2_best_int8: the same; that of bfp16 too.
        npu2_memory_gb_s: of contiguous transfers, both directions together.
        npu2_switch_us: from one design to another inside a sequence.
        operator_us: of a small operator inside a sequence.
        burst_ns: that every burst to memory costs besides its bytes.
        fresh_call_us: a call that makes small buffers anew and starts an unpooled run (Python), its dispatch included.
        fresh_gb_s: at which such a call makes buffers, copies arrays in and out of them and flushes.
        scalar_cycles: for an element of a row operator in scalar code.

    """

    npu1_dispatch_us: float
    npu1_plain: float
    npu1_tuned: float
    npu1_int16: float
    npu1_best_bf16: float
    npu1_best_int8: float
    npu1_memory_gb_s: float
    npu2_dispatch_us: float
    npu2_int16: float
    npu2_best_bf16: float
    npu2_best_int8: float
    npu2_memory_gb_s: float
    npu2_switch_us: float
    operator_us: float
    burst_ns: float
    fresh_call_us: float
    fresh_gb_s: float
    scalar_cycles: float


# Made by `fit()`, to four digits; the best rates are the peaks of C4, rounded down.
FITTED: Final = Fitted(
    npu1_dispatch_us=129.2,
    npu1_plain=51.27,
    npu1_tuned=66.79,
    npu1_int16=23.9,
    npu1_best_bf16=98.12,
    npu1_best_int8=211.2,
    npu1_memory_gb_s=22.12,
    npu2_dispatch_us=134.9,
    npu2_int16=32.0,
    npu2_best_bf16=127.6,
    npu2_best_int8=330.2,
    npu2_memory_gb_s=69.89,
    npu2_switch_us=113.8,
    operator_us=7.203,
    burst_ns=1.38,
    fresh_call_us=280.8,
    fresh_gb_s=3.664,
    scalar_cycles=45.36,
)
