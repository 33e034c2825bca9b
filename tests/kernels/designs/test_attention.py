"""The configuration `attention` fits the device, and is the same array for every launch."""

from __future__ import annotations

from typing import Any

import pytest

from amanuensis.kernels.designs._iron import NPU1, NPU2, Device, NPU1Col1
from amanuensis.kernels.designs.attention import HEADS, configuration
from amanuensis.kernels.designs.attention_launch import launch
from amanuensis.kernels.designs.launch import LaunchError
from amanuensis.kernels.memory import Memory
from amanuensis.kernels.operands import Buffer, Parameter, Region
from amanuensis.kernels.operators import Attention
from amanuensis.kernels.sim import limits
from amanuensis.kernels.sim.check import check
from amanuensis.kernels.sim.plan import Design
from tests.kernels.device import Device as DeviceMemory
from tests.kernels.graphs import graph

DEVICES = pytest.mark.parametrize("device", [NPU1(), NPU2()], ids=str)


def design(device: Device, rows: int, keys: int, heads: int, size: int = 64, **options: Any) -> Design:
    """Return the resolved launch of an attention over memory that nothing is put into."""
    places = [Region(buffer, 0) for buffer in (Buffer.SCRATCH, Buffer.CACHE, Buffer.WEIGHTS, Buffer.OUTPUT)]
    asked = {"causal": False, "first": 0, "scale": size**-0.5, **options}
    operator = Attention(*places, rows=rows, keys=keys, heads=heads, size=size, **asked)
    memory = DeviceMemory(4 << 20)
    memory.set_parameters({1: 700})
    return launch(operator, Memory(memory.buffers), device).program.resolve_program()


@DEVICES
def test_all_launches_have_one_graph(device: Device) -> None:
    """Rows, keys, heads, pitches and causality change the sequence alone."""
    launches = [
        design(device, 256, 250, 8),
        design(device, 1, 1, 1),
        design(device, 33, 500, 6, causal=True, first=467),
        design(device, 512, Parameter(1), 4, q_pitch=1536, kv_pitch=1536),
    ]
    graphs = [graph(plan) for plan in launches]
    assert all(other == graphs[0] for other in graphs[1:])
    assert len({tuple(map(str, plan.commands)) for plan in launches}) == len(launches)


@DEVICES
def test_the_configuration_fits_the_device(device: Device, capsys: pytest.CaptureFixture[str]) -> None:
    """The marks of a launch with ragged rows and keys, which takes most descriptors, are within the limits."""
    report = check(design(device, 300, 500, 8))
    with capsys.disabled():
        print()
        for kind in ("core", "mem", "shim"):
            print(f"attention on {device}, most of a {kind} tile: {report.most(kind)}")
    core, mem, shim = (report.most(kind) for kind in ("core", "mem", "shim"))
    assert core.memory_bytes > limits.of("core").memory_bytes // 8 * 7
    assert core.program_bytes < limits.PROGRAM_BYTES // 2
    assert (core.s2mm, core.mm2s, mem.s2mm, mem.mm2s, shim.mm2s, shim.s2mm) == (2, 1, 6, 3, 2, 1)
    assert shim.descriptors <= 12


@pytest.mark.parametrize("size", HEADS)
def test_every_head_size_fits(size: int) -> None:
    """Other head sizes than Whisper's are a configuration each, within the limits as well."""
    check(design(NPU1Col1(), 9, 33, 2, size))


@pytest.mark.parametrize("size", [8, 40, 80, 128])
def test_other_head_sizes_are_refused(size: int) -> None:
    """The size and what is allowed are named."""
    with pytest.raises(LaunchError, match=f"Attention.size is {size}; allowed are multiples of 16 up to 64"):
        configuration(NPU1(), size)
