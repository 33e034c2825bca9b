"""The measurement of what it costs to keep a session."""

from __future__ import annotations

import pytest

from amanuensis.benchmarks import spool_cost
from amanuensis.daemon.config import Config
from amanuensis.daemon.pipeline import Pipeline
from tests.helpers.tone_engine import ToneEngine, ToneTokenizer, say


async def test_each_way_writes_what_it_must(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory writes nothing; a spool the sound and little more; a recording FLAC as well, and keeps it."""
    monkeypatch.setattr(spool_cost, "conversation", lambda: say([0, 1, 2, 3, 4]))
    cost = await spool_cost.measure(Pipeline(ToneEngine(), ToneTokenizer(), Config()), rounds=1)
    assert cost["memory"].written_bytes == cost["memory"].kept_bytes == 0
    sound_bytes = 32_000
    assert sound_bytes < cost["spool"].written_bytes < 2 * sound_bytes
    assert cost["recording"].written_bytes > cost["spool"].written_bytes
    assert cost["recording"].kept_bytes > cost["spool"].kept_bytes
    assert all(way.cpu_ms.runs == 1 for way in cost.values())
