"""Decisions of the voice detector to utterances: where one starts and where it ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from amanuensis.stream.pauses import ENDED, PauseMemory
from amanuensis.stream.resample import MODEL_RATE
from amanuensis.stream.vad import FRAME_MS, FRAME_SAMPLES

__all__ = [
    "SILENCES",
    "EndReason",
    "SegmentEvent",
    "Segmenter",
    "SegmenterConfig",
    "SegmenterState",
    "SpeechEnd",
    "SpeechStart",
]

EndReason = Literal["pause", "length", "flush", "end"]
MIN_PRE_ROLL_MS: Final = 500.0  # less cuts first words (speaches#411, Handy#1283)
SILENCES: Final = (
    *("silence_ms", "finished_silence_ms", "unfinished_silence_ms"),
    *("early_ms", "early_unsure_ms", "early_max_ms"),
)
MAX_MS: Final = 60_000.0  # whoever keeps the audio has to hold this much


def _check(name: str, value: float, low: float) -> None:
    if not low <= value <= MAX_MS:
        raise ValueError(f"segmenter {name} {value!r} is not allowed: it must be {low:g} to {MAX_MS:g} ms")


@dataclass(frozen=True, slots=True)
class SegmenterConfig:
    """Endpoint rules, in milliseconds, none above 60 s.

    Attributes:
        pre_roll_ms: audio before the first speech that belongs to the utterance, at least 500.
        hangover_ms: audio after the last speech that belongs to the utterance.
        min_speech_ms: speech needed to open an utterance.
        join_ms: a silence this long makes speech that opened nothing yet be forgotten.
        silence_ms: silence that ends an utterance while nothing is known of its text.
        finished_silence_ms: the same when the text seems finished.
        unfinished_silence_ms: the same when the text seems to go on.
        early_ms: silence after which the text is told as final, while its sound is kept until the utterance ends: what
            follows a pause is decoded behind the same words and their sound. Never when the text seems to go on.
        early_unsure_ms: the same when the text has unlikely words, which more sound may correct.
        early_max_ms: who makes longer pauses than these gets up to so much.
        max_utterance_ms: an utterance is cut at this length; None: never here.

    Raises:
        ValueError: a duration is not allowed.

    """

    pre_roll_ms: float = MIN_PRE_ROLL_MS
    hangover_ms: float = 200.0
    min_speech_ms: float = 60.0
    join_ms: float = 200.0
    silence_ms: float = 600.0
    finished_silence_ms: float = 250.0
    unfinished_silence_ms: float = 1200.0
    early_ms: float = 120.0
    early_unsure_ms: float = 240.0
    early_max_ms: float = 400.0
    max_utterance_ms: float | None = None

    def __post_init__(self) -> None:
        _check("pre_roll_ms", self.pre_roll_ms, MIN_PRE_ROLL_MS)
        _check("hangover_ms", self.hangover_ms, 0)
        for name in ("min_speech_ms", "join_ms", *SILENCES):
            _check(name, getattr(self, name), FRAME_MS)
        if self.max_utterance_ms is not None:
            _check("max_utterance_ms", self.max_utterance_ms, self.pre_roll_ms + self.min_speech_ms + FRAME_MS)


@dataclass(frozen=True, slots=True)
class SpeechStart:
    """An utterance begins at the 16 kHz sample `at_sample`, the pre-roll included."""

    at_sample: int


@dataclass(frozen=True, slots=True)
class SpeechEnd:
    """The utterance ends before the 16 kHz sample `at_sample`; `silence_samples` of silence were heard by then."""

    at_sample: int
    silence_samples: int
    reason: EndReason = "pause"


SegmentEvent: TypeAlias = SpeechStart | SpeechEnd


@dataclass(frozen=True, slots=True)
class SegmenterState:
    """A segmenter put down; positions are 16 kHz samples.

    Attributes:
        position: samples decided so far.
        floor: end of the utterance before.
        start: of the open utterance.
        first_speech: start of speech that has not opened an utterance yet.
        speech_samples: of it.
        last_speech: end of the newest speech frame.
        finished: what the text of the open utterance looks like.
        pauses: of `PauseMemory`.

    """

    position: int = 0
    floor: int = 0
    start: int | None = None
    first_speech: int | None = None
    speech_samples: int = 0
    last_speech: int = 0
    finished: bool | None = None
    pauses: tuple[int, ...] = ()


class Segmenter:
    """Finds utterances, ordered and disjoint, in one decision for each 320 samples at 16 kHz."""

    def __init__(self, config: SegmenterConfig | None = None, state: SegmenterState | None = None) -> None:
        self._config = config or SegmenterConfig()
        state = state or SegmenterState()
        self._position = state.position
        self._floor = state.floor
        self._start = state.start
        self._first_speech = state.first_speech
        self._speech_samples = state.speech_samples
        self._last_speech = state.last_speech
        self._finished = state.finished
        self._pauses = PauseMemory(state.pauses)

    def state(self) -> SegmenterState:
        """Return what another segmenter needs to go on from here."""
        return SegmenterState(
            self._position,
            self._floor,
            self._start,
            self._first_speech,
            self._speech_samples,
            self._last_speech,
            self._finished,
            self._pauses.lengths,
        )

    @property
    def position(self) -> int:
        """16 kHz samples decided so far."""
        return self._position

    @property
    def quiet_until(self) -> int:
        """16 kHz samples before this one that are in no utterance can no longer get into one: they are silence."""
        if self._start is not None:
            return self._start
        first_speech = self._position if self._first_speech is None else self._first_speech
        return max(self._floor, self._with_pre_roll(first_speech))

    @property
    def undecided(self) -> bool:
        """Whether there is speech that may open an utterance or be forgotten."""
        return self._first_speech is not None

    @property
    def is_quiet(self) -> bool:
        """Whether more silence would change nothing but the position."""
        return self._start is None and self._first_speech is None

    def leap(self, n_samples: int) -> None:
        """Take so many samples of silence at once, while `is_quiet`; whole frames."""
        self._position += n_samples

    @property
    def endpoint_silence_ms(self) -> float:
        """The silence that ends the utterance as things stand."""
        if self._finished is None:
            return self._config.silence_ms
        return self._config.finished_silence_ms if self._finished else self._config.unfinished_silence_ms

    def may_be_final(self, *, sure: bool) -> bool:
        """Whether the silence is long enough to tell the text of the open utterance as final.

        Args:
            sure: no word of it is likely to be corrected by more sound.

        """
        rules = self._config
        shortest = _samples(rules.early_ms if sure else rules.early_unsure_ms)
        if self._start is None or self._silence < shortest:
            return False
        return self._silence >= self._pauses.hold(shortest, _samples(rules.early_max_ms))

    def hint(self, text_seems_finished: bool | None) -> None:
        """Tell what the text of the open utterance looks like; None: no text, or it says nothing.

        It counts from the next decision on and until the next hint, new speech after a pause, or the next utterance.
        """
        self._finished = text_seems_finished

    def push(self, decisions: list[bool], end_sample: int | None = None) -> list[SegmentEvent]:
        """Take decisions of the voice detector, in order; return the starts and ends that they cause.

        Args:
            decisions: one for each 320 samples at 16 kHz.
            end_sample: where the audio ends, when the last frame is shorter (`VoiceDetector.flush`); nothing follows.

        """
        events: list[SegmentEvent] = []
        for speech in decisions:
            frame_end = self._position + FRAME_SAMPLES
            self._step(speech, frame_end if end_sample is None else min(frame_end, end_sample), events)
        return events

    def flush(self, end_sample: int | None = None, reason: EndReason = "end") -> list[SegmentEvent]:
        """End the open utterance now; speech that was about to open one becomes an utterance too.

        Args:
            end_sample: where the audio ends, at 16 kHz; None: after the last decision.
            reason: what `SpeechEnd` tells.

        """
        end = self._position if end_sample is None else end_sample
        events: list[SegmentEvent] = []
        if self._start is None and self._first_speech is not None and self._first_speech < end:
            self._open(events)
        if self._start is not None:
            self._close(self._tail_end(end), end, reason, events)
        self._first_speech = None
        return events

    def _step(self, speech: bool, frame_end: int, events: list[SegmentEvent]) -> None:
        begin, self._position = self._position, frame_end
        if speech:
            self._on_speech(begin, events)
        elif self._start is not None:
            self._on_pause(events)
        elif self._first_speech is not None and self._silence >= _samples(self._config.join_ms):
            self._first_speech = None
        self._limit_length(events)

    def _on_speech(self, begin: int, events: list[SegmentEvent]) -> None:
        if self._start is not None and begin > self._last_speech:
            self._finished = None  # the text that seemed finished goes on
            if begin - self._last_speech >= _samples(self._config.early_ms):
                self._pauses.add(begin - self._last_speech)
        self._last_speech = self._position
        if self._start is not None:
            return
        if self._first_speech is None:
            self._first_speech, self._speech_samples = begin, 0
        self._speech_samples += self._position - begin
        if self._speech_samples >= _samples(self._config.min_speech_ms):
            self._open(events)

    def _on_pause(self, events: list[SegmentEvent]) -> None:
        if self._silence >= _samples(self.endpoint_silence_ms):
            self._pauses.add(ENDED)
            self._close(self._tail_end(self._position), self._position, "pause", events)

    def _limit_length(self, events: list[SegmentEvent]) -> None:
        limit = self._config.max_utterance_ms
        if limit is None or self._start is None or self._position - self._start < _samples(limit):
            return
        speaking = self._silence == 0
        self._close(self._position, self._position, "length", events)
        if speaking:  # the next frame of speech opens the next utterance at once
            self._first_speech, self._speech_samples = self._position, _samples(self._config.min_speech_ms)

    def _open(self, events: list[SegmentEvent]) -> None:
        assert self._first_speech is not None
        self._start = max(self._floor, self._with_pre_roll(self._first_speech))
        self._first_speech = None
        self._finished = None
        events.append(SpeechStart(self._start))

    def _close(self, at: int, now: int, reason: EndReason, events: list[SegmentEvent]) -> None:
        events.append(SpeechEnd(at, max(0, now - self._last_speech), reason))
        self._floor = at
        self._start = None

    @property
    def _silence(self) -> int:
        return self._position - self._last_speech

    def _tail_end(self, end: int) -> int:
        return min(end, self._last_speech + _samples(self._config.hangover_ms))

    def _with_pre_roll(self, position: int) -> int:
        return max(0, position - _samples(self._config.pre_roll_ms))


def _samples(ms: float) -> int:
    return round(ms * MODEL_RATE / 1000)
