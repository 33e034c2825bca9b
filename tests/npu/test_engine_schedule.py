"""The order of jobs: earliest deadline first, one pending window a stream, nothing lost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from amanuensis.npu.engine.schedule import Schedule, Ticket
from amanuensis.npu.window import WindowJob

JOB = WindowJob(np.zeros((80, 1), np.float32))


def ticket(number: int, stream: int, deadline_s: float) -> Ticket[None]:
    """Return a ticket that nobody waits for."""
    return Ticket(number, stream, JOB, deadline_s, None)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=30))
def test_earliest_deadline_first(deadlines: list[float]) -> None:
    """Jobs of different streams are taken by deadline, equal ones in the order in which they came."""
    schedule = Schedule[None](depth=1, max_crashes=3)
    for k, deadline_s in enumerate(deadlines):
        assert schedule.add(ticket(k, k, deadline_s)) is None
    order = []
    while (taken := schedule.take()) is not None:
        order.append(taken.id)
        schedule.answered(taken.id)
    assert order == sorted(range(len(deadlines)), key=lambda k: (deadlines[k], k))


def test_newer_window_replaces_waiting_one() -> None:
    """Of two waiting windows of a stream only the newer remains."""
    schedule = Schedule[None](depth=1, max_crashes=3)
    old, new = ticket(1, 7, 1.0), ticket(2, 7, 2.0)
    schedule.add(old)
    assert schedule.add(new) is old
    assert schedule.take() is new
    assert schedule.take() is None


def test_running_window_is_not_replaced() -> None:
    """A window that was sent first is taken to be running and is answered."""
    schedule = Schedule[None](depth=2, max_crashes=3)
    running, new = ticket(1, 7, 1.0), ticket(2, 7, 2.0)
    schedule.add(running)
    schedule.take()
    assert schedule.add(new) is None
    assert schedule.recalls() == []
    assert schedule.answered(1) is running
    assert schedule.take() is new


def test_sent_ahead_is_called_back_for_a_newer_one_of_its_stream() -> None:
    """What waits at the engine is called back once and replaced, and kept when it was started meanwhile."""
    for started in (False, True):
        schedule = Schedule[None](depth=2, max_crashes=3)
        running, ahead, new = ticket(1, 1, 0.0), ticket(2, 2, 1.0), ticket(3, 2, 2.0)
        for item in (running, ahead):
            schedule.add(item)
            schedule.take()
        schedule.add(new)
        assert schedule.recalls() == [2]
        assert schedule.recalls() == []
        assert (schedule.answered(2) if started else schedule.recalled(2)) is ahead
        assert schedule.take() is new


def test_sent_ahead_makes_way_for_a_more_urgent_one() -> None:
    """A job that waits at the engine comes back to wait when one with an earlier deadline arrives."""
    schedule = Schedule[None](depth=2, max_crashes=3)
    for item in (ticket(1, 1, 0.0), ticket(2, 2, 5.0)):
        schedule.add(item)
        schedule.take()
    urgent = ticket(3, 3, 1.0)
    schedule.add(urgent)
    assert schedule.recalls() == [2]
    assert schedule.recalled(2) is None
    assert schedule.take() is urgent
    schedule.answered(1)
    later = schedule.take()
    assert later is not None
    assert later.id == 2


def test_slots_are_used_by_one_job_at_a_time() -> None:
    """A job gets the free slot of the shared memory."""
    schedule = Schedule[None](depth=2, max_crashes=3)
    for k in range(3):
        schedule.add(ticket(k, k, float(k)))
    first, second = schedule.take(), schedule.take()
    assert first is not None
    assert second is not None
    assert {first.slot, second.slot} == {0, 1}
    schedule.answered(first.id)
    third = schedule.take()
    assert third is not None
    assert third.slot == first.slot


def test_crash_sends_all_again_but_gives_up_the_poisonous() -> None:
    """After a crash every job waits again; one that was running in three crashes is given up."""
    schedule = Schedule[None](depth=2, max_crashes=3)
    poison, other = ticket(1, 1, 0.0), ticket(2, 2, 1.0)
    schedule.add(poison)
    schedule.add(other)
    for k in range(3):
        schedule.take()
        schedule.take()
        schedule.started([1])
        crash = schedule.crashed()
        assert crash.superseded == []
        assert crash.poisonous == ([poison] if k == 2 else [])
    assert schedule.take() is other
    assert (other.crashes, other.alone) == (0, True)


def test_crash_is_blamed_on_what_was_begun() -> None:
    """A job that was sent and not begun, or given back, is not blamed; all that were begun together are."""
    schedule = Schedule[None](depth=3, max_crashes=2)
    items = [ticket(k, k, float(k)) for k in range(3)]
    for item in items:
        schedule.add(item)
        schedule.take()
    schedule.started([0, 1])
    assert schedule.running() == items[:2]
    schedule.crashed()
    assert [item.crashes for item in items] == [1, 1, 0]
    assert schedule.running() == []
    with pytest.raises(KeyError):
        schedule.started([0])


def test_poisonous_window_may_be_spared() -> None:
    """Where another device is to be tried first, a job that would be given up waits once more, and is named."""
    schedule = Schedule[None](depth=1, max_crashes=2)
    poison = ticket(1, 1, 0.0)
    schedule.add(poison)
    for spare in (True, True, False):
        assert schedule.take() is poison
        schedule.started([1])
        crash = schedule.crashed(spare=spare)
        assert crash.spared == ([poison] if spare and poison.crashes == 2 else [])
        assert crash.poisonous == ([] if spare else [poison])


def test_held_schedule_drains() -> None:
    """While it is held nothing is sent and what does not run is called back, until nothing is at the engine."""
    schedule = Schedule[None](depth=2, max_crashes=3)
    running, ahead = ticket(1, 1, 0.0), ticket(2, 2, 1.0)
    for item in (running, ahead):
        schedule.add(item)
        schedule.take()
    schedule.held = True
    assert schedule.recalls() == [2]
    schedule.recalled(2)
    assert schedule.take() is None
    assert not schedule.nothing_sent
    schedule.answered(1)
    assert schedule.nothing_sent
    schedule.held = False
    assert schedule.take() is ahead


def test_crash_does_not_bring_back_what_was_overtaken() -> None:
    """A window that was running when the engine died is not done again when a newer one waits."""
    schedule = Schedule[None](depth=2, max_crashes=3)
    running, new = ticket(1, 1, 0.0), ticket(2, 1, 1.0)
    schedule.add(running)
    schedule.take()
    schedule.add(new)
    assert schedule.crashed().superseded == [running]
    assert schedule.take() is new


def test_discarded_jobs_are_not_done() -> None:
    """A job that nobody waits for is dropped, called back, or not repeated after a crash."""
    schedule = Schedule[None](depth=2, max_crashes=3)
    running, ahead, waiting = ticket(1, 1, 0.0), ticket(2, 2, 1.0), ticket(3, 3, 2.0)
    for item in (running, ahead, waiting):
        schedule.add(item)
        schedule.take()
    for item in (running, ahead, waiting):
        schedule.discard(item)
    assert schedule.recalls() == [2]
    assert schedule.crashed().superseded == [running, ahead]
    assert len(schedule) == 0


class Play(RuleBasedStateMachine):
    """Any order of jobs, answers, recalls and crashes: every ticket gets exactly one fate."""

    def __init__(self) -> None:
        super().__init__()
        self.schedule = Schedule[None](depth=2, max_crashes=3)
        self.number = 0
        self.fates: dict[int, str] = {}
        self.engine: list[int] = []  # as the process sees it: the first one runs
        self.called: list[int] = []

    def settle(self, item: Ticket[None], fate: str) -> None:
        """Give a ticket its fate."""
        assert item.id not in self.fates
        self.fates[item.id] = fate

    @rule(stream=st.integers(0, 3), deadline_s=st.floats(0, 10))
    def add(self, stream: int, deadline_s: float) -> None:
        """A stream asks for a window."""
        self.number += 1
        if replaced := self.schedule.add(ticket(self.number, stream, deadline_s)):
            self.settle(replaced, "superseded")
        self.send()

    def send(self) -> None:
        """The daemon sends what may be sent."""
        while item := self.schedule.take():
            self.engine.append(item.id)
        self.called += self.schedule.recalls()

    @precondition(lambda self: self.engine)
    @rule()
    def answer(self) -> None:
        """The engine finishes the running job."""
        self.settle(self.schedule.answered(self.engine.pop(0)), "answered")
        self.send()

    @precondition(lambda self: self.called)
    @rule()
    def call_back(self) -> None:
        """A recall arrives at the engine, perhaps too late."""
        job_id = self.called.pop(0)
        if job_id in self.engine[1:]:
            self.engine.remove(job_id)
            if overtaken := self.schedule.recalled(job_id):
                self.settle(overtaken, "superseded")
            self.send()

    @precondition(lambda self: self.engine)
    @rule()
    def begin(self) -> None:
        """The engine says that it has begun with the first job."""
        self.schedule.started(self.engine[:1])

    @rule(spare=st.booleans())
    def crash(self, spare: bool) -> None:
        """The engine dies and comes back."""
        crash = self.schedule.crashed(spare=spare)
        self.engine, self.called = [], []
        for item in crash.superseded:
            self.settle(item, "superseded")
        for item in crash.poisonous:
            self.settle(item, "given up")
        self.send()

    @invariant()
    def all_accounted_for(self) -> None:
        """Every ticket waits once or has its fate, and the engine is never idle while one waits."""
        pending = [item.id for item in self.schedule.tickets()]
        assert len(set(pending)) == len(pending)
        assert sorted([*pending, *self.fates]) == list(range(1, self.number + 1))
        assert self.engine or not pending


TestPlay = Play.TestCase
