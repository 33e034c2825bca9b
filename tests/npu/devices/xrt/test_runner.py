"""Compiled launches on the device: which instructions are there, what is written into them, and what is let go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from amanuensis.kernels.compile.build import Order, build
from amanuensis.kernels.compile.manifest import load_manifest
from amanuensis.kernels.compile.simulated import SimulatedMaker
from amanuensis.kernels.compile.work import DESIGNS, Dispatched, Work
from amanuensis.kernels.operands import PARAMETERS_BYTES, Buffer, Parameter, Region
from amanuensis.kernels.operators import CopyRows, LayerNorm, Operator, Select
from amanuensis.npu import pyxrt_emulator
from amanuensis.npu.devices.xrt import runner as module
from amanuensis.npu.devices.xrt.errors import ProgramError
from amanuensis.npu.devices.xrt.package import Package
from amanuensis.npu.devices.xrt.probe import open_device
from amanuensis.npu.devices.xrt.runner import LaunchRunner, input_words
from amanuensis.npu.devices.xrt.runtime import DATA_KINDS, Target, XrtRuntime
from tests.kernels.cores import needs_compiler

pytestmark = needs_compiler
ROWS, SLOT, ROOMS = Parameter(0, 8), Parameter(6, 15), {0: (1, 2, 4)}
ROW_BYTES, SLOT_BYTES, SIZE = 512, 8 * 512, 1 << 18
COPY = CopyRows(Region(Buffer.SCRATCH, 0), Region(Buffer.OUTPUT, 64, SLOT, SLOT_BYTES), ROWS, *[ROW_BYTES] * 3)
STREAM: tuple[Operator, ...] = (COPY,)


@dataclass
class Rig:
    """A device with a package of a few launches, and five buffers."""

    runtime: XrtRuntime
    runner: LaunchRunner
    package: Package
    buffers: tuple[Any, ...]
    given: NDArray[np.int32]

    def start(self, prepared: Any, **values: int) -> Any:
        """Set parameters and start a stream."""
        for name, value in values.items():
            self.given[{"rows": 0, "slot": 6}[name]] = value
        return self.runner.start(prepared, self.given, self.buffers)

    def written(self) -> int:
        """Return the bytes that went to the device so far."""
        return self.runtime.work.bytes_to_device


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """Build launches of copies for the emulator."""
    pyxrt_emulator.configure(pyxrt_emulator.Settings())
    work = Work("copies", (Dispatched("decoder", STREAM),), ROOMS, (SIZE,) * 5)
    build(Order(work, "npu1", SimulatedMaker("npu1", DESIGNS, work.buffer_bytes), tmp_path, DESIGNS))
    package = Package(tmp_path, load_manifest(tmp_path, "npu1"))
    found = open_device(pyxrt_emulator)
    runtime = XrtRuntime(pyxrt_emulator, Target(found.device, "sim", found.name, "npu1", tmp_path, package))
    buffers = tuple(runtime.allocate(None, SIZE, kind) for kind in DATA_KINDS)
    runtime.write(buffers[Buffer.SCRATCH], np.arange(SIZE // 4, dtype=np.int32))
    given = input_words(np.zeros(PARAMETERS_BYTES, np.uint8))
    yield Rig(runtime, LaunchRunner(runtime, package, ROOMS), package, buffers, given)
    runtime.close()
    pyxrt_emulator.reset()


def test_rows_and_places_come_from_the_patched_words(rig: Rig) -> None:
    """The room of three rows is four, at the place of the slot; nothing else of the answers is touched."""
    rig.runtime.write(rig.buffers[Buffer.OUTPUT], np.full(SIZE, 7, np.uint8))
    rig.runtime.wait(rig.start(rig.runner.prepare(STREAM, "decoder"), rows=3, slot=5))
    found = rig.runtime.read(rig.buffers[Buffer.OUTPUT], (SIZE,), np.uint8)
    start, stop = 64 + 5 * SLOT_BYTES, 64 + 5 * SLOT_BYTES + 4 * ROW_BYTES
    assert np.array_equal(found[start:stop].view(np.int32), np.arange(4 * ROW_BYTES // 4))
    assert (found[:start] == 7).all()
    assert (found[stop:] == 7).all()


def test_only_the_lines_that_change_are_written(rig: Rig) -> None:
    """The same values write nothing, another slot less than the stream; another room is another stream."""
    prepared = rig.runner.prepare(STREAM, "decoder")
    rig.runtime.wait(rig.start(prepared, rows=4, slot=1))
    before = rig.written()
    rig.runtime.wait(rig.start(prepared, rows=3, slot=1))
    assert rig.written() == before
    whole = pyxrt_emulator.counters().allocations
    rig.runtime.wait(rig.start(prepared, rows=3, slot=2))
    (instance,) = next(iter(rig.runner._instances.values()))
    assert 0 < rig.written() - before < instance.words.nbytes
    assert pyxrt_emulator.counters().allocations == whole
    rig.runtime.wait(rig.start(prepared, rows=1, slot=2))
    assert pyxrt_emulator.counters().allocations == whole + 1


def test_a_dispatch_under_way_keeps_its_words(rig: Rig) -> None:
    """The next one is patched beside it, and a third waits for the first."""
    prepared = rig.runner.prepare(STREAM, "decoder")
    pending = [rig.start(prepared, rows=4, slot=slot) for slot in (1, 2, 3)]
    assert pending[0].done
    assert not pending[2].done
    rig.runtime.wait(pending[2])
    found = rig.runtime.read(rig.buffers[Buffer.OUTPUT], (SIZE,), np.uint8)
    for slot in (1, 2, 3):
        start = 64 + slot * SLOT_BYTES
        assert np.array_equal(found[start : start + 64].view(np.int32), np.arange(16))
    assert len(next(iter(rig.runner._instances.values()))) == 2


def test_instructions_that_were_used_longest_ago_make_room(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their memory is given back, those that run stay, and what was let go is made again when it is wanted."""
    prepared = rig.runner.prepare(STREAM, "decoder")
    rig.runtime.wait(rig.start(prepared, rows=1, slot=1))
    (first,) = next(iter(rig.runner._instances.values()))
    monkeypatch.setattr(module, "MOST_INSTRUCTION_BYTES", first.words.nbytes + 64)
    rig.runtime.wait(rig.start(prepared, rows=2, slot=1))
    assert [each.words.nbytes for held in rig.runner._instances.values() for each in held] == [rig.runner._bytes]
    assert first.instructions not in [run[1] for run in rig.runtime.load("decoder").runs.values()]
    rig.runtime.wait(rig.start(prepared, rows=1, slot=1))
    assert len(rig.runner._instances) == 1


def test_nothing_to_do_is_no_dispatch(rig: Rig) -> None:
    """Of no rows."""
    assert rig.start(rig.runner.prepare(STREAM, "decoder"), rows=0, slot=0) is None
    assert rig.runtime.work.dispatches == 0


def test_values_that_launches_were_not_made_for_are_refused(rig: Rig) -> None:
    """Before anything is written: the error names the launch, the value and what is allowed."""
    prepared = rig.runner.prepare(STREAM, "decoder")
    with pytest.raises(ProgramError, match="CopyRows: parameter 0 is 16, and its launch takes 0 to 15"):
        rig.start(prepared, rows=1, slot=16)
    with pytest.raises(ProgramError, match="a size of 9; there are launches for 1, 2, 4, 8"):
        rig.start(prepared, rows=9, slot=1)
    assert rig.runtime.work.dispatches == 0


def test_streams_without_launches_are_refused_when_they_are_prepared(rig: Rig) -> None:
    """Of another size, or of an operator that no configuration has in the part."""
    norm = LayerNorm(*[Region(Buffer.SCRATCH, n << 12) for n in range(4)], ROWS, 256)
    with pytest.raises(ProgramError, match=r"has no launch for LayerNorm of sizes \[1\] on decoder \(\w+\); build it"):
        rig.runner.prepare((norm,), "decoder")
    select = Select(*[Region(Buffer.SCRATCH, n << 12) for n in range(4)], 1, 100, 128, 1, 80, 70, -1)
    with pytest.raises(ProgramError, match="has no launch for Select on choice"):
        rig.runner.prepare((select,), "decoder")
    embedded = rig.runner.prepare(STREAM, "decoder")
    assert [link.configuration for link in embedded] == ["decoder"]
