"""How far a stream is settled: all audio before a position has its fate in the ledger."""

from __future__ import annotations

from collections.abc import Sequence

from amanuensis.stream.events import Gap
from amanuensis.stream.ledger import AudioLedger, Fate, Span

__all__ = ["Settlement"]


class Settlement:
    """Gives fates in order.

    Attributes:
        position: 16 kHz samples before it have their fate.
        source: the same in source samples.

    """

    def __init__(self, ledger: AudioLedger, position: int = 0, source: int = 0) -> None:
        self.position = position
        self.source = source
        self._ledger = ledger

    def settle(self, fate: Fate, position: int) -> list[Span]:
        """Give all audio before `position` that has no fate yet this one; return it."""
        source = max(self._ledger.source_position(position), self.source)
        spans = self._ledger.settle_rest(fate, self.source, source)
        self.position, self.source = max(self.position, position), source
        return spans

    def settle_rest(self, fate: Fate) -> None:
        """Give all audio that came in and has no fate yet this one: the stream is over."""
        self._ledger.settle_rest(fate)
        self.source = self._ledger.totals().received

    def gaps(self, spans: Sequence[Span], why: str) -> list[Gap]:
        """Return the events that tell of settled gaps, one for each run of samples, to the sample."""
        runs: list[Span] = []
        for span in spans:
            if runs and runs[-1].stop == span.start:
                span = Span(runs.pop().start, span.stop)  # noqa: PLW2901
            runs.append(span)
        return [Gap(self._ledger.to_ms(run.start), self._ledger.to_ms(run.stop), why) for run in runs]
