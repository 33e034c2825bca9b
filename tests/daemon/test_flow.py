"""How fast one client may send."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanuensis.daemon.flow import MAX_CLIENTS, Flow, Rates

RATES = Rates(bytes_per_s=1000, messages_per_s=10, burst_s=5)


def test_a_burst_passes_and_more_is_held_back() -> None:
    """Five seconds' worth may come at once; what is over it has to be waited for."""
    flow = Flow(RATES)
    assert flow.take("a", 5000, 0.0) == 0
    assert flow.take("a", 2000, 0.0) == pytest.approx(2.0)
    assert flow.take("a", 0, 2.0) == 0
    assert flow.take("b", 5000, 2.0) == 0


def test_small_messages_count_too() -> None:
    """Many messages without content are held back by their number."""
    flow = Flow(RATES)
    waits = [flow.take("a", 0, 0.0) for _ in range(60)]
    assert waits[49] == pytest.approx(0)
    assert waits[59] == pytest.approx(1.0)


@given(st.lists(st.tuples(st.floats(0, 3), st.integers(0, 4000)), max_size=80))
def test_the_rate_is_kept_whatever_comes(steps: list[tuple[float, int]]) -> None:
    """A client that waits as it is told has never sent more than the burst and the rate, and one message."""
    flow, now_s, total = Flow(RATES), 0.0, 0
    for pause_s, size in steps:
        now_s += pause_s
        total += size
        now_s += flow.take("a", size, now_s)
        assert total <= RATES.bytes_per_s * (now_s + RATES.burst_s) + 1e-6


def test_clients_that_are_remembered_are_bounded() -> None:
    """Of very many clients those that were heard last are remembered."""
    flow = Flow(RATES)
    for n in range(MAX_CLIENTS + 10):
        flow.take(str(n), 5000, 0.0)
    assert len(flow._buckets) == MAX_CLIENTS
    assert flow.take("0", 5000, 0.0) == 0
    assert flow.take(str(MAX_CLIENTS + 9), 5000, 0.0) > 0
