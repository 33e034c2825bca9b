"""Kernels and runs: states, waits, calls, and how many commands a context takes."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from amanuensis.npu import pyxrt_emulator as pyxrt
from tests.helpers.emulated_npu import Rig, finish

STATES = pyxrt.ert_cmd_state
EXACT = pyxrt.Settings(dispatch_us=(100.0, 100.0))  # microseconds from a start to the device's beginning


@pytest.fixture
def rig(program: Path) -> Rig:
    """A device with dispatches of 100 us, and something in its input."""
    pyxrt.configure(EXACT)
    rig = Rig(program)
    rig.give(bytes(range(256)))
    return rig


def test_states_follow_each_other(rig: Rig) -> None:
    """A run is NEW, QUEUED until the device begins, SUBMITTED while it works, then COMPLETED."""
    run = rig.run()
    assert run.state() == STATES.ERT_CMD_STATE_NEW
    run.start()
    pyxrt.clock().sleep(99e-6)
    assert run.state() == STATES.ERT_CMD_STATE_QUEUED  # which lets time pass, to the end at most
    pyxrt.clock().sleep(99e-6)
    assert run.state() == STATES.ERT_CMD_STATE_COMPLETED
    run.start()
    pyxrt.clock().sleep(101e-6)
    assert run.state() == STATES.ERT_CMD_STATE_SUBMITTED
    assert run.state() == STATES.ERT_CMD_STATE_COMPLETED
    assert rig.take() == bytes(range(256))


def test_run_is_used_again(rig: Rig) -> None:
    """A run that is over can be started again, with what its buffers hold then."""
    run = rig.run()
    for value in (1, 2):
        rig.give(bytes([value]) * 256)
        run.start()
        assert finish(run) == STATES.ERT_CMD_STATE_COMPLETED
        assert rig.take() == bytes([value]) * 256


def test_run_under_way_is_not_started_or_changed(rig: Rig) -> None:
    """`start` and `set_arg` raise while the command is in progress."""
    run = rig.run()
    run.start()
    with pytest.raises(RuntimeError, match="can't launch"):
        run.start()
    with pytest.raises(RuntimeError, match="still in progress"):
        run.set_arg(0, 3)
    finish(run)
    run.set_arg(0, 3)


def test_wait_returns_the_state(rig: Rig) -> None:
    """`wait` lets the modelled time pass, without a bound also for 0, and returns the state instead of raising."""
    for arguments in ((), (0,), (1000,)):
        run = rig.run()
        run.start()
        assert run.wait(*arguments) == STATES.ERT_CMD_STATE_COMPLETED
    assert pyxrt.counters().blocked_us >= 300


def test_wait_with_a_bound_leaves_the_run_going(program: Path) -> None:
    """`wait(ms)` returns TIMEOUT when the time is up, and the run goes on."""
    pyxrt.configure(pyxrt.Settings(faults=(pyxrt.Fault("idle_wake"),)))
    rig = Rig(program)
    run = rig.run()
    run.start()
    before = pyxrt.clock().monotonic()
    assert run.wait(10) == STATES.ERT_CMD_STATE_TIMEOUT
    assert pyxrt.clock().monotonic() - before == pytest.approx(0.010)
    assert run.state() == STATES.ERT_CMD_STATE_QUEUED
    assert run.wait() == STATES.ERT_CMD_STATE_COMPLETED


def test_wait_never_raises_and_wait2_does(program: Path) -> None:
    """A failure is a value to `wait`, and a RuntimeError to `wait2`, which else returns None."""
    pyxrt.configure(pyxrt.Settings(faults=(pyxrt.Fault("error"),)))
    run = Rig(program).run()
    run.start()
    assert run.wait() == STATES.ERT_CMD_STATE_ERROR
    with pytest.raises(RuntimeError, match=r"failed to complete successfully \(ERT_CMD_STATE_ERROR\)"):
        run.wait2()
    run.start()
    assert run.wait2() is None


@pytest.mark.parametrize(
    "call",
    [
        lambda run: run.wait2(timedelta(seconds=1)),
        lambda run: run.wait2(1000),
        lambda run: run.wait(timedelta(seconds=1)),
        lambda run: run.wait(-1),
        lambda run: run.wait(0.5),
        lambda run: run.wait(timeout_ms=5),
        lambda run: run.add_callback(STATES.ERT_CMD_STATE_COMPLETED, print, None),
        lambda run: run.start(1),
        lambda run: run.set_arg(0),
        pyxrt.run,
    ],
)
def test_calls_that_the_binding_cannot_convert(rig: Rig, call: Any) -> None:
    """What needs casts that the binding does not include raises TypeError."""
    run = rig.run()
    with pytest.raises(TypeError):
        call(run)


def test_wait_for_what_was_never_started(rig: Rig, program: Path) -> None:
    """Waiting for a run that was not started is refused; the faithful emulator says NEW."""
    with pytest.raises(RuntimeError, match="never started"):
        rig.run().wait()
    pyxrt.configure(pyxrt.Settings(faithful=True))
    assert Rig(program).run().wait() == STATES.ERT_CMD_STATE_NEW


def test_run_without_a_kernel_does_nothing() -> None:
    """A run that was made without a kernel cannot be given arguments or started."""
    run = pyxrt.run()
    for call in (lambda: run.set_arg(0, 3), run.start, run.get_ctrl_scratchpad_bo):
        with pytest.raises(RuntimeError):
            call()


def test_kernel_must_exist(rig: Rig) -> None:
    """A kernel is found by its whole name."""
    with pytest.raises(RuntimeError, match="No such kernel 'MLIR'"):
        pyxrt.kernel(rig.context, "MLIR")


def test_calling_a_kernel_runs_it(rig: Rig) -> None:
    """With the right arguments in the right order a call starts a run and returns it."""
    run = rig.kernel(*rig.arguments())
    assert finish(run) == STATES.ERT_CMD_STATE_COMPLETED
    assert rig.take() == bytes(range(256))


def test_calling_a_kernel_with_wrong_arguments_raises(rig: Rig) -> None:
    """The strict emulator raises for the arguments that a call of the real binding swallows."""
    wrong = [rig.instructions, rig.buffers[3], rig.buffers[4], 3]
    with pytest.raises(RuntimeError, match="argument 0"):
        rig.kernel(*wrong)
    with pytest.raises(TypeError):
        rig.kernel(3.0)
    with pytest.raises(IndexError):
        rig.kernel(*rig.arguments(), 1)
    with pytest.raises(RuntimeError, match="is not set"):
        rig.kernel(*rig.arguments()[:-1])


@pytest.mark.parametrize("wrong", [3.0, "x", None, 7])
def test_faithful_call_swallows_wrong_arguments(program: Path, wrong: Any) -> None:
    """The faithful emulator leaves what it cannot cast unset, starts all the same, and nothing is computed."""
    pyxrt.configure(pyxrt.Settings(faithful=True))
    rig = Rig(program)
    rig.give(bytes(256))
    arguments = rig.arguments()
    arguments[3] = wrong
    run = rig.kernel(*arguments, "one more")
    assert finish(run) == STATES.ERT_CMD_STATE_TIMEOUT
    assert rig.take() != bytes(256)


def test_four_commands_may_be_outstanding(rig: Rig, program: Path) -> None:
    """A fifth command would block in `start`, so it is refused; the faithful emulator blocks until one is over."""
    runs = [rig.run() for _ in range(5)]
    for run in runs[:4]:
        run.start()
    with pytest.raises(RuntimeError, match="4 commands are outstanding"):
        runs[4].start()
    assert [finish(run) for run in runs[:4]] == [STATES.ERT_CMD_STATE_COMPLETED] * 4
    runs[4].start()
    pyxrt.configure(pyxrt.Settings(faithful=True))
    faithful = Rig(program)
    runs = [faithful.run() for _ in range(5)]
    for run in runs:
        run.start()
    assert runs[0].state() == STATES.ERT_CMD_STATE_COMPLETED
    assert pyxrt.counters().blocked_us > 0


def test_commands_are_done_in_order(rig: Rig) -> None:
    """The device does one command at a time, in the order of their start."""
    first, second = rig.run(), rig.run()
    first.start()
    second.start()
    assert finish(second) == STATES.ERT_CMD_STATE_COMPLETED
    assert first.state() == STATES.ERT_CMD_STATE_COMPLETED
