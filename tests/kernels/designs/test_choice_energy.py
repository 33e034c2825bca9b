"""The measuring of frames on the array gives what the machine gives, and nothing else is written."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest

from amanuensis.kernels.designs._iron import NPU1, NPU2, Device
from amanuensis.kernels.designs.choice import launch
from amanuensis.kernels.designs.launch import LaunchError, run_launch
from amanuensis.kernels.machine import run_operator
from amanuensis.kernels.memory import Memory
from amanuensis.kernels.operands import Buffer, Parameter, Region
from amanuensis.kernels.operators import EnergyGate
from amanuensis.kernels.sim.engine import Speed
from amanuensis.kernels.sim.trace import Trace
from tests.kernels.cores import exact_too, needs_compiler
from tests.kernels.device import Device as DeviceMemory

pytestmark = needs_compiler
NPUS = pytest.mark.parametrize("device", [NPU1(), NPU2()], ids=str)
ERRORS = np.array([[1e-4, 1e-4]])  # dB, and of a flatness: see tests/kernels/aie2/test_energy.py
Kind = Literal["log_mel", "power"]


def compare(rows: int, n_mels: int, device: Device, kind: Kind = "log_mel", speed: Speed = "object") -> Trace:
    """Measure on the machine and on the array, hold one to the other, and return the trace."""
    logs = np.random.default_rng(rows).uniform(-10, 4, (rows, n_mels)).astype(np.float32)
    memory = DeviceMemory(1 << 21)
    memory.buffers[Buffer.SCRATCH].view(np.float32)[:] = np.nan
    memory.set_parameters({3: rows})
    src = memory.put(np.float32(10) ** logs if kind == "power" else logs / 4 + 1, Buffer.SCRATCH)
    operator = EnergyGate(src, memory.room(Buffer.OUTPUT, 8 * rows), Parameter(3, 3000), n_mels, kind)
    wanted, buffers = ([buffer.copy() for buffer in memory.buffers] for _ in range(2))
    run_operator(operator, Memory(wanted))
    trace = run_launch(launch(operator, Memory(buffers), device), buffers, speed)
    expected, given = (b[Buffer.OUTPUT][: 8 * rows].view(np.float32).reshape(rows, 2) for b in (wanted, buffers))
    assert (np.abs(given - expected) < ERRORS * np.maximum([1, 0], expected * [0, 1])).all()
    given[:] = expected[:] = 0
    assert all(np.array_equal(one, other) for one, other in zip(wanted, buffers, strict=True))
    return trace


@NPUS
@pytest.mark.parametrize("kind", ["log_mel", "power"])
@pytest.mark.parametrize("n_mels", [80, 128])
@pytest.mark.parametrize("rows", [1, 9, 31, 33, 40, 81])
def test_rows_that_blocks_do_not_divide(rows: int, n_mels: int, kind: Kind, device: Device) -> None:
    """Features and powers; the surplus rows of a last block leave nothing behind the last one."""
    compare(rows, n_mels, device, kind)


@exact_too
@NPUS
@pytest.mark.parametrize("n_mels", [80, 128])
def test_a_window_of_whisper(n_mels: int, device: Device, speed: Speed) -> None:
    """Thirty seconds are 75 blocks, each frame read once."""
    trace = compare(3000, n_mels, device, speed=speed)
    assert (trace.bytes_read, trace.bytes_written) == (3000 * n_mels * 4, 3000 * 8)


@pytest.mark.parametrize("n_mels", [80, 128])
def test_beat_by_beat(n_mels: int) -> None:
    """Fifty rows at exact speed move what they move object by object."""
    assert compare(50, n_mels, NPU1(), speed="exact") == compare(50, n_mels, NPU1())


def test_no_rows_are_no_work() -> None:
    """Nothing is transferred."""
    memory = DeviceMemory(1 << 12)
    operator = EnergyGate(Region(1, 0), Region(4, 0), Parameter(3), 80)
    assert not run_launch(launch(operator, Memory(memory.buffers), NPU1()), memory.buffers).tasks


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_mels": 64}, "EnergyGate.n_mels is 64; choice takes 80 or 128"),
        ({"rows": 5000}, "EnergyGate: src takes bytes 0 to 1600000 of SCRATCH, which has 65536"),
        ({"rows": Parameter(7, 3000)}, "EnergyGate: rows is parameter 7 = 3001; allowed are 0 to 3000"),
        ({"dst": Region(1, 1216)}, "EnergyGate.dst overlaps src; choice writes measures while it reads frames"),
        ({"src": Region(1, 4)}, "EnergyGate: src starts at byte 4; tensors start at multiples of 64"),
    ],
)
def test_what_cannot_be_launched_is_named(change: dict[str, Any], message: str) -> None:
    """Operator, value and limit are named."""
    memory = DeviceMemory(1 << 16)
    memory.set_parameters({7: 3001})
    usual = {"src": Region(1, 0), "dst": Region(4, 0), "rows": 4, "n_mels": 80}
    with pytest.raises(LaunchError, match=message):
        launch(EnergyGate(**{**usual, **change}), Memory(memory.buffers), NPU1())
