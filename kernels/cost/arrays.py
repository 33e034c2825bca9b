"""What the arrays are: facts of the manuals, the same whoever measures.

Sources: columns, rows and channels from mlir-aie `AIETargetModel`; multiply-adds a cycle and the width of a stream from
AM027 (AIE-ML) and the `mmul` shapes of aie_api; rates that AIE2P reaches by emulation are no facts and stand elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from amanuensis.kernels.program import Architecture

STREAM_BYTES: Final = 4  # a cycle and channel


@dataclass(frozen=True, slots=True)
class Array:
    """The compute tiles and their way to the memory.

    Attributes:
        columns: that a program may use.
        rows: of compute tiles in each.
        int8_macs: peak multiply-adds a cycle and core; also of bfp16 on AIE2P.
        clock_ghz: nominal.
        shim_channels: of each column and direction.
        weight_channels: of each column that bring the decoder its weights; activations have the other.
        spreads_heads: whether the decoder's heads go round the columns, instead of filling one after another.

    """

    columns: int
    rows: int
    int8_macs: int
    clock_ghz: float
    shim_channels: int = 2
    weight_channels: int = 1
    spreads_heads: bool = False

    @property
    def cores(self) -> int:
        """Compute tiles."""
        return self.columns * self.rows


ARRAYS: Final[dict[Architecture, Array]] = {
    # npu1: the published peaks fit 1.0 GHz; the driver's levels are 0.8 to 1.6 (xdna-driver `npu1_regs.c`, hclk)
    "npu1": Array(columns=4, rows=4, int8_macs=256, clock_ghz=1.0),
    "npu2": Array(columns=8, rows=4, int8_macs=512, clock_ghz=1.8),  # `npu4_regs.c`, highest level
}
