"""Memory that is held, and how it grows."""

from __future__ import annotations

import pytest

from amanuensis.benchmarks.common import Spread
from amanuensis.benchmarks.memory import Held, one_start, readable
from amanuensis.benchmarks.processes import Memory


def test_growth_is_taken_after_caches_have_filled() -> None:
    """A jump at the beginning is no leak: afterwards a megabyte a minute is 60 an hour."""
    looks = [(60.0 * k, Memory(200.0, 120.0 + k + (0 if k else -80))) for k in range(11)]
    figures = Held(0.5, 0.6, Memory(150.0, 40.0), tuple(looks)).figures()
    assert figures["pss_slope_mb_per_h"] == pytest.approx(60.0)
    assert (figures["pss_mb"], figures["pss_after_mb"], figures["pss_peak_mb"]) == (40.0, 130.0, 130.0)


def test_every_figure_has_a_line() -> None:
    """What is measured is told in words."""
    figures = Held(0.5, 0.6, Memory(150.0, 40.0), ((5.0, Memory(1.0, 1.0)),)).figures()
    assert len(readable({name: Spread.of([value]) for name, value in figures.items()}, 10)) == len(figures)


async def test_a_start_of_the_real_daemon_is_looked_at() -> None:
    """Ready comes after listening; memory is looked at after each piece of speech."""
    held = await one_start("builtin", 1, 10.0)
    assert 0 < held.listening_s <= held.ready_s
    assert [at_s for at_s, _ in held.speaking] == [5.0, 10.0]
    assert held.start.pss_mb > 20
