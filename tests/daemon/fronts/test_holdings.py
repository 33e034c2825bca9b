"""Who has which session: one front at a time, whatever comes late, again, or from somebody who was given up."""

from __future__ import annotations

from typing import Final

import msgpack
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from amanuensis.daemon.fronts.holdings import Holdings
from amanuensis.daemon.fronts.messages import Times, Write

TIMES: Final = Times(lease_s=3, settle_s=6, fill_s=6, adopt_s=5)
FRONTS: Final = ("a/1", "b/1", "c/1")
S: Final = "s"


def opened(now_s: float = 0.0) -> Holdings:
    """Return holdings of a session that the front a/1 has just opened."""
    holdings = Holdings(TIMES, now_s)
    holdings.register("a/1", now_s)
    write = Write(S, 1, 1, is_first=True, opened_s=100)
    assert holdings.judge("a/1", write, now_s) == "take"
    holdings.taken(write)
    return holdings


def test_a_front_that_lives_keeps_its_session() -> None:
    """Another front is told who has it, and the owner that it is asked for."""
    holdings = opened()
    holdings.beat("a/1", 2.0)
    assert holdings.claim("b/1", S, 4.0).kind == "held"
    assert holdings.wanted("a/1") == (S,)
    holdings.release(S, 4.0)
    claim = holdings.claim("b/1", S, 4.0)
    assert (claim.kind, claim.epoch) == ("granted", 2)


def test_a_front_whose_lease_is_over_is_fenced_off() -> None:
    """What it writes later is refused, under its old epoch and under one that it never had."""
    holdings = opened()
    assert holdings.claim("b/1", S, 3.1).epoch == 2
    assert holdings.judge("a/1", Write(S, 1, 2), 3.2) == "fenced"
    assert holdings.judge("a/1", Write(S, 2, 2), 3.2) == "fenced"
    assert holdings.judge("b/1", Write(S, 2, 1), 3.2) == "take"


def test_a_front_that_hands_nothing_over_loses_it() -> None:
    """A session can be taken from a front that lives, once it had its time."""
    holdings = opened()
    assert holdings.claim("b/1", S, 1.0).kind == "held"
    assert holdings.claim("b/1", S, 1.0, force=True).epoch == 2
    assert holdings.judge("a/1", Write(S, 1, 2), 1.0) == "fenced"


def test_a_write_that_comes_again_changes_nothing() -> None:
    """Its answer was lost; it is not taken twice, and an older one not at all."""
    holdings = opened()
    holdings.taken(Write(S, 1, 5))
    assert [holdings.judge("a/1", Write(S, 1, number), 1.0) for number in (5, 4, 6)] == ["again", "again", "take"]


def test_a_later_run_of_a_front_may_have_its_sessions_at_once() -> None:
    """The run before is dead, however fresh its lease is, and stays so."""
    holdings = opened()
    holdings.register("a/2", 0.1)
    holdings.beat("a/1", 0.2)
    assert not holdings.lives("a/1", 0.2)
    assert holdings.claim("a/2", S, 0.3).epoch == 2


def test_a_store_that_forgot_waits_for_who_has_it_later() -> None:
    """The front with the newest epoch gets its session back; one that was fenced before stays fenced."""
    holdings = Holdings(TIMES, 0.0)
    assert holdings.claim("c/1", S, 1.0).kind == "wait"  # somebody may still tell of it
    assert holdings.judge("a/1", Write(S, 1, 9), 1.0) == "wait"
    assert holdings.judge("b/1", Write(S, 2, 3), 2.0) == "wait"
    assert holdings.judge("a/1", Write(S, 1, 10), 3.0) == "fenced"
    assert holdings.claim("c/1", S, 3.0).kind == "wait"
    assert holdings.judge("b/1", Write(S, 2, 4), 8.1) == "take"
    assert Holdings(TIMES, 0.0).claim("c/1", S, 6.1).kind == "unknown"


def test_what_was_forgotten_does_not_come_back() -> None:
    """A session that is over everywhere is nobody's any more."""
    holdings = opened()
    holdings.forget(S)
    assert holdings.judge("b/1", Write(S, 7, 1), 1.0) == "fenced"
    assert holdings.claim("b/1", S, 1.0).kind == "unknown"


def test_orphans_are_offered_after_a_while() -> None:
    """A session without a front is given to any, but not while its speaker is likely to come."""
    holdings = opened()
    assert holdings.orphans(7.9) == ()
    assert holdings.orphans(8.1) == (S,)
    holdings.release(S, 10.0)
    assert holdings.orphans(14.9) == ()
    assert holdings.orphans(15.1) == (S,)


def test_the_newest_that_goes_on_is_latest() -> None:
    """By the time when they were opened; those that are over do not count."""
    holdings = opened()
    for name, opened_s in (("t", 200.0), ("u", 300.0)):
        write = Write(name, 1, 1, is_first=True, opened_s=opened_s)
        holdings.judge("b/1", write, 1.0)
        holdings.taken(write)
    assert holdings.newest() == "u"
    holdings.taken(Write("u", 1, 2, ended="end"))
    assert holdings.newest() == "t"


class Leases(RuleBasedStateMachine):
    """Fronts that live, hang, die and wake again, and a store that is started again; one session."""

    @initialize()
    def open(self) -> None:
        self.now_s = 0.0
        self.holdings = opened()
        self.believes: dict[str, int] = {"a/1": 1}  # fronts, and under which epoch they think to have the session
        self.number = 1
        self.granted = [1]

    @rule(seconds=st.floats(0, 6))
    def pass_time(self, seconds: float) -> None:
        """Leases go on to their end."""
        self.now_s += seconds

    @rule(front=st.sampled_from(FRONTS))
    def live(self, front: str) -> None:
        """A front gives a sign of life."""
        self.holdings.beat(front, self.now_s)

    @rule(front=st.sampled_from(FRONTS), force=st.booleans())
    def claim(self, front: str, *, force: bool) -> None:
        """A front wants the session."""
        claim = self.holdings.claim(front, S, self.now_s, force=force)
        if claim.kind == "granted":
            assert claim.epoch > max(self.granted), "an epoch is given once"
            self.granted.append(claim.epoch)
            self.believes[front] = claim.epoch

    @rule(front=st.sampled_from(FRONTS))
    def write(self, front: str) -> None:
        """A front writes what it thinks it may; only the newest owner's write is taken."""
        if front not in self.believes:
            return
        self.number += 1
        write = Write(S, self.believes[front], self.number)
        verdict = self.holdings.judge(front, write, self.now_s)
        if verdict == "take":
            assert write.epoch == max(self.granted)
            self.holdings.taken(write)
        elif verdict == "fenced":
            del self.believes[front]

    @rule(front=st.sampled_from(FRONTS))
    def release(self, front: str) -> None:
        """The owner lets go."""
        if self.believes.get(front) == max(self.granted) and self.holdings[S].owner == front:
            self.holdings.release(S, self.now_s)
            del self.believes[front]

    @rule()
    def restart(self) -> None:
        """The store's process is another, with the same disk."""
        plain = msgpack.unpackb(msgpack.packb(self.holdings.to_plain()))
        self.holdings = Holdings(TIMES, self.now_s, is_new=False)
        self.holdings.restore(plain, self.now_s)

    @invariant()
    def newest_epoch_is_known(self) -> None:
        """The store never goes back to an older epoch."""
        if hasattr(self, "granted"):
            assert self.holdings[S].epoch == max(self.granted)


TestLeases = Leases.TestCase
TestLeases.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
