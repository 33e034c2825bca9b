"""From the bytes of a source to 16 kHz samples, decisions of the voice detector, and starts and ends of utterances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd, lcm
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from amanuensis.stream.config import StreamConfig
from amanuensis.stream.formats import AudioFormat, PcmDecoder
from amanuensis.stream.ledger import AudioLedger, LedgerState, Span
from amanuensis.stream.resample import MODEL_RATE, Resampler
from amanuensis.stream.ring import SampleRing
from amanuensis.stream.segmenter import EndReason, Segmenter, SegmenterState, SegmentEvent
from amanuensis.stream.vad import FRAME_SAMPLES, VoiceDetector
from amanuensis.stream.voice_map import VoiceMap, VoiceState

__all__ = ["BLOCK_S", "Intake", "IntakeState"]

BLOCK_S: Final = 1.0  # audio is taken in pieces of at most so long
RING_MARGIN_S: Final = 4.0  # pre-roll, resampler's delay, one block
CALM_FACTOR: Final = 2  # times the memory of the detector: then it has forgotten all but silence
WARM_UP: Final = 3 * MODEL_RATE  # samples heard again before those that are needed: the window of the noise floor


class FrameListener(Protocol):
    """Is given whole frames of 16 kHz sound, in order, with what was decided of each."""

    @property
    def hears_from(self) -> int:
        """The first 16 kHz sample of what comes again that it needs."""
        ...

    @property
    def needs_from(self) -> int:
        """The first 16 kHz sample that would have to come again, were it to go on from here."""
        ...

    def hear(self, position: int, samples: NDArray[np.float32], decisions: Sequence[bool]) -> None: ...


@dataclass(frozen=True, slots=True)
class IntakeState:
    """The front of a stream put down. Sound is not in it: it comes again from the source sample `needs_from`.

    Attributes:
        needs_from: a source sample that lies both on the grid of 16 kHz and on that of the detector's frames, far
            enough before the sound that is needed for resampler and detector to be warm; the end when none is needed.
        ended: whether the source had ended.
        ledger, segmenter, voices: what they are; decisions that were made are not made again.
        non_finite, clipped: of the decoder.

    """

    needs_from: int
    ended: bool
    ledger: LedgerState
    segmenter: SegmenterState
    voices: VoiceState
    non_finite: int
    clipped: int

    def __post_init__(self) -> None:
        if not 0 <= self.needs_from <= self.ledger.received:
            raise ValueError(f"needs_from {self.needs_from} is not among the {self.ledger.received} samples received")


class Intake:
    """The front of a stream. All positions are 16 kHz samples from its start.

    A `listener` is given each frame of 16 kHz sound once, and of those that come again those that it needs.
    Made from a state, it is *replaying* until all has come again that had come before: `replay_left` samples.

    Attributes:
        ledger: counts the source samples.
        ring: the newest samples at 16 kHz; the session drops what it does not need any more.
        voices: the decisions of the voice detector, likewise.
        block_samples: source samples of BLOCK_S.

    """

    def __init__(
        self,
        config: StreamConfig,
        fmt: AudioFormat,
        state: IntakeState | None = None,
        listener: FrameListener | None = None,
    ) -> None:
        start = to_position(state.needs_from, fmt.rate) if state else 0
        self.ledger = AudioLedger.restore(fmt.rate, state.ledger) if state else AudioLedger(fmt.rate)
        self.ring = SampleRing(round((config.max_pending_s + RING_MARGIN_S) * MODEL_RATE), start)
        self.voices = VoiceMap(state.voices if state else None)
        self.decoder = PcmDecoder(fmt)
        self._resampler = Resampler(fmt.rate)
        self._detector = VoiceDetector(config.vad)
        self._segmenter = Segmenter(config.endpoint, state.segmenter if state else None)
        self._received = state.ledger.received if state else 0
        self._fed = state.needs_from if state else 0  # source samples that came, those before it included
        self._n_known = self.voices.stop_frame - start // FRAME_SAMPLES  # coming frames that were decided before
        self.block_samples = round(fmt.rate * BLOCK_S)
        self._mute = 0  # source samples that were skipped since sound was heard last
        self._calm_s = CALM_FACTOR * max(config.vad.floor_window_s, config.vad.steady_s)
        self._state = state
        self._listener = listener

    def state(self, needed_from: int, settled: int, *, ended: bool) -> IntakeState:
        """Return what another intake needs to go on from here.

        Args:
            needed_from: position of the first sample whose sound is still needed, by others than the listener.
            settled: source samples before this one have their fate.
            ended: whether `finish` was called.

        """
        rate = self.decoder.format.rate
        over = ended and settled == self._received and self.newest - self._listener_needs < FRAME_SAMPLES
        needed_from = min(needed_from, self._listener_needs)
        return IntakeState(
            needs_from=self._received if over else restart_before(needed_from, rate),
            ended=ended,
            ledger=self.ledger.state(settled),
            segmenter=self._segmenter.state(),
            voices=self.voices.state(),
            non_finite=self.decoder.non_finite,
            clipped=self.decoder.clipped,
        )

    @property
    def received(self) -> int:
        """Source samples of each channel that came in."""
        return self._received

    @property
    def replay_left(self) -> int:
        """Source samples of each channel that have to come again."""
        return self._received - self._fed

    @property
    def max_bytes(self) -> int:
        """How many bytes may be pushed at once: BLOCK_S of sound, and not beyond the end of what comes again."""
        n = min(self.block_samples, self.replay_left or self.block_samples)
        return n * self.decoder.format.frame_bytes - self.decoder.n_waiting_bytes

    @property
    def received_ms(self) -> float:
        """Media time of the end of the audio that came in."""
        return self.ledger.to_ms(self._received)

    @property
    def newest(self) -> int:
        """Position after the newest sample."""
        return self.ring.stop

    @property
    def quiet_until(self) -> int:
        """Before it, what is in no utterance is silence for good."""
        return self._segmenter.quiet_until

    @property
    def undecided(self) -> bool:
        """Whether speech may just have begun that is in no utterance yet."""
        return self._segmenter.undecided

    def push(self, data: bytes) -> list[SegmentEvent]:
        """Take raw bytes, at most `max_bytes`; return the starts and ends of utterances in them."""
        self._mute = 0
        return self._take(self.decoder.decode(data))

    def skip(self, n_samples: int) -> tuple[list[SegmentEvent], list[Span]]:
        """Take silence for `n_samples` source samples that were lost, at most BLOCK_S.

        Returns:
            Starts and ends of utterances, and the source samples whose fate is `gap` now: all but those that had a
            fate before.

        """
        start = self._fed
        events = self._take(np.zeros(n_samples, np.float32))
        self._mute += n_samples
        return events, self.ledger.settle_rest("gap", start, self._fed)

    def lose(self, n_samples: int, *, may_leap: bool) -> tuple[int, list[SegmentEvent], list[Span]]:
        """Leap over lost source samples if that `may` and can be, else skip the first of them.

        Returns:
            How many were taken, at least one, and what `skip` returns.

        """
        n_taken, spans = self.leap(n_samples) if may_leap else (0, [])
        if n_taken:
            return n_taken, [], spans
        n_taken = min(self.block_samples, n_samples)
        return n_taken, *self.skip(n_taken)

    def leap(self, n_samples: int) -> tuple[int, list[Span]]:
        """Skip at once what can be: in silence that has lasted, only time passes, and hours of it need no work.

        Returns:
            How many of the lost source samples were taken, 0 while something may still come of taking them one by one,
            and those whose fate is `gap` now.

        """
        step = grid_step(self.decoder.format.rate)
        n_steps = n_samples * MODEL_RATE // (step * self.decoder.format.rate)
        if not n_steps or not self._is_calm:
            return 0, []
        for part in (self.ring, self.voices, self._segmenter):
            part.leap(n_steps * step)
        start, n_leapt = self._received, n_steps * step * self.decoder.format.rate // MODEL_RATE
        self._received = self._fed = start + n_leapt
        self.ledger.received(n_leapt)
        return n_leapt, self.ledger.settle_rest("gap", start)

    @property
    def _is_calm(self) -> bool:
        """Whether all has settled to silence: what is kept, and what resampler, detector and segmenter remember."""
        kept_s = (self.newest - self.ring.start) / MODEL_RATE
        mute_s = self._mute / self.decoder.format.rate
        lasts = mute_s >= self._calm_s + kept_s
        return lasts and not self.replay_left and self._segmenter.is_quiet and self.voices.is_silent

    def flush(self, reason: EndReason) -> list[SegmentEvent]:
        """End the open utterance here; the stream goes on."""
        return self._segmenter.flush(reason=reason)

    def finish(self) -> list[SegmentEvent]:
        """End the stream: what the resampler and the detector still hold is taken, and the open utterance ends."""
        events = self._detect(self._resampler.flush())
        events += self._decide(self._detector.flush(), self.newest)
        return events + self._segmenter.flush(self.newest, "end")

    def hint(self, text_seems_finished: bool | None) -> None:
        """Tell the segmenter what the text of the open utterance looks like."""
        self._segmenter.hint(text_seems_finished)

    def may_be_final(self, *, sure: bool) -> bool:
        """Whether the text of the open utterance may be told as final: `Segmenter.may_be_final`."""
        return self._segmenter.may_be_final(sure=sure)

    def drop_before(self, position: int) -> None:
        """Forget sound that is not needed any more."""
        undecided = (self.voices.stop_frame - self._n_known) * FRAME_SAMPLES  # of what comes again: not yet once more
        self.ring.drop_before(min(position, undecided))
        self.voices.drop_before(min(position, self._listener_needs))

    @property
    def _listener_needs(self) -> int:
        return self.newest if self._listener is None else self._listener.needs_from

    def _take(self, samples: NDArray[np.float32]) -> list[SegmentEvent]:
        replaying = self.replay_left > 0
        self._fed += samples.size
        if self._fed > self._received:
            self.ledger.received(self._fed - self._received)
            self._received = self._fed
        events = self._detect(self._resampler.push(samples))
        if replaying and not self.replay_left:
            self._end_replay()
        return events

    def _end_replay(self) -> None:
        assert self._state is not None
        self.decoder.non_finite, self.decoder.clipped = self._state.non_finite, self._state.clipped
        if self._state.ended:
            self._detect(self._resampler.flush())

    def _detect(self, samples: NDArray[np.float32]) -> list[SegmentEvent]:
        self.ring.append(samples)
        return self._decide(self._detector.push(samples))

    def _decide(self, decisions: list[bool], end: int | None = None) -> list[SegmentEvent]:
        n_known = min(self._n_known, len(decisions))
        if self._listener is not None:
            first = self.voices.stop_frame - self._n_known
            self._tell(self._listener, first, self.voices.instead_of(first, decisions[:n_known]))
            self._tell(self._listener, first + n_known, decisions[n_known : len(decisions) - (end is not None)])
        self._n_known -= n_known
        self.voices.push(decisions[n_known:])
        return self._segmenter.push(decisions[n_known:], end)

    def _tell(self, listener: FrameListener, first: int, decisions: list[bool]) -> None:
        """Give frames from frame `first` on to the listener, but those that it does not need."""
        n_left_out = max(0, -(-max(listener.hears_from, self.ring.start) // FRAME_SAMPLES) - first)
        if decisions := decisions[n_left_out:]:
            start = (first + n_left_out) * FRAME_SAMPLES
            listener.hear(start, self.ring.view(start, start + len(decisions) * FRAME_SAMPLES), decisions)


def restart_before(position: int, rate: int) -> int:
    """Return the source sample from which sound has to come so that all from the 16 kHz `position` on is as it was.

    Restarting on both grids, a resampler makes the samples that it made before, and a detector sees the same frames.
    """
    step = grid_step(rate)
    start = max(0, position - WARM_UP)
    return (start - start % step) * rate // MODEL_RATE


def grid_step(rate: int) -> int:
    """Return the 16 kHz samples, at most a second of them, in which a source has whole samples and whole frames lie."""
    return lcm(MODEL_RATE // gcd(MODEL_RATE, rate), FRAME_SAMPLES)


def to_position(source_sample: int, rate: int) -> int:
    """Return the 16 kHz position nearest to a source sample."""
    return (2 * source_sample * MODEL_RATE + rate) // (2 * rate)
