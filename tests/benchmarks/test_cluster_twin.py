"""A load of real nodes beside its simulation: the same measure, and what can be reckoned by hand."""

from __future__ import annotations

import dataclasses

import pytest

from amanuensis.benchmarks.cluster_twin import Comparison, Struck, table
from amanuensis.benchmarks.density import Load
from amanuensis.benchmarks.scale_plan import Service

QUICK = Service((1.0, 6.0), (0.02, 0.02))
COMPARISON = Comparison(QUICK, way_s=0.01, seconds=60.0)
LOAD = Load(1, 270.0, 500.0, 500.0, 0.0, 0.0, 0.01, 0.5, 2.0, 20.0, 0.03, 0.005, 0.1, 0.5, 0.3)


def test_a_stream_alone_is_between_one_answer_and_the_next_tick_behind() -> None:
    """Half a second is asked for at a time, in packets of a tenth: 0 to 500 ms of it have no answer yet."""
    case = COMPARISON.case(1, dataclasses.replace(LOAD, streams=20))
    lags = case.simulated.lags
    assert 100.0 <= lags.p50_ms <= 300.0
    assert lags.most_ms <= 501.0
    assert case.simulated.ticks_per_s == pytest.approx(2.0, rel=0.05)
    assert case.simulated.window_ms == pytest.approx(20.0, rel=0.05)


def test_a_node_that_is_cut_off_is_noticed_late_and_one_that_is_killed_at_once() -> None:
    """Until the silence is noticed nothing of its streams is answered; with broken connections it is soon."""
    load = dataclasses.replace(LOAD, streams=6)
    cut = COMPARISON.case(2, load, Struck("cut", 30.0, 7.0, 5.0)).simulated.lags
    killed = COMPARISON.case(2, load, Struck("killed", 30.0, 60.0, 0.1)).simulated.lags
    assert 4500.0 < cut.most_ms < 6500.0
    assert killed.most_ms < 1500.0


def test_windows_are_also_as_long_as_they_were() -> None:
    """A node that something else slowed down is held against one whose windows take as long."""
    case = COMPARISON.case(1, dataclasses.replace(LOAD, streams=4, window_ms=200.0))
    assert case.simulated.window_ms == pytest.approx(20.0, rel=0.05)
    assert case.as_long.window_ms == pytest.approx(200.0, rel=0.05)
    assert case.as_long.ticks_per_s < case.simulated.ticks_per_s
    assert case.as_long.lags.p50_ms > 2 * case.simulated.lags.p50_ms


def test_the_table_has_real_figures_before_simulated_ones() -> None:
    """One row for each load, by nodes, streams and what befell them."""
    case = COMPARISON.case(2, dataclasses.replace(LOAD, streams=4), Struck("one is killed", 30.0, 60.0, 0.1))
    titles, _, row = table([case])
    assert row.startswith("| 2 | 4 | one is killed | 270 / 500 / 500 |")
    assert row.count("|") == titles.count("|")
