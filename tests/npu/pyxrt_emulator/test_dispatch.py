"""Modelled time: what a dispatch takes, waking and cold contexts, and the overlap of transfers with work."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from amanuensis.kernels import ops
from amanuensis.npu import pyxrt_emulator as pyxrt
from tests.helpers.emulated_npu import DATA_OFFSET, INPUT, OUTPUT, TO, Rig, finish, write_program

STATES = pyxrt.ert_cmd_state
EXACT = (100.0, 100.0)  # microseconds from a start to the device's beginning


def now_us() -> float:
    """Return the emulator's time."""
    return 1e6 * pyxrt.clock().monotonic()


def timed(run: Any) -> float:
    """Start a run, poll until it is over, and return how long that took, in microseconds."""
    before = now_us()
    run.start()
    assert finish(run) == STATES.ERT_CMD_STATE_COMPLETED
    return now_us() - before


def test_dispatch_takes_60_to_160_us(program: Path) -> None:
    """A dispatch takes its work and 60 to 160 us, differently each time and the same in each repetition."""

    def durations() -> list[float]:
        pyxrt.reset()
        run = Rig(program).run()
        times = [timed(run) for _ in range(20)]
        work_us = pyxrt.counters().device_us / 20
        return [round(time_us - work_us, 6) for time_us in times]

    first = durations()
    assert 60 <= min(first) < max(first) <= 160
    assert first == durations()


def test_polling_ends_exactly_with_the_work(program: Path) -> None:
    """Looking at the state moves virtual time to the end of the work and not beyond it."""
    pyxrt.configure(pyxrt.Settings(dispatch_us=EXACT))
    run = Rig(program).run()
    assert timed(run) == pytest.approx(100 + pyxrt.counters().device_us)


def test_idle_device_wakes_in_130_ms(program: Path) -> None:
    """After 5 s without work the next dispatch takes 130 ms more; a dispatch in between keeps the device awake."""
    pyxrt.configure(pyxrt.Settings(dispatch_us=EXACT))
    run = Rig(program).run()
    pyxrt.clock().sleep(4.9)
    assert timed(run) < 1_000
    pyxrt.clock().sleep(4.9)
    assert timed(run) < 1_000
    pyxrt.clock().sleep(5.1)
    assert 130_000 < timed(run) < 131_000


def test_context_opens_in_95_ms(program: Path) -> None:
    """A cold context takes 95 ms."""
    device = pyxrt.device(0)
    before = now_us()
    pyxrt.hw_context(device, str(program))
    assert now_us() - before == pytest.approx(95_000)


def test_sync_takes_time_by_its_bytes(program: Path) -> None:
    """A sync takes its bytes at the stated bandwidth."""
    pyxrt.configure(pyxrt.Settings(sync_bytes_per_s=1e9))
    bo = Rig(program).buffer(INPUT, 1 << 20)
    before = now_us()
    bo.sync(TO)
    assert now_us() - before == pytest.approx((1 << 20) / 1e3)


def big_stream(source: int) -> NDArray[np.uint32]:
    """Return a stream that copies a megabyte twice, to have something to do."""
    copy = ops.CopyRows(ops.Region(source, DATA_OFFSET), ops.Region(OUTPUT, 0), 1, 1 << 20, 1 << 20, 1 << 20)
    return ops.encode([copy, copy])


@pytest.mark.parametrize("sync_bytes_per_s", [2e9, 8e9, 50e9])
def test_double_buffering_overlaps_transfer_and_work(program: Path, sync_bytes_per_s: float) -> None:
    """With two inputs, n windows take n times the longer of transfer and work; with one they take the sum."""
    pyxrt.configure(pyxrt.Settings(dispatch_us=(0.0, 0.0), sync_bytes_per_s=sync_bytes_per_s))
    rig, n_bytes, windows = Rig(program), DATA_OFFSET + (1 << 20), 8
    rig.words = big_stream(INPUT)
    rig.instructions = rig.stream(rig.words)
    rig.buffers[OUTPUT] = rig.buffer(OUTPUT, n_bytes)
    inputs = [rig.buffer(INPUT, n_bytes) for _ in range(2)]
    runs = []
    for rig.buffers[INPUT] in inputs:
        runs.append(rig.run())
    device_before_us = pyxrt.counters().device_us
    start_us = now_us()
    for window in range(windows):
        inputs[window % 2].write(bytes([window]) * n_bytes, 0)
        inputs[window % 2].sync(TO)
        if window:
            assert finish(runs[(window - 1) % 2]) == STATES.ERT_CMD_STATE_COMPLETED
        runs[window % 2].start()
    finish(runs[(windows - 1) % 2])
    total_us = now_us() - start_us
    transfer_us = n_bytes / sync_bytes_per_s * 1e6
    work_us = (pyxrt.counters().device_us - device_before_us) / windows
    expected_us = transfer_us + (windows - 1) * max(transfer_us, work_us) + work_us
    assert total_us == pytest.approx(expected_us, rel=1e-3)
    assert total_us < 0.95 * windows * (transfer_us + work_us)


def test_work_is_the_sum_of_the_operators(program: Path) -> None:
    """The device is busy for the sum of what its operators are modelled to take."""
    rig = Rig(program)
    rig.words = ops.encode([ops.Nop()] * 3)
    rig.instructions = rig.stream(rig.words)
    timed(rig.run())
    counters = pyxrt.counters()
    assert counters.operators == {"Nop": 3}
    assert counters.device_us > 0


def test_real_wait_holds_the_interpreter(program: Path) -> None:
    """In real time `wait` stops every other thread for as long as it lasts, as the real binding does."""
    pyxrt.configure(pyxrt.Settings(time="real", dispatch_us=(200_000.0, 200_000.0)))
    run = Rig(program).run()
    ticks, stop = [time.monotonic()], threading.Event()

    def tick() -> None:
        while not stop.wait(0.001):
            ticks.append(time.monotonic())

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        run.start()
        assert run.wait() == STATES.ERT_CMD_STATE_COMPLETED
    finally:
        stop.set()
        thread.join()
    blocked_s = pyxrt.counters().blocked_us / 1e6
    assert blocked_s > 0
    assert max(np.diff([*ticks, time.monotonic()])) >= 0.9 * blocked_s


def test_real_time_passes_by_itself(program: Path) -> None:
    """In real time a run is over when its time has passed, without a look at it."""
    pyxrt.configure(pyxrt.Settings(time="real", dispatch_us=(0.0, 0.0)))
    rig = Rig(program)
    rig.give(bytes([4]) * 256)
    run = rig.run()
    run.start()
    pyxrt.clock().sleep(0.001)
    assert run.state() == STATES.ERT_CMD_STATE_COMPLETED
    assert rig.take() == bytes([4]) * 256


def test_programs_of_both_architectures_run(tmp_path: Path) -> None:
    """A program for npu2 runs on npu2."""
    pyxrt.configure(pyxrt.Settings(architecture="npu2"))
    rig = Rig(write_program(tmp_path, "npu2"))
    rig.give(bytes([5]) * 256)
    timed(rig.run())
    assert rig.take() == bytes([5]) * 256
