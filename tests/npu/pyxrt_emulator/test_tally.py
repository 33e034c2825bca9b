"""The emulator's own counts are those of what was done, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from amanuensis.npu import pyxrt_emulator as pyxrt
from tests.helpers.emulated_npu import FROM, TO, Rig, finish


def test_counts_of_a_session(program: Path) -> None:
    """Dispatches, bytes each way, syncs, contexts, allocations and operators are counted."""
    rig = Rig(program)
    run = rig.run()
    stream_bytes = rig.words.nbytes
    for _ in range(3):
        rig.give(bytes(256))
        run.start()
        finish(run)
        rig.buffers[4].sync(FROM, 256, 0)
    counters = pyxrt.counters()
    assert (counters.dispatches, counters.failed) == (3, 0)
    assert counters.bytes_to_device == 3 * 4096 + stream_bytes
    assert counters.bytes_from_device == 3 * 256
    assert (counters.syncs, counters.contexts, counters.allocations) == (7, 1, 6)
    assert counters.operators == {"CopyRows": 3}
    assert (counters.clone_copies, counters.blocked_us, counters.faults) == (0, 0.0, {})


def test_reads_and_writes_of_the_host_cost_nothing(program: Path) -> None:
    """Bytes count when they are synced, not when the host looks at its own copy."""
    rig = Rig(program)
    before = pyxrt.counters()
    rig.buffers[0].write(bytes(4096), 0)
    rig.buffers[0].read(4096, 0)
    assert pyxrt.counters() == before


def test_starts_that_fail_are_not_counted(program: Path) -> None:
    """A dispatch counts when the device took it."""
    run = pyxrt.run(Rig(program).kernel)
    with pytest.raises(RuntimeError):
        run.start()
    assert pyxrt.counters().dispatches == 0


def test_busy_share_is_of_the_elapsed_time(program: Path) -> None:
    """The share is the device's busy time over all time, and none before anything happened."""
    assert pyxrt.counters().busy_share == 0.0
    rig = Rig(program)
    run = rig.run()
    run.start()
    finish(run)
    pyxrt.clock().sleep(1.0)
    counters = pyxrt.counters()
    assert counters.busy_share == pytest.approx(counters.device_us / counters.elapsed_us)
    assert 0 < counters.busy_share < 1e-4
    assert counters.elapsed_us > 1_000_000


def test_configure_starts_from_zero(program: Path) -> None:
    """A device that was just configured has done nothing, and handles of the old one do not count on it."""
    rig = Rig(program)
    pyxrt.reset()
    rig.buffers[0].sync(TO)
    assert pyxrt.counters().bytes_to_device == 0
    assert pyxrt.counters().contexts == 0
