"""The measurement of the log-mel front end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from amanuensis.benchmarks.common import Spread
from amanuensis.benchmarks.log_mel import measure


def test_ratio_is_that_of_a_tick() -> None:
    """A tick of ours stands against what faster-whisper computes at a tick; without it there is no ratio."""
    cost = measure(rounds=1)
    assert cost.ratio is None
    assert cost.whole_ms.median > 0
    peer = replace(cost, faster_whisper_ms=Spread.of([4 * cost.incremental_ms.median]))
    assert peer.ratio == pytest.approx(0.25)
