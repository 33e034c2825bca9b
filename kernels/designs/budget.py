"""What each configuration takes of the fullest tile of a kind; a test holds it to the check of the simulator.

Plans print them without a compiler at hand. The bytes of a core's program are those of the host's build, a stand-in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from amanuensis.kernels.program import Architecture


@dataclass(frozen=True, slots=True)
class Marks:
    """High-water marks of a configuration.

    Attributes:
        core_bytes: objects, buffers and stack, of 65,536.
        program_bytes: of a core, by architecture, of 16,384: a stand-in.
        memory_tile_bytes: of 524,288.

    """

    core_bytes: int
    program_bytes: dict[Architecture, int]
    memory_tile_bytes: int


MARKS: Final[dict[str, Marks]] = {
    "products": Marks(65_012, {"npu1": 15_806, "npu2": 16_311}, 40_960),
    "attention": Marks(60_208, {"npu1": 7_314, "npu2": 7_314}, 81_920),
    "decoder": Marks(51_836, {"npu1": 13_981, "npu2": 13_992}, 66_560),
    "choice": Marks(55_360, {"npu1": 15_356, "npu2": 15_356}, 32_768),
}
