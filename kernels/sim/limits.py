"""What a tile has, for npu1 and npu2 alike.

Sources, by mlir-aie at the commit in tests/data/iron/surface.json: `include/aie/Dialect/AIE/IR/AIETargetModel.h` with
its implementation for memory, locks, descriptors and channels; `AIEX::verifyStridesWraps` in
`lib/Dialect/AIEX/IR/AIEXDialect.cpp` for the widths of steps, wraps and iterations; `python/utils/regdb.py` for program
memory. The queue of a shim channel: amd/IRON, README of its GEMM `flm`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

ITERATIONS: Final = 64  # iteration field of every descriptor, 6 bits
QUEUED_TASKS: Final = 4  # tasks under way in one shim channel
TASK_REPEATS: Final = 256  # repeat_count of a task, 8 bits, counted from 0
LOCK_VALUE: Final = 63
PROGRAM_BYTES: Final = 16384


@dataclass(frozen=True, slots=True)
class TileLimits:
    """Limits of a kind of tile.

    Attributes:
        memory_bytes: data memory; 0 at the shim.
        locks: how many.
        descriptors: buffer descriptors; of a memory tile, even channels reach the first half and odd ones the second.
        channels: of each direction.
        dims: sizes of a descriptor, iteration aside.
        words: longest transfer of a descriptor, in words of 32 bits.
        wrap: largest size but the outermost.
        step: largest stride, in words.

    """

    memory_bytes: int
    locks: int
    descriptors: int
    channels: int
    dims: int
    words: int
    wrap: int
    step: int


_LIMITS: Final = {
    "core": TileLimits(65536, 16, 16, 2, 3, (1 << 14) - 1, 255, 1 << 13),
    "mem": TileLimits(524288, 64, 48, 6, 4, (1 << 17) - 1, 1023, 1 << 17),
    "shim": TileLimits(0, 16, 16, 2, 3, (1 << 32) - 1, 1023, 1 << 20),
}


def of(kind: str) -> TileLimits:
    """Return the limits of `core`, `mem` or `shim`."""
    return _LIMITS[kind]
