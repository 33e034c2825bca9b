"""Clusters in simulation: what can be reckoned by hand comes out of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from amanuensis.benchmarks.scale_model import SILENCE_S, simulate
from amanuensis.benchmarks.scale_plan import Plan, Service, Speech, Trouble

QUICK = Service((1.0, 6.0), (0.02, 0.02))
ALONE = Plan((QUICK,), sessions=1, network_s=0.01, settle_s=0.0)


def test_a_stream_alone_waits_for_the_way_and_its_window_only() -> None:
    """Nobody is before it: every lag is the service and the network, and the silence for the last window."""
    outcome = simulate(ALONE)
    assert len(outcome.ticks) > 50
    assert outcome.ticks == pytest.approx([0.03] * len(outcome.ticks))
    assert outcome.finals == pytest.approx([0.03 + SILENCE_S] * len(outcome.finals))
    assert outcome.busy == pytest.approx(0.02 * (len(outcome.ticks) + len(outcome.finals)) / ALONE.seconds, rel=0.02)


def test_the_same_plan_gives_the_same_outcome() -> None:
    """Everything drawn is drawn from the seed."""
    plan = Plan(
        (replace(QUICK, factors=(0.5, 1.0, 3.0)),) * 3, sessions=40, troubles=(Trouble(20.0, "deaths", 1, 5.0),)
    )
    assert simulate(plan) == simulate(plan)
    assert simulate(plan) != simulate(replace(plan, seed=1))


def test_longer_windows_take_longer_as_measured() -> None:
    """Between two measured lengths it is in between."""
    service = Service((1.0, 3.0), (0.1, 0.3))
    plan = replace(ALONE, nodes=(service,), network_s=0.0, speech=Speech(utterance_s=1000.0, longest_window_s=3.0))
    lags = simulate(plan).ticks
    assert lags[:3] == pytest.approx([0.1, 0.1, 0.15], abs=1e-9)
    assert max(lags) == pytest.approx(0.3)


def test_more_streams_than_a_node_carries_are_refused_or_slow_down() -> None:
    """Admission holds at the capacity; who is admitted is answered."""
    plan = Plan((QUICK,), sessions=60)
    carried = int(QUICK.capacity(plan.share))
    outcome = simulate(plan)
    assert (outcome.carried, outcome.refused) == (carried, 60 - carried)
    assert outcome.busy <= 1.0
    crowded = simulate(replace(plan, share=3.0))
    assert crowded.refused == 0
    assert 0.9 < crowded.busy <= 1.0
    assert len(crowded.ticks) / 60 < len(outcome.ticks) / carried  # ticks pace down


def test_windows_of_a_node_that_dies_go_to_others() -> None:
    """What was there is answered elsewhere once the silence was noticed; nothing else waits so long."""
    plan = Plan((QUICK,) * 4, sessions=60, troubles=(Trouble(20.0, "deaths", 1, 100.0),))
    calm, outcome = simulate(replace(plan, troubles=())), simulate(plan)
    assert 0 < outcome.moved <= 60
    assert outcome.given_up == 0
    assert max(calm.ticks) < 1.0
    assert plan.silent_s < max(outcome.ticks) < plan.silent_s + 1.0
    assert sum(lag > 1.0 for lag in outcome.ticks + outcome.finals) <= 2 * outcome.moved


def test_while_no_node_is_there_windows_wait_for_one() -> None:
    """All sessions go on when the only node is back."""
    plan = replace(ALONE, sessions=5, troubles=(Trouble(20.0, "deaths", 1, 10.0),))
    outcome = simulate(plan)
    assert outcome.moved > 0
    assert 8.0 < max(outcome.ticks + outcome.finals) < 12.0
    assert len(outcome.finals) > 20


def test_fronts_share_nodes_without_knowing_all_of_one_another() -> None:
    """Each sees the streams of the others a look late, and still no node is left out."""
    outcome = simulate(Plan((QUICK,) * 4, sessions=60, fronts=3))
    assert outcome.refused == 0
    assert max(outcome.ticks) < 0.5


def test_a_rack_that_dies_costs_no_window() -> None:
    """A quarter of the nodes die at once: what they had goes to nodes that live, not from one dead node to another."""
    for seed in range(3):
        plan = Plan((QUICK,) * 20, sessions=300, seconds=40.0, troubles=(Trouble(20.0, "deaths", 5, 10.0),), seed=seed)
        outcome = simulate(plan)
        assert outcome.moved > 20
        assert outcome.given_up == 0
        assert max(outcome.ticks) < plan.silent_s + 1.0
