"""What became of every sample: transcribed, judged silence, or reported as a gap. There is no fourth fate."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import Final, Literal, get_args

from amanuensis.stream.resample import MODEL_RATE

__all__ = ["AudioLedger", "Fate", "LedgerError", "Span", "Totals"]

Fate = Literal["transcribed", "silence", "gap"]
FATES: Final = get_args(Fate)


class LedgerError(Exception):
    """A sample would get a second fate, or one before it came: a fault of the program."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Source samples [start, stop)."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Totals:
    """Source samples by fate; `received` is the sum of the others."""

    received: int
    transcribed: int
    silence: int
    gap: int
    unsettled: int


class AudioLedger:
    """Counts source samples, before resampling, of one stream; each gets exactly one fate.

    Fates may be told in any order. What is kept in memory is one span for each hole, not the history.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._received = 0
        self._counts: dict[Fate, int] = dict.fromkeys(FATES, 0)
        self._open: list[Span] = []  # without a fate, ordered and disjoint

    def received(self, n_samples: int) -> None:
        """Count `n_samples` more source samples that came in."""
        if n_samples <= 0:
            return
        start, self._received = self._received, self._received + n_samples
        if self._open and self._open[-1].stop == start:
            start = self._open.pop().start
        self._open.append(Span(start, self._received))

    def settle(self, fate: Fate, start: int, stop: int) -> None:
        """Give source samples [start, stop) their fate; an empty span does nothing.

        Raises:
            LedgerError: some of them have a fate already or have not come in.

        """
        if start >= stop:
            return
        index = bisect_right(self._open, start, key=lambda span: span.stop)
        span = self._open[index] if index < len(self._open) else None
        if span is None or not span.start <= start < stop <= span.stop:
            waiting = self._describe_open()
            raise LedgerError(f"samples {start} to {stop} cannot be {fate}: only {waiting} have no fate yet")
        rest = [Span(span.start, start), Span(stop, span.stop)]
        self._open[index : index + 1] = [part for part in rest if part.start < part.stop]
        self._counts[fate] += stop - start

    def settle_rest(self, fate: Fate, start: int = 0, stop: int | None = None) -> list[Span]:
        """Give `fate` to all source samples of [start, stop) that have none yet; return them as spans, in order."""
        limit = self._received if stop is None else stop
        clipped = [Span(max(span.start, start), min(span.stop, limit)) for span in self._open]
        spans = [span for span in clipped if span.start < span.stop]
        for span in spans:
            self.settle(fate, span.start, span.stop)
        return spans

    def source_position(self, position: int) -> int:
        """Return the source sample at which the 16 kHz sample `position` begins, at most what was received.

        Spans that touch at 16 kHz touch in the source as well, so no sample is lost or counted twice between them.
        At the end of the stream use `settle_rest` for the last span: up to half a 16 kHz sample may be left over.
        """
        return min((2 * position * self._rate + MODEL_RATE) // (2 * MODEL_RATE), self._received)

    def to_ms(self, source_sample: int) -> float:
        """Return the media time of a source sample in milliseconds."""
        return 1000 * source_sample / self._rate

    @property
    def unsettled(self) -> tuple[Span, ...]:
        """Source samples without a fate, ordered and disjoint."""
        return tuple(self._open)

    def totals(self) -> Totals:
        """Return the counts so far."""
        unsettled = sum(span.stop - span.start for span in self._open)
        return Totals(received=self._received, unsettled=unsettled, **self._counts)

    def _describe_open(self) -> str:
        return ", ".join(f"{span.start} to {span.stop}" for span in self._open[:4]) or "none"
