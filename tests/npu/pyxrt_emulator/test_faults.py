"""Faults: each kind does what the real device was seen to do, when it is planned to."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest

from amanuensis.npu import pyxrt_emulator as pyxrt
from amanuensis.npu.pyxrt_emulator.faults import DISPATCH_FAULTS, FaultPlan
from tests.helpers.emulated_npu import Rig, finish

STATES = pyxrt.ert_cmd_state
DATA = bytes(range(256))


def rig_with(program: Path, *faults: Any, **settings: Any) -> Rig:
    """Return a device on which those faults are planned."""
    pyxrt.configure(pyxrt.Settings(faults=faults, **settings))
    rig = Rig(program)
    rig.give(DATA)
    return rig


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        ("timeout", STATES.ERT_CMD_STATE_TIMEOUT),
        ("no_response", STATES.ERT_CMD_STATE_NORESPONSE),
        ("error", STATES.ERT_CMD_STATE_ERROR),
        ("context_lost", STATES.ERT_CMD_STATE_ABORT),
    ],
)
def test_failures_end_in_their_state_and_compute_nothing(program: Path, kind: Any, state: Any) -> None:
    """A failing dispatch ends in its state, and the output stays as it was."""
    rig = rig_with(program, pyxrt.Fault(kind, at=2))
    run = rig.run()
    run.start()
    assert finish(run) == STATES.ERT_CMD_STATE_COMPLETED
    rig.give(bytes(256))
    run.start()
    assert finish(run) == state
    assert rig.take() == DATA
    assert pyxrt.counters().failed == 1
    assert pyxrt.counters().faults == {kind: 1}


@pytest.mark.parametrize("kind", ["timeout", "no_response"])
def test_watchdog_ends_a_hung_command_after_seconds(program: Path, kind: Any) -> None:
    """The driver's watchdog takes 4 to 6 s, aborts what was queued behind, and the context works again afterwards."""
    rig = rig_with(program, pyxrt.Fault(kind))
    hung, behind = rig.run(), rig.run()
    before = pyxrt.clock().monotonic()
    hung.start()
    behind.start()
    finish(hung)
    assert 4 < pyxrt.clock().monotonic() - before < 6
    assert behind.state() == STATES.ERT_CMD_STATE_ABORT
    before = pyxrt.clock().monotonic()
    hung.start()
    assert finish(hung) == STATES.ERT_CMD_STATE_COMPLETED
    assert pyxrt.clock().monotonic() - before > 0.095  # the context was restarted


def test_hang_never_ends_until_its_context_is_closed(program: Path) -> None:
    """A hung run stays under way for all time, keeps its buffers, and cannot be waited for; closing frees them."""
    rig = rig_with(program, pyxrt.Fault("hang"))
    run = rig.run()
    run.start()
    for _ in range(30):
        assert run.state() in {STATES.ERT_CMD_STATE_QUEUED, STATES.ERT_CMD_STATE_SUBMITTED}
    assert pyxrt.clock().monotonic() > 1000
    with pytest.raises(RuntimeError, match="never return"):
        run.wait()
    assert run.wait(5) == STATES.ERT_CMD_STATE_TIMEOUT
    with pytest.raises(RuntimeError, match="under way"):
        rig.take()
    del run, rig.kernel, rig.context
    gc.collect()
    assert rig.take() != DATA
    again = Rig(program)
    again.give(DATA)
    run = again.run()
    run.start()
    assert finish(run) == STATES.ERT_CMD_STATE_COMPLETED


def test_zeros_are_a_success_that_lies(program: Path) -> None:
    """The state says COMPLETED, and what should have been written is zeros."""
    rig = rig_with(program, pyxrt.Fault("zeros"))
    run = rig.run()
    run.start()
    assert finish(run) == STATES.ERT_CMD_STATE_COMPLETED
    assert rig.take() == bytes(256)
    run.start()
    finish(run)
    assert rig.take() == DATA


def test_slow_takes_its_factor(program: Path) -> None:
    """A slow dispatch computes what it should, in so many times the time."""
    rig = rig_with(program, pyxrt.Fault("slow", at=2, factor=50.0))
    run = rig.run()
    spent_us = [0.0]
    for _ in range(2):
        run.start()
        assert finish(run) == STATES.ERT_CMD_STATE_COMPLETED
        spent_us.append(pyxrt.counters().device_us)
    assert spent_us[2] - spent_us[1] == pytest.approx(50 * spent_us[1], rel=1e-3)
    assert rig.take() == DATA


def test_idle_wake_takes_130_ms(program: Path) -> None:
    """A dispatch can be told to find the device asleep."""
    run = rig_with(program, pyxrt.Fault("idle_wake")).run()
    before = pyxrt.clock().monotonic()
    run.start()
    finish(run)
    assert pyxrt.clock().monotonic() - before > 0.13


def test_eviction_lasts_until_all_contexts_are_closed(program: Path) -> None:
    """After an eviction every start in the contexts that were open raises ENOENT; a new context works."""
    rig = rig_with(program, pyxrt.Fault("evicted"))
    run = rig.run()
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"EXEC_CMD IOCTL failed \(err=-2\): No such file or directory"):
            run.start()
    assert pyxrt.counters().dispatches == 0
    fresh = Rig(program).run()
    fresh.start()
    assert finish(fresh) == STATES.ERT_CMD_STATE_COMPLETED


def test_lost_context_stays_lost(program: Path) -> None:
    """After the loss of a context nothing starts in it, and in another one all is well."""
    rig = rig_with(program, pyxrt.Fault("context_lost"))
    run, other = rig.run(), Rig(program).run()
    run.start()
    assert finish(run) == STATES.ERT_CMD_STATE_ABORT
    with pytest.raises(RuntimeError, match="err=-2"):
        run.start()
    other.start()
    assert finish(other) == STATES.ERT_CMD_STATE_COMPLETED


def test_lost_device_comes_back(program: Path) -> None:
    """A lost device takes its contexts along, is not there for so many openings, and then works again."""
    rig = rig_with(program, pyxrt.Fault("device_lost", at=2, lasts=2))
    first, second = rig.run(), rig.run()
    first.start()
    with pytest.raises(RuntimeError, match=r"\(err=-19\)"):
        second.start()
    assert first.state() == STATES.ERT_CMD_STATE_ABORT
    assert pyxrt.enumerate_devices() == 0
    for _ in range(2):
        with pytest.raises(RuntimeError, match="Could not open device"):
            pyxrt.device(0)
    assert pyxrt.enumerate_devices() == 1
    run = Rig(program).run()
    run.start()
    assert finish(run) == STATES.ERT_CMD_STATE_COMPLETED


def test_memlock_refuses_an_allocation(program: Path) -> None:
    """An allocation can be refused as it is where little memory may be locked."""
    pyxrt.configure(pyxrt.Settings(faults=(pyxrt.Fault("memlock", at=3),)))
    with pytest.raises(RuntimeError, match=r"mmap\(.* failed \(err=-11\): Resource temporarily unavailable"):
        Rig(program)


def test_no_permission_refuses_the_device() -> None:
    """Opening can be refused as it is to users without the right to the device, so many times."""
    pyxrt.configure(pyxrt.Settings(faults=(pyxrt.Fault("no_permission", lasts=2),)))
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"Open /dev/accel/accel0 failed \(err=-13\): Permission denied"):
            pyxrt.device(0)
    pyxrt.device(0)


def test_inject_counts_from_now(program: Path) -> None:
    """A fault can be planned while the device is in use."""
    rig = rig_with(program)
    run = rig.run()
    run.start()
    finish(run)
    pyxrt.inject(pyxrt.Fault("error", at=2))
    seen = []
    for _ in range(3):
        run.start()
        seen.append(finish(run))
    done, failed = STATES.ERT_CMD_STATE_COMPLETED, STATES.ERT_CMD_STATE_ERROR
    assert seen == [done, failed, done]


def test_seeded_faults_are_reproducible() -> None:
    """A seed always gives the same faults, within the named dispatches, and seeds differ."""
    plans = [pyxrt.seeded_faults(seed, count=5, within=40) for seed in range(50)]
    assert plans == [pyxrt.seeded_faults(seed, count=5, within=40) for seed in range(50)]
    assert len(set(plans)) == 50
    assert all(1 <= fault.at <= 40 for plan in plans for fault in plan)
    assert {fault.kind for plan in plans for fault in plan} == set(DISPATCH_FAULTS)


def test_plan_strikes_where_it_is_planned() -> None:
    """A fault strikes `lasts` times in a row from `at` on, and the first planned one wins."""
    plan = FaultPlan((pyxrt.Fault("error", at=2, lasts=2), pyxrt.Fault("slow", at=3, lasts=2)))
    struck = [plan.next("dispatch") for _ in range(5)]
    assert [fault and fault.kind for fault in struck] == [None, "error", "error", "slow", None]
    assert plan.next("allocation") is None
    assert plan.struck == {"error": 2, "slow": 1}


@pytest.mark.parametrize(
    "fault",
    [{"kind": "fire"}, {"kind": "error", "at": 0}, {"kind": "error", "lasts": 0}, {"kind": "slow", "factor": 0.5}],
)
def test_faults_that_cannot_be(fault: dict[str, Any]) -> None:
    """A fault that is not known, or counts from 0, is refused by name."""
    with pytest.raises(ValueError, match=f"fault '?{fault['kind']}"):
        pyxrt.Fault(**fault)


def test_nothing_overtakes_a_hung_command(program: Path) -> None:
    """What is started behind a hung command waits as long as it hangs, and is aborted with its context."""
    rig = rig_with(program, pyxrt.Fault("hang"))
    hung, behind = rig.run(), rig.run()
    hung.start()
    behind.start()
    for _ in range(20):
        assert behind.state() == STATES.ERT_CMD_STATE_QUEUED
