"""The marks that plans print are those of the designs."""

from __future__ import annotations

import numpy as np
import pytest

from amanuensis.kernels.compile.work import DESIGNS, Designs, load_designs
from amanuensis.kernels.designs.budget import MARKS
from amanuensis.kernels.memory import Memory
from amanuensis.kernels.operands import Region
from amanuensis.kernels.operators import Attention, LayerNorm, Operator, Select
from amanuensis.kernels.program import Architecture
from amanuensis.kernels.sim import limits
from amanuensis.kernels.sim.check import check
from amanuensis.kernels.sim.device import NPU1, NPU2
from tests.kernels.cores import needs_compiler

DEVICES = {"npu1": NPU1, "npu2": NPU2}
PROGRAM_TOLERANCE = 0.1  # of what another compiler makes of the same source


def smallest(name: str) -> Operator:
    """Return an operator of a configuration; the graph is the same for all."""
    src, dst, one, two = Region(1, 0), Region(4, 0), Region(0, 0), Region(0, 4096)
    if name == "attention":
        return Attention(src, Region(2, 0), Region(2, 1 << 19), dst, 256, 256, 4, 64, False, 0, 0.125)
    if name == "choice":
        return Select(src, one, Region(3, 1024), dst, 1, 200, 208, 2, 150, 120, 130)
    return LayerNorm(src, dst, one, two, 32, 512)


def buffers() -> list[np.ndarray]:
    """Return five buffers that are large enough."""
    return [np.zeros(1 << 20, np.uint8) for _ in range(5)]


def test_every_configuration_has_marks() -> None:
    """None is missing in what is printed."""
    assert set(MARKS) == set(DESIGNS)


@needs_compiler
@pytest.mark.parametrize("architecture", list(DEVICES))
@pytest.mark.parametrize("name", list(MARKS))
def test_marks_are_those_of_the_check(name: str, architecture: Architecture) -> None:
    """Memories to the byte, the stand-in for a program as near as compilers agree; all within the limits."""
    designs: Designs = load_designs()[name]
    program = designs.launch(smallest(name), Memory(buffers()), DEVICES[architecture]()).program
    report = check(program.resolve_program())
    core, memory, marks = report.most("core"), report.most("mem"), MARKS[name]
    assert core.memory_bytes == marks.core_bytes <= limits.of("core").memory_bytes
    assert memory.memory_bytes == marks.memory_tile_bytes <= limits.of("mem").memory_bytes
    assert core.program_bytes == pytest.approx(marks.program_bytes[architecture], rel=PROGRAM_TOLERANCE)
    assert marks.program_bytes[architecture] <= limits.PROGRAM_BYTES
