"""One stream from raw sound to captions, as a pure state machine: no clock, no threads, no engine of its own.

A shell feeds bytes in, takes the job that is due (`next_job`), has an engine do it and gives the answer back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

from amanuensis.npu.engine.api import EngineInfo
from amanuensis.npu.window import WindowJob, WindowResult
from amanuensis.stream.captions import CaptionWriter
from amanuensis.stream.config import StreamConfig
from amanuensis.stream.context import StreamContext
from amanuensis.stream.counters import Counters
from amanuensis.stream.events import Event, Gap, Speech, Warning  # noqa: A004 - the name on the wire
from amanuensis.stream.formats import AudioFormat
from amanuensis.stream.intake import BLOCK_S, Intake
from amanuensis.stream.ledger import AudioLedger, Fate
from amanuensis.stream.marks import MAX_MARKS, MarkQueue
from amanuensis.stream.prompt import PromptMemory
from amanuensis.stream.resample import MODEL_RATE
from amanuensis.stream.segmenter import SegmentEvent, SpeechEnd, SpeechStart
from amanuensis.stream.sound_check import SoundCheck
from amanuensis.stream.transcriber import JobKind, Transcriber
from amanuensis.stream.utterance_audio import UtteranceAudio
from amanuensis.stream.words import WordTokenizer, to_ms

__all__ = ["MAX_MARKS", "StreamSession", "Ticket"]

MAX_ATTEMPTS: Final = 3  # of an engine at the same audio, before it becomes a gap
PROMPT_PAUSE: Final = MODEL_RATE // 2  # samples between utterances, which have their own margins: 1.2 s of silence


@dataclass(frozen=True, slots=True)
class Ticket:
    """A job that is due.

    Attributes:
        id: what `deliver` and the others are told.
        job: for the engine.
        final: such jobs take precedence over everything of the same stream.
        audio_start_ms: media time of the first sample in the window.
        audio_end_ms: media time after its last sample.
        lead_ms: silence that stands before the audio in the job's features.

    """

    id: int
    job: WindowJob
    final: bool
    audio_start_ms: float
    audio_end_ms: float
    lead_ms: float


class StreamSession:
    """The whole pipeline of one stream.

    Order of calls: `receive`, `flush`, `mark`, `end`, `configure` at any time; after each of them and after each
    `deliver`, `failed` or `superseded`, ask `next_job` until it returns None. Events come from the calls themselves.

    Args:
        config: settings.
        fmt: what `receive` gets.
        tokenizer: of the engine's model.
        info: what the engine runs.
        ticks: False for recordings: utterances are decoded once, when they or their window are complete.

    Raises:
        StreamConfigError: the model cannot do what the settings ask for.

    """

    def __init__(
        self,
        config: StreamConfig,
        fmt: AudioFormat,
        tokenizer: WordTokenizer,
        info: EngineInfo,
        *,
        ticks: bool = True,
    ) -> None:
        config.check_model(info)
        self._intake = Intake(config, fmt)
        self._block_samples = round(fmt.rate * BLOCK_S)
        prompt = PromptMemory(_prompt_tokens(tokenizer, config.prompt))
        captions = CaptionWriter(round(config.max_utterance_s * MODEL_RATE))
        self._context = StreamContext(config, info, tokenizer, captions, prompt, language=config.language, ticks=ticks)
        self._utterances: deque[Transcriber] = deque()  # in order; only the last one may be open
        self._settled = 0  # all samples before this have their fate
        self._settled_source = 0  # the same in source samples
        self._last_end = 0  # of the newest utterance
        self._ids = count()
        self._outstanding: Ticket | None = None
        self._covered = 0  # audio is in a job up to here
        self._attempts = 0
        self._marks = MarkQueue()
        self._sound_check = SoundCheck(self._intake.decoder)
        self._ended = False

    def receive(self, data: bytes | bytearray | memoryview) -> list[Event]:
        """Take raw PCM bytes of the source's format, cut anywhere.

        Raises:
            ValueError: after `end`.

        """
        if self._ended:
            raise ValueError("audio came after the end of the stream: open a new session")
        events: list[Event] = []
        view = memoryview(data).cast("B")
        block_bytes = self._block_samples * self._intake.decoder.format.frame_bytes
        for start in range(0, len(view), block_bytes):
            events += self._shed()
            for event in self._intake.push(bytes(view[start : start + block_bytes])):
                events += self._on_segment(event)
            events += self._advance()
        return [*events, *self._sound_check.warnings(self._intake.received)]

    def skip(self, n_samples: int, why: str) -> list[Event]:
        """Take note that the source lost `n_samples` samples of each channel: time goes on, their fate is `gap`.

        Raises:
            ValueError: after `end`, or `n_samples` is negative.

        """
        if self._ended or n_samples < 0:
            raise ValueError(f"{n_samples} samples cannot be skipped: give 0 or more, before the end of the stream")
        start_ms = self.received_ms
        events: list[Event] = []
        for start in range(0, n_samples, self._block_samples):
            events += self._shed()
            for event in self._intake.skip(min(self._block_samples, n_samples - start)):
                events += self._on_segment(event)
            events += self._advance()
        return [*events, Gap(start_ms, self.received_ms, why)] if n_samples else []

    def next_job(self) -> Ticket | None:
        """Return the job that is due now, if any.

        At most one ticket is outstanding, except that a final one is handed out while a tick is outstanding: the
        tick is stale then, whatever comes of it.
        """
        if not self._utterances:
            return None
        head = self._utterances[0]
        kind = head.due(self._intake.newest, self._intake.voices.last_voiced)
        if kind is None:
            return None
        job, window = head.job(kind, self._intake.newest)
        self._covered = window.stop
        self._count(kind)
        self._outstanding = Ticket(
            next(self._ids), job, kind.final, to_ms(window.start), to_ms(window.stop), to_ms(window.lead)
        )
        return self._outstanding

    def deliver(self, ticket_id: int, result: WindowResult) -> list[Event]:
        """Take the engine's answer; an answer to a stale ticket changes nothing."""
        if not self._is_current(ticket_id):
            return []
        self._outstanding = None
        self._attempts = 0
        head = self._utterances[0]
        events = head.consume(result)
        if head.end is None:
            self._intake.hint(head.text_seems_finished)
        return [*events, *self._advance()]

    def superseded(self, ticket_id: int) -> None:
        """Take note that the engine dropped this job for a newer one."""
        self._context.counters.superseded += 1
        if self._is_current(ticket_id):
            self._drop_outstanding()

    def failed(self, ticket_id: int, why: str) -> list[Event]:
        """Take note that the engine could not do this job; it is tried again, then its audio becomes a gap."""
        if not self._is_current(ticket_id):
            return []
        self._context.counters.failed += 1
        self._drop_outstanding()
        self._attempts += 1
        if self._attempts < MAX_ATTEMPTS:
            return [Warning("engine_failed", f"the engine could not decode a window, trying again: {why}")]
        self._attempts = 0
        return [*self._abandon_head(self._intake.newest, why), *self._advance()]

    def flush(self, id: str | int | None = None) -> list[Event]:  # noqa: A002 - the name on the wire
        """Make everything heard so far final; with an id, `marked` follows when it is.

        Raises:
            ValueError: too many marks wait for their answer.

        """
        events: list[Event] = []
        if not self._ended:
            for event in self._intake.flush("flush"):
                events += self._on_segment(event)
        if id is not None:
            self._marks.add(id, self._intake.newest, self.received_ms)
        return [*events, *self._advance()]

    def mark(self, id: str | int) -> list[Event]:  # noqa: A002 - the name on the wire
        """Answer with `marked` once everything received so far is final.

        Raises:
            ValueError: too many marks wait for their answer.

        """
        self._marks.add(id, self._intake.newest, self.received_ms)
        return self._advance()

    def end(self) -> list[Event]:
        """Take note that no more audio comes: the rest becomes final; `done` tells when."""
        if self._ended:
            return []
        self._ended = True
        events: list[Event] = []
        for event in self._intake.finish():
            events += self._on_segment(event)
        return [*events, *self._advance()]

    def configure(self, changes: Mapping[str, Any]) -> None:
        """Change settings while the session runs.

        Raises:
            StreamConfigError: a setting cannot change, or a value is not allowed.

        """
        config = self._context.config.changed(changes)
        config.check_model(self._context.info)
        self._context.config = config
        if "language" in changes:
            self._context.language = config.language
        if "prompt" in changes:
            self._context.prompt.give(_prompt_tokens(self._context.tokenizer, config.prompt))

    @property
    def done(self) -> bool:
        """Whether everything is final after `end`; the ledger's totals then equal what was received."""
        return self._ended and not self._utterances

    @property
    def lag_ms(self) -> float:
        """Newest audio received minus newest audio decoded or judged silence."""
        if not self._utterances:
            return 0.0
        return to_ms(max(0, self._intake.newest - self._utterances[0].decoded_end))

    @property
    def queue_ms(self) -> float:
        """Audio received that no job has covered yet."""
        if not self._utterances:
            return 0.0
        return to_ms(max(0, self._intake.newest - max(self._covered, self._utterances[0].decoded_end)))

    @property
    def room_ms(self) -> float:
        """How much more audio can come before some must be given up: a fast source waits for the engine."""
        pending = self._intake.newest - self._needed_from()
        return max(0.0, self._context.config.max_pending_s * 1000 - to_ms(pending))

    @property
    def received_ms(self) -> float:
        """Media time of the audio received."""
        return self._intake.received_ms

    @property
    def committed_ms(self) -> float:
        """Media time up to which all audio has its fate."""
        return to_ms(self._settled)

    @property
    def ledger(self) -> AudioLedger:
        """What became of every source sample."""
        return self._intake.ledger

    @property
    def config(self) -> StreamConfig:
        """The settings as they are now."""
        return self._context.config

    @property
    def language(self) -> str | None:
        """The language that was set or detected."""
        return self._context.language

    @property
    def counters(self) -> Counters:
        """What happened so far."""
        return self._context.counters

    def _on_segment(self, event: SegmentEvent) -> list[Event]:
        if isinstance(event, SpeechStart):
            start = max(event.at_sample, self._last_end, self._settled)
            if start - self._last_end > PROMPT_PAUSE and not self._utterances:
                self._context.prompt.clear()
            self._utterances.append(self._new_utterance(start))
            return [Speech(on=True, at_ms=to_ms(start))]
        return self._end_utterance(event)

    def _end_utterance(self, event: SpeechEnd) -> list[Event]:
        utterance = self._utterances[-1]
        utterance.close(event.at_sample, event.reason)
        self._forget_stale()
        end = utterance.end or 0
        self._last_end = max(self._last_end, end)
        return [Speech(on=False, at_ms=to_ms(end))]

    def _advance(self) -> list[Event]:
        """Close what is final, give audio its fate, forget it, and answer marks."""
        events: list[Event] = []
        while self._utterances:
            head = self._utterances[0]
            events += head.finish_early()
            self._settle("silence", head.start)
            if not head.done:
                self._settle("transcribed", head.window_start)
                break
            self._settle("transcribed" if head.wrote_words else "silence", head.end or 0)
            self._utterances.popleft()
        if not self._utterances:
            self._settle("silence", self._intake.newest if self._ended else self._intake.quiet_until)
            if self._ended:
                self.ledger.settle_rest("silence")
        self._intake.drop_before(self._needed_from())
        return [*events, *self._marks.answer(self._is_final_before)]

    def _needed_from(self) -> int:
        return self._utterances[0].window_start if self._utterances else self._settled

    def _settle(self, fate: Fate, position: int) -> None:
        """Give all audio before `position` that has no fate yet this one."""
        source = max(self.ledger.source_position(position), self._settled_source)
        self.ledger.settle_rest(fate, self._settled_source, source)
        self._settled, self._settled_source = max(self._settled, position), source

    def _shed(self) -> list[Event]:
        """Give up the older half of the waiting audio when the engine does not come on."""
        events: list[Event] = []
        limit = round(self._context.config.max_pending_s * MODEL_RATE)
        if self._utterances and self._intake.newest - self._needed_from() > limit:
            keep_from = self._intake.newest - limit // 2
            while self._utterances and self._needed_from() < keep_from:
                events += self._abandon_head(keep_from, "the engine does not keep up")
        return events

    def _abandon_head(self, stop: int, why: str) -> list[Event]:
        """Give up on the first utterance: all of it when it is over, else what lies before `stop`."""
        head = self._utterances.popleft()
        is_open = head.end is None
        end = stop if head.end is None else head.end
        events, lost_from = head.abandon(end)
        self._forget_stale()
        self._settle("silence", head.start)
        self._settle("transcribed", lost_from)
        self._settle("gap", end)
        if is_open:
            self._utterances.append(self._new_utterance(end))
        return [*events, Gap(to_ms(lost_from), to_ms(end), why)]

    def _new_utterance(self, start: int) -> Transcriber:
        intake = self._intake
        audio = UtteranceAudio(start, intake.ring, intake.voices, self._context.info.n_mels)
        return Transcriber(self._context, audio, start, intake.newest)

    def _is_final_before(self, position: int) -> bool:
        if self._utterances:
            return self._utterances[0].start >= position
        return self._ended or not self._intake.undecided

    def _count(self, kind: JobKind) -> None:
        if kind.final:
            self._context.counters.finals += 1
        else:
            self._context.counters.ticks += 1

    def _is_current(self, ticket_id: int) -> bool:
        return self._outstanding is not None and self._outstanding.id == ticket_id

    def _drop_outstanding(self) -> None:
        self._outstanding = None
        if self._utterances:
            self._utterances[0].discard()
            self._covered = self._utterances[0].decoded_end

    def _forget_stale(self) -> None:
        """Drop the ticket when its utterance no longer waits for it."""
        if not (self._utterances and self._utterances[0].outstanding):
            self._outstanding = None


def _prompt_tokens(tokenizer: WordTokenizer, text: str) -> tuple[int, ...]:
    return tokenizer.encode(" " + text.strip()) if text.strip() else ()
