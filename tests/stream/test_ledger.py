"""Tests of stream/ledger.py."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amanuensis.stream.ledger import FATES, MAX_SKIPS, AudioLedger, Fate, LedgerError, LedgerState, Span, Totals
from amanuensis.stream.resample import MODEL_RATE

RATES = st.sampled_from([8000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000])
FATE = st.sampled_from(FATES)


class Tape:
    """The ledger's slow twin: one entry for each sample."""

    def __init__(self) -> None:
        self.fates: list[Fate | None] = []

    def settle(self, fate: Fate, start: int, stop: int) -> bool:
        """Settle [start, stop); False, and nothing done, where that is not allowed."""
        span = self.fates[start:stop]
        if start < stop and (len(span) < stop - start or any(span)):
            return False
        self.fates[start:stop] = [fate] * (stop - start) if start < stop else self.fates[start:stop]
        return True

    def totals(self) -> Totals:
        """Count the entries."""
        counts = {fate: self.fates.count(fate) for fate in FATES}
        return Totals(received=len(self.fates), unsettled=self.fates.count(None), **counts)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), FATE, st.integers(0, 60), st.integers(0, 20)), max_size=40))
def test_every_sample_has_exactly_one_fate(steps: list[tuple[int, Fate, int, int]]) -> None:
    """In any order of arrivals and settlements the ledger equals one that keeps every sample."""
    ledger, tape = AudioLedger(16_000), Tape()
    for n_received, fate, start, length in steps:
        ledger.received(n_received)
        tape.fates += [None] * n_received
        if tape.settle(fate, start, start + length):
            ledger.settle(fate, start, start + length)
        else:
            with pytest.raises(LedgerError):
                ledger.settle(fate, start, start + length)
        assert ledger.totals() == tape.totals()
    spans = ledger.unsettled
    assert [k for span in spans for k in range(span.start, span.stop)] == [
        k for k, fate in enumerate(tape.fates) if fate is None
    ]
    assert all(a.stop < b.start for a, b in pairwise(spans))
    ledger.settle_rest("gap")
    totals = ledger.totals()
    assert totals.unsettled == 0
    assert totals.transcribed + totals.silence + totals.gap == totals.received


@settings(deadline=None)
@given(
    rate=RATES,
    n_source=st.integers(0, 3_000_000),
    cuts=st.lists(st.floats(0, 1), max_size=20),
    fates=st.lists(FATE, min_size=21, max_size=21),
)
def test_spans_at_16_khz_cover_the_source(rate: int, n_source: int, cuts: list[float], fates: list[Fate]) -> None:
    """A stream cut anywhere at 16 kHz and settled piece by piece leaves at most half a 16 kHz sample at its end."""
    ledger = AudioLedger(rate)
    ledger.received(n_source)
    n = (2 * n_source * MODEL_RATE + rate) // (2 * rate)  # what the resampler makes of it
    bounds = sorted([0, n, *(round(cut * n) for cut in cuts)])
    for fate, start, stop in zip(fates, bounds, bounds[1:], strict=False):
        ledger.settle(fate, ledger.source_position(start), ledger.source_position(stop))
    rest = ledger.settle_rest("silence")
    assert sum(span.stop - span.start for span in rest) <= rate / MODEL_RATE
    totals = ledger.totals()
    assert totals.transcribed + totals.silence + totals.gap == totals.received == n_source


@settings(deadline=None)
@given(rate=RATES, position=st.integers(0, 10**9))
def test_source_positions_are_the_nearest(rate: int, position: int) -> None:
    """A 16 kHz position lies within half a source sample of its source position, and later ones never before it."""
    ledger = AudioLedger(rate)
    ledger.received(2**60)
    source = ledger.source_position(position)
    assert abs(source * MODEL_RATE - position * rate) * 2 <= MODEL_RATE
    assert source <= ledger.source_position(position + 1)


def test_rest_of_a_range() -> None:
    """The rest of a range is told span by span and leaves the outside as it was."""
    ledger = AudioLedger(16_000)
    ledger.received(100)
    ledger.settle("transcribed", 20, 40)
    assert ledger.settle_rest("gap", 10, 60) == [Span(10, 20), Span(40, 60)]
    assert ledger.unsettled == (Span(0, 10), Span(60, 100))
    assert ledger.totals() == Totals(received=100, transcribed=20, silence=0, gap=30, unsettled=50)


def test_a_second_fate_is_refused() -> None:
    """The error names the span, the fate and what is still open."""
    ledger = AudioLedger(16_000)
    ledger.received(100)
    ledger.settle("silence", 0, 50)
    with pytest.raises(LedgerError, match="samples 49 to 60 cannot be gap: only 50 to 100 have no fate yet"):
        ledger.settle("gap", 49, 60)
    with pytest.raises(LedgerError, match="samples 90 to 101"):
        ledger.settle("gap", 90, 101)
    ledger.settle("transcribed", 50, 100)
    with pytest.raises(LedgerError, match="only none have"):
        ledger.settle("gap", 0, 1)


def test_media_time() -> None:
    """A source sample's time counts at the source's rate."""
    assert AudioLedger(44_100).to_ms(441) == 10.0


@settings(deadline=None)
@given(st.integers(0, 500), st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), max_size=12))
def test_a_ledger_goes_on_from_its_state(settled: int, gaps: list[tuple[int, int]]) -> None:
    """A ledger that was put down has the same totals and the same samples without a fate."""
    ledger = AudioLedger(16_000)
    ledger.received(1_000)
    ledger.settle("silence", 0, settled // 2)
    ledger.settle("transcribed", settled // 2, settled)
    ledger.count_empty(0, settled // 3)
    at = settled
    for before, length in gaps:
        at += before
        ledger.settle_rest("gap", at, at + length)
        at += length
    again = AudioLedger.restore(16_000, ledger.state(settled))
    assert again.totals() == ledger.totals()
    assert again.unsettled == ledger.unsettled
    assert again.state(settled) == ledger.state(settled)


def test_a_state_is_bounded() -> None:
    """Of countless gaps beyond what is settled the newest are kept; the samples of the others have no fate again."""
    ledger = AudioLedger(16_000)
    ledger.received(10_000)
    for at in range(0, 10_000, 4):
        ledger.settle("gap", at, at + 1)
    state = ledger.state(0)
    assert len(state.skips) == MAX_SKIPS
    totals = AudioLedger.restore(16_000, state).totals()
    assert totals == Totals(received=10_000, transcribed=0, silence=0, gap=MAX_SKIPS, unsettled=10_000 - MAX_SKIPS)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ((100, 101, 101, 0, 0, 0, ()), "impossible"),
        ((100, 50, 51, -1, 0, 0, ()), "impossible"),
        ((100, 50, 50, 0, 1, 0, ()), "do not add up with 0 samples skipped"),
        ((100, 50, 50, 0, 2, 0, (Span(49, 51),)), "not in order or were settled before"),
    ],
)
def test_a_state_that_does_not_add_up_is_refused(state: tuple[int, ...], message: str) -> None:
    """Counts must be possible, add up, and leave the skipped samples behind what is settled."""
    with pytest.raises(ValueError, match=message):
        LedgerState(*state)  # type: ignore[arg-type]


def test_empty_speech_is_counted_in_source_samples() -> None:
    """Speech without words is counted beside the fates, not among them."""
    ledger = AudioLedger(48_000)
    ledger.received(48_000)
    ledger.count_empty(1_600, 3_200)
    assert ledger.totals() == Totals(48_000, transcribed=0, silence=0, gap=0, unsettled=48_000, empty=4_800)
