"""What Ray adds to a window, round by round."""

from __future__ import annotations

import pytest

from amanuensis.benchmarks.cluster_overhead import Answered, summary


def test_what_was_added_is_told_of_pairs() -> None:
    """A round in which both were slow adds nothing."""
    local = [Answered(10.0, 1.0), Answered(30.0, 20.0), Answered(10.0, 1.0)]
    ray = [Answered(14.0, 5.0), Answered(34.0, 24.0), Answered(14.0, 5.0)]
    found = summary(local, ray)
    assert found["added on the way"]["p50"] == pytest.approx(4.0)
    assert found["added on the way"]["p95"] == pytest.approx(4.0)
    assert found["through Ray, in all"]["p50"] == pytest.approx(14.0)
    assert found["local, on the way"]["n"] == 3
