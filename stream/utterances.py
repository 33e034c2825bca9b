"""The utterances of one stream that are not final yet, in order, and the fate of their audio."""

from __future__ import annotations

from collections import deque
from typing import Final

from amanuensis.stream.context import StreamContext
from amanuensis.stream.events import Event, Speech
from amanuensis.stream.intake import Intake
from amanuensis.stream.resample import MODEL_RATE
from amanuensis.stream.segmenter import SegmentEvent, SpeechEnd, SpeechStart
from amanuensis.stream.settlement import Settlement
from amanuensis.stream.transcriber import Transcriber
from amanuensis.stream.utterance_audio import UtteranceAudio
from amanuensis.stream.utterance_state import UtteranceState
from amanuensis.stream.words import ENCODER_FRAME, to_ms

__all__ = ["PROMPT_PAUSE", "UtteranceQueue"]

PROMPT_PAUSE: Final = MODEL_RATE // 2  # samples between utterances, which have their own margins: 1.2 s of silence


class UtteranceQueue:
    """Only the first utterance is decoded; only the last one may be open.

    Attributes:
        settled: how far all audio has its fate.
        last_end: where the newest utterance ended.

    """

    def __init__(self, context: StreamContext, intake: Intake, settled: Settlement, last_end: int = 0) -> None:
        self.settled = settled
        self.last_end = last_end
        self._context = context
        self._intake = intake
        self._utterances: deque[Transcriber] = deque()

    def __bool__(self) -> bool:
        return bool(self._utterances)

    @property
    def head(self) -> Transcriber:
        """The utterance that is decoded; only when there is one."""
        return self._utterances[0]

    @property
    def needed_from(self) -> int:
        """Sound before it is not needed; a window looks back by less than a frame of the encoder."""
        return self._utterances[0].window_start if self._utterances else self.settled.position

    def states(self) -> tuple[UtteranceState, ...]:
        """Return what `restore` needs."""
        return tuple(utterance.state() for utterance in self._utterances)

    def restore(self, states: tuple[UtteranceState, ...]) -> None:
        """Go on with utterances that were put down."""
        for state in states:
            self._utterances.append(self._follow(state))

    def take(self, event: SegmentEvent) -> list[Event]:
        """Begin or end an utterance."""
        if isinstance(event, SpeechEnd):
            return self._end(event)
        return self._begin(event)

    def advance(self, *, ended: bool) -> list[Event]:
        """Close what is final, give audio its fate, and forget what is not needed any more."""
        events: list[Event] = []
        while self._utterances:
            head = self._utterances[0]
            events += head.finish_early()
            self.settled.settle("silence", head.start)
            if not head.done:
                events += head.tell_early(lambda sure: self._intake.may_be_final(sure=sure))
                self.settled.settle("transcribed", head.window_start)
                break
            self.settled.settle("transcribed" if head.wrote_words else "silence", head.end or 0)
            self._utterances.popleft()
        if not self._utterances:
            self.settled.settle("silence", self._intake.newest if ended else self._intake.quiet_until)
            if ended:
                self.settled.settle_rest("silence")
        self._intake.drop_before(self.needed_from - ENCODER_FRAME)
        return events

    def shed(self) -> list[Event]:
        """Give up the older half of the waiting audio when the engine does not come on."""
        events: list[Event] = []
        limit = round(self._context.config.max_pending_s * MODEL_RATE)
        if self._utterances and self._intake.newest - self.needed_from > limit:
            keep_from = self._intake.newest - limit // 2
            while self._utterances and self.needed_from < keep_from:
                events += self.abandon_head(keep_from, "the engine does not keep up")
        return events

    def abandon_head(self, stop: int, why: str) -> list[Event]:
        """Give up on the first utterance up to `stop`: what was not heard is a gap. The rest of it goes on."""
        head = self._utterances.popleft()
        end, reason = head.end, head.reason
        stop = stop if end is None else min(stop, end)
        events, lost_from = head.abandon(stop)
        self.settled.settle("silence", head.start)
        self.settled.settle("transcribed", lost_from)
        gaps = self.settled.gaps(self.settled.settle("gap", stop), why)
        if end is None or stop < end:
            rest = self._follow(UtteranceState(stop, stop, max(stop, self._intake.newest), end, reason))
            self._utterances.appendleft(rest)
        return [*events, *gaps]

    def is_final_before(self, position: int, *, ended: bool) -> bool:
        """Whether no utterance is open, or may yet be, that begins before `position`."""
        if self._utterances:
            return self._utterances[0].start >= position
        return ended or not self._intake.undecided

    def _begin(self, event: SpeechStart) -> list[Event]:
        start = max(event.at_sample, self.last_end, self.settled.position)
        if start - self.last_end > PROMPT_PAUSE and not self._utterances:
            self._context.prompt.clear()
        self._utterances.append(self._follow(UtteranceState(start, start, max(start, self._intake.newest))))
        return [Speech(on=True, at_ms=to_ms(start))]

    def _end(self, event: SpeechEnd) -> list[Event]:
        utterance = self._utterances[-1]
        utterance.close(event.at_sample, event.reason)
        end = utterance.end or 0
        self.last_end = max(self.last_end, end)
        return [Speech(on=False, at_ms=to_ms(end))]

    def _follow(self, state: UtteranceState) -> Transcriber:
        """Return the transcriber of an utterance; its sound begins where its window may still look back to."""
        origin = max(state.start, state.window_start - ENCODER_FRAME)
        audio = UtteranceAudio(origin, self._intake.ring, self._intake.voices, self._context.info.n_mels)
        return Transcriber(self._context, audio, state)
