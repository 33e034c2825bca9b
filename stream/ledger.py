"""What became of every sample: transcribed, judged silence, or reported as a gap. There is no fourth fate."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import Final, Literal, get_args

from amanuensis.stream.resample import MODEL_RATE

__all__ = ["MAX_SKIPS", "AudioLedger", "Fate", "LedgerError", "LedgerState", "Span", "Totals"]

Fate = Literal["transcribed", "silence", "gap"]
FATES: Final = get_args(Fate)
MAX_SKIPS: Final = 1_000  # gaps beyond the settled audio that a `LedgerState` tells of: 12 KB of the worst stream


class LedgerError(Exception):
    """A sample would get a second fate, or one before it came: a fault of the program."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Source samples [start, stop)."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Totals:
    """Source samples by fate: `received` is the sum of `transcribed`, `silence`, `gap` and `unsettled`.

    `empty` is no fate: samples among those transcribed or silent that the voice detector took for speech and in which
    the model found no words, in stretches of at least `uncovered_s` (see `GateConfig`).
    """

    received: int
    transcribed: int
    silence: int
    gap: int
    unsettled: int
    empty: int = 0


@dataclass(frozen=True, slots=True)
class LedgerState:
    """A ledger put down: all before the source sample `settled` has its fate, and of what follows only `skips`.

    Raises:
        ValueError: the counts do not add up.

    """

    received: int
    settled: int
    transcribed: int
    silence: int
    gap: int
    empty: int
    skips: tuple[Span, ...]  # gaps, at most MAX_SKIPS

    def __post_init__(self) -> None:
        counts = (self.transcribed, self.silence, self.gap, self.empty, self.settled)
        skipped = sum(span.stop - span.start for span in self.skips)
        if min(counts) < 0 or self.settled > self.received:
            raise ValueError(f"counts {counts} of {self.received} samples are impossible")
        if self.transcribed + self.silence + self.gap != self.settled + skipped:
            raise ValueError(f"counts {counts} do not add up with {skipped} samples skipped")
        bounds = [self.settled, *(edge for span in self.skips for edge in (span.start, span.stop)), self.received]
        if bounds != sorted(bounds):
            raise ValueError("the skipped samples are not in order or were settled before")


class AudioLedger:
    """Counts source samples, before resampling, of one stream; each gets exactly one fate.

    Fates may be told in any order. What is kept in memory is one span for each hole, not the history.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._received = 0
        self._counts: dict[Fate, int] = dict.fromkeys(FATES, 0)
        self._empty = 0
        self._open: list[Span] = []  # without a fate, ordered and disjoint

    @classmethod
    def restore(cls, rate: int, state: LedgerState) -> AudioLedger:
        """Return the ledger whose `state` this is."""
        ledger = cls(rate)
        ledger._received, ledger._empty = state.received, state.empty
        ledger._counts = {"transcribed": state.transcribed, "silence": state.silence, "gap": state.gap}
        edges = [state.settled, *(edge for span in state.skips for edge in (span.start, span.stop)), state.received]
        spans = [Span(start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=True)]
        ledger._open = [span for span in spans if span.start < span.stop]
        return ledger

    def state(self, settled: int) -> LedgerState:
        """Return what `restore` needs; all before the source sample `settled` must have its fate.

        Of more than MAX_SKIPS gaps after it the older ones are left out: their samples have no fate again, and may be
        told as gaps again. That takes a stream of which more than 60 pieces a second are lost.
        """
        edges = [settled, *(edge for span in self._open for edge in (span.start, span.stop)), self._received]
        gaps = [Span(start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=True) if start < stop]
        skips = tuple(gaps[-MAX_SKIPS:])
        forgotten = sum(span.stop - span.start for span in gaps[:-MAX_SKIPS])
        transcribed, silence, gap = (self._counts[fate] for fate in FATES)
        return LedgerState(self._received, settled, transcribed, silence, gap - forgotten, self._empty, skips)

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

    def count_empty(self, start: int, stop: int) -> None:
        """Note that the 16 kHz samples [start, stop) are speech that was decoded without finding words."""
        self._empty += self.source_position(stop) - self.source_position(start)

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
        return Totals(received=self._received, unsettled=unsettled, empty=self._empty, **self._counts)

    def _describe_open(self) -> str:
        return ", ".join(f"{span.start} to {span.stop}" for span in self._open[:4]) or "none"
