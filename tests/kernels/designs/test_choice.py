"""The configuration `choice` fits the device, and is the same array for every launch."""

from __future__ import annotations

import pytest

from amanuensis.kernels.designs._iron import NPU1, NPU2, Device, NPU1Col1
from amanuensis.kernels.designs.choice import COVERS, launch
from amanuensis.kernels.designs.choice_array import configuration
from amanuensis.kernels.designs.launch import LaunchError
from amanuensis.kernels.memory import Memory
from amanuensis.kernels.operands import Parameter, Region
from amanuensis.kernels.operators import EnergyGate, Nop, Operator, Select
from amanuensis.kernels.sim import limits
from amanuensis.kernels.sim.check import check
from amanuensis.kernels.sim.device import AIETileType
from amanuensis.kernels.sim.plan import Design
from tests.kernels.cores import needs_compiler
from tests.kernels.device import Device as DeviceMemory
from tests.kernels.graphs import graph

DEVICES = pytest.mark.parametrize("device", [NPU1(), NPU2()], ids=str)
PLACES = Region(1, 0), Region(0, 0), Region(3, 1024), Region(4, 0)
WHISPER = Select(*PLACES, 32, 51865, 51968, 6, 50364, 50257, 50362)
OPERATORS: list[Operator] = [
    WHISPER,
    Select(*PLACES, Parameter(1, 32), 200, 208, 2, 150, 120, -1),
    Select(*PLACES, 1, 51864, 51864, 16, 50363, 50256, 50361),
    EnergyGate(PLACES[0], PLACES[3], 3000, 80),
    EnergyGate(PLACES[0], PLACES[3], 7, 128, "power"),
]


def design(device: Device, operator: Operator) -> Design:
    """Return the resolved launch of an operator over memory that nothing is put into."""
    memory = DeviceMemory(8 << 20)
    memory.set_parameters({1: 9})
    return launch(operator, Memory(memory.buffers), device).program.resolve_program()


@DEVICES
def test_all_launches_have_one_graph(device: Device) -> None:
    """Operator, rows, vocabulary, bitmaps, mels and what the frames hold change the sequence alone."""
    plans = [design(device, operator) for operator in OPERATORS]
    assert all(graph(plan) == graph(plans[0]) for plan in plans[1:])
    assert len({tuple(map(str, plan.commands)) for plan in plans}) == len(plans)


@needs_compiler
@DEVICES
def test_the_configuration_fits_the_device(device: Device, capsys: pytest.CaptureFixture[str]) -> None:
    """The marks of the launch with most rows, and so most descriptors, are within the limits."""
    report = check(design(device, WHISPER))
    with capsys.disabled():
        print()
        for kind in ("core", "mem", "shim"):
            print(f"choice on {device}, most of a {kind} tile: {report.most(kind)}")
    core, mem, shim = (report.most(kind) for kind in ("core", "mem", "shim"))
    assert limits.PROGRAM_BYTES * 3 // 4 < core.program_bytes <= limits.PROGRAM_BYTES
    assert (core.s2mm, core.mm2s, mem.s2mm, mem.mm2s, shim.mm2s, shim.s2mm) == (2, 1, 1, 4, 2, 1)
    assert shim.descriptors <= 9


@DEVICES
def test_what_a_core_finds_goes_to_its_neighbour_without_a_dma(device: Device) -> None:
    """Fifos between cores of a column use one memory, since both inputs of a core are taken."""
    plan = design(device, WHISPER)
    shared = [fifo.fifo.name for fifo in plan.fifos if fifo.shared]
    assert sorted(shared) == sorted(f"found_{c}_{core}" for c in range(device.cols - 1) for core in (1, 2, 3))


@DEVICES
def test_all_columns_but_one_choose(device: Device) -> None:
    """Four cores each, and one core that measures."""
    graph_of_device = configuration(device)
    assert len(graph_of_device.columns) == device.cols - 1
    assert len(graph_of_device.workers) == 4 * (device.cols - 1) + 1
    assert {worker.tile.tile_type for worker in graph_of_device.workers} <= {AIETileType.CoreTile, None}


def test_it_says_what_it_is() -> None:
    """Configuration and sizes stand in the launch, and the operators in a set."""
    memory = Memory(DeviceMemory(8 << 20).buffers)
    made = [launch(operator, memory, NPU1()) for operator in (WHISPER, OPERATORS[3])]
    assert {each.configuration for each in made} == {"choice"}
    assert [each.what for each in made] == ["Select of 32 rows, 51865 ids", "EnergyGate of 3000 rows, 80 mels"]
    assert frozenset({Select, EnergyGate}) == COVERS


def test_other_operators_and_a_single_column_are_refused() -> None:
    """The operator or the number of columns is named, and what is allowed."""
    memory = Memory(DeviceMemory(8 << 20).buffers)
    with pytest.raises(LaunchError, match="Nop is not in the configuration choice, which has EnergyGate and Select"):
        launch(Nop(), memory, NPU1())
    with pytest.raises(LaunchError, match="choice: the device has 1 columns; the configuration needs 2"):
        launch(WHISPER, memory, NPU1Col1())
