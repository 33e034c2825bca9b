"""Fates in order."""

from __future__ import annotations

from amanuensis.stream.events import Gap
from amanuensis.stream.ledger import AudioLedger, Span
from amanuensis.stream.settlement import Settlement


def test_fates_follow_each_other() -> None:
    """Each settles what lies between the last position and its own; what had a fate keeps it."""
    ledger = AudioLedger(48_000)
    ledger.received(48_000)
    ledger.settle("gap", 12_000, 15_000)
    settled = Settlement(ledger)
    assert settled.settle("silence", 3_000) == [Span(0, 9_000)]
    assert settled.settle("transcribed", 6_000) == [Span(9_000, 12_000), Span(15_000, 18_000)]
    assert settled.settle("silence", 5_000) == []
    assert (settled.position, settled.source) == (6_000, 18_000)
    settled.settle_rest("silence")
    totals = ledger.totals()
    assert (totals.silence, totals.transcribed, totals.gap, totals.unsettled) == (39_000, 6_000, 3_000, 0)
    assert settled.source == 48_000


def test_gaps_that_touch_are_told_as_one() -> None:
    """Runs of lost samples give one event each, in source time."""
    settled = Settlement(AudioLedger(8_000))
    events = settled.gaps([Span(0, 8), Span(8, 16), Span(24, 32)], "lost")
    assert events == [Gap(0.0, 2.0, "lost"), Gap(3.0, 4.0, "lost")]
    assert settled.gaps([], "lost") == []
