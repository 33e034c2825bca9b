"""The configuration `products` fits the device and is one graph, whatever is launched on it."""

from __future__ import annotations

from typing import Any

import pytest

from amanuensis.kernels.designs._iron import NPU1, NPU2, Device, NPU1Col2
from amanuensis.kernels.designs.launch import LaunchError
from amanuensis.kernels.designs.products import configuration
from amanuensis.kernels.designs.products_launch import COVERS, launch
from amanuensis.kernels.memory import Memory
from amanuensis.kernels.operators import Operator
from amanuensis.kernels.sim import limits
from amanuensis.kernels.sim.check import check
from amanuensis.kernels.sim.plan import Design
from tests.kernels.cores import needs_compiler
from tests.kernels.designs.products_cases import Kind, columns, copied, memory_for, norm, product, quantised, summed
from tests.kernels.graphs import graph

DEVICES = pytest.mark.parametrize("device", [NPU1(), NPU2()], ids=str)
ROOM = 1 << 22


def every_operator() -> list[tuple[Operator, Memory]]:
    """Return each operator, products in several forms, with the memory that it is for."""
    made: list[tuple[Operator, Memory]] = []

    def add(make: Any, *arguments: Any, **options: Any) -> None:
        memory = memory_for(ROOM)
        made.append((make(memory, *arguments, **options), Memory(memory.buffers)))

    add(product, "int8", 256, 512, 2048, gelu=True)
    add(product, "int8", 300, 520, 512, residual="in_place", out="f32")
    add(product, "bf16", 33, 240, 512, gelu=True)
    add(product, "requantise", 9, 64, 64)
    add(norm, 250, 512)
    add(quantised, 33, 2048)
    add(summed, 33, 384)
    add(copied, 250, 1024)
    add(columns, 33, 40, 80, 1, 240, "bf16")
    return made


def resolved(operator: Operator, memory: Memory, device: Device) -> Design:
    """Return the design of a launch."""
    return launch(operator, memory, device).program.resolve_program()


@DEVICES
def test_all_launches_have_one_graph(device: Device) -> None:
    """Operators, sizes, places and endings change the sequence alone."""
    cases = every_operator()
    plans = [resolved(operator, memory, device) for operator, memory in cases]
    assert {type(operator) for operator, _ in cases} == COVERS
    assert all(graph(plan) == graph(plans[0]) for plan in plans[1:])
    assert len({tuple(map(str, plan.commands)) for plan in plans}) == len(plans)


@needs_compiler
@DEVICES
def test_every_launch_fits_the_device(device: Device, capsys: pytest.CaptureFixture[str]) -> None:
    """Memories, locks, channels, descriptors and the stand-in for program memory are within the limits."""
    reports = [check(resolved(operator, memory, device)) for operator, memory in every_operator()]
    marks = {kind: reports[0].most(kind) for kind in ("core", "mem", "shim")}
    with capsys.disabled():
        print()
        for kind, use in marks.items():
            print(f"products on {device}, most of a {kind} tile: {use}")
    core, mem, shim = marks.values()
    assert limits.of("core").memory_bytes // 8 * 7 < core.memory_bytes <= limits.of("core").memory_bytes
    assert limits.PROGRAM_BYTES // 8 * 7 < core.program_bytes <= limits.PROGRAM_BYTES
    assert (core.s2mm, core.mm2s, mem.s2mm, mem.mm2s, shim.mm2s, shim.s2mm) == (2, 1, 6, 3, 2, 1)
    assert max(report.most("shim").descriptors for report in reports) <= 12


def test_weights_come_in_long_bursts() -> None:
    """Every transfer of b reads at least 256 bytes that follow one another, and so does one of int8 a."""
    cases: list[tuple[Kind, str]] = [("int8", "ab"), ("bf16", "b")]
    for kind, way in cases:
        memory = memory_for(ROOM)
        plan = resolved(product(memory, kind, 256, 512, 512), Memory(memory.buffers), NPU1())
        steps = [c.transfer for c in plan.commands if hasattr(c, "transfer") and c.transfer.handle._is_prod]
        moved = [t for t in steps if t.handle.name[0] in way and t.bytes >= 8 * 4096]
        assert moved
        assert all(t.sizes[-1] * 4 >= 256 and t.strides[-1] == 1 for t in moved)


def test_a_device_of_two_columns_is_refused() -> None:
    """Rows of a come by a column each."""
    with pytest.raises(LaunchError, match="NPU1Col2 has 2 columns; a multiple of 4 is needed"):
        configuration(NPU1Col2())


def test_no_rows_make_an_empty_launch() -> None:
    """An operator of no rows does nothing."""
    memory = memory_for(ROOM)
    operator = product(memory, "int8", 64, 64, 64)
    object.__setattr__(operator, "rows", 0)
    assert resolved(operator, Memory(memory.buffers), NPU1()).commands == []
