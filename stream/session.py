"""One stream from raw sound to captions, as a pure state machine: no clock, no threads, no engine of its own.

A shell feeds bytes in, takes the job that is due (`next_job`), has an engine do it and gives the answer back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from typing import Any, Final

from amanuensis.npu.engine.api import EngineInfo
from amanuensis.npu.window import WindowResult
from amanuensis.stream.captions import CaptionWriter
from amanuensis.stream.checkpoint import Checkpoint, CheckpointError
from amanuensis.stream.config import StreamConfig, StreamConfigError
from amanuensis.stream.context import StreamContext
from amanuensis.stream.counters import Counters
from amanuensis.stream.events import Event, Warning  # noqa: A004 - the name on the wire
from amanuensis.stream.formats import AudioFormat
from amanuensis.stream.intake import Intake
from amanuensis.stream.jobs import Ticket
from amanuensis.stream.ledger import AudioLedger, Span
from amanuensis.stream.marks import MAX_MARKS, MarkQueue
from amanuensis.stream.prompt import PromptMemory, prompt_tokens
from amanuensis.stream.resample import MODEL_RATE
from amanuensis.stream.segmenter import SegmentEvent
from amanuensis.stream.settlement import Settlement
from amanuensis.stream.sound_check import SoundCheck
from amanuensis.stream.speakers import SpeakerRules, Speakers
from amanuensis.stream.utterances import UtteranceQueue
from amanuensis.stream.voice_jobs import VoiceJob
from amanuensis.stream.words import ENCODER_FRAME, WordTokenizer, to_ms

__all__ = ["MAX_MARKS", "StreamSession", "Ticket"]

MAX_ATTEMPTS: Final = 3  # of an engine at the same audio, before it becomes a gap


class StreamSession:
    """The whole pipeline of one stream.

    Order of calls: `receive`, `flush`, `mark`, `end`, `configure` at any time; after each of them and after each
    `deliver`, `failed` or `superseded`, ask `next_job` until it returns None. Events come from the calls themselves.
    Between any two calls `checkpoint` tells all that `restore` needs, but the sound.

    Args:
        config: settings.
        fmt: what `receive` gets.
        tokenizer: of the engine's model.
        info: what the engine runs.
        ticks: False for recordings: utterances are decoded once, when they or their window are complete.
        checkpoint: where to go on (see `restore`); None: at the beginning.
        voices: how speakers are told apart; None: they are not.

    Attributes:
        speakers: who speaks; its jobs (`next_voices`) are nothing that words wait for.

    Raises:
        StreamConfigError: the model cannot do what the settings ask for.
        CheckpointError: the checkpoint is of another format.

    """

    def __init__(
        self,
        config: StreamConfig,
        fmt: AudioFormat,
        tokenizer: WordTokenizer,
        info: EngineInfo,
        *,
        ticks: bool = True,
        checkpoint: Checkpoint | None = None,
        voices: SpeakerRules | None = None,
    ) -> None:
        self._settings: dict[str, Any] = dict(checkpoint.settings) if checkpoint else {}  # that were changed
        config = config.changed(self._settings)
        config.check_model(info)
        if checkpoint and checkpoint.rate != fmt.rate:
            raise CheckpointError(f"the checkpoint is of audio at {checkpoint.rate} Hz, not {fmt.rate}")
        past = checkpoint.fitting(info.model, tokenizer) if checkpoint else None
        self.speakers = Speakers(voices, past.speakers if past else None) if voices else None
        self._intake = Intake(config, fmt, past.intake if past else None, self.speakers)
        prompt = PromptMemory(prompt_tokens(tokenizer, config.prompt), past.said if past else ())
        longest = round(config.max_utterance_s * MODEL_RATE)
        captions = CaptionWriter(longest, past.captions if past else None, self.speakers)
        self._context = StreamContext(
            config, info, tokenizer, captions, prompt, self._intake.ledger, language=config.language, ticks=ticks
        )
        settled = Settlement(self._intake.ledger)
        self._utterances = UtteranceQueue(self._context, self._intake, settled)
        self._ids = count()
        self._outstanding: Ticket | None = None
        self._covered = 0  # audio is in a job up to here
        self._attempts = 0
        self._marks = MarkQueue(past.marks if past else ())
        self._sound_check = SoundCheck(self._intake.decoder, past.warned if past else ())
        self._ended = False
        if past:
            self._go_on(past, settled)

    @classmethod
    def restore(
        cls,
        config: StreamConfig,
        fmt: AudioFormat,
        tokenizer: WordTokenizer,
        info: EngineInfo,
        checkpoint: Checkpoint,
        *,
        ticks: bool = True,
        voices: SpeakerRules | None = None,
    ) -> StreamSession:
        """Return a session that goes on from a checkpoint.

        Feed it the raw audio from `checkpoint.needs_from` on, skips included, before anything else: `replay_samples` of
        each channel were received before, and nothing that was told of them is told again. Until then no job is due.
        Then keep a checkpoint: it counts partials from where no client has seen them.

        Raises:
            StreamConfigError: the model cannot do what the settings ask for.
            CheckpointError: the checkpoint is of another format, or of settings that the model cannot do.

        """
        config.check_model(info)
        try:
            return cls(config, fmt, tokenizer, info, ticks=ticks, checkpoint=checkpoint, voices=voices)
        except StreamConfigError as error:
            raise CheckpointError(f"the settings of the checkpoint do not fit: {error}") from error

    def checkpoint(self) -> Checkpoint:
        """Return all that `restore` needs to go on from here; a job that is outstanding is due again there.

        It costs no copy of sound. Take one together with the events of each call, and after a mark or a change of the
        settings, which may have no events.
        """
        context, settled = self._context, self._utterances.settled
        return Checkpoint(
            rate=self._intake.decoder.format.rate,
            model=context.info.model,
            intake=self._intake.state(self._utterances.needed_from - ENCODER_FRAME, settled.source, ended=self._ended),
            settled=settled.position,
            last_end=self._utterances.last_end,
            settings=dict(self._settings),
            language=context.language,
            said=context.prompt.said,
            counters=replace(context.counters),
            captions=context.captions.state(),
            warned=self._sound_check.warned,
            marks=self._marks.waiting,
            utterances=self._utterances.states(),
            speakers=self.speakers.state() if self.speakers else None,
        )

    def receive(self, data: bytes | bytearray | memoryview) -> list[Event]:
        """Take raw PCM bytes of the source's format, cut anywhere.

        Raises:
            ValueError: after `end`.

        """
        self._check_open()
        events: list[Event] = []
        view = memoryview(data).cast("B")
        while view:
            self._check_open()
            n_bytes = self._intake.max_bytes
            events += self._utterances.shed()
            events += self._segment(self._intake.push(bytes(view[:n_bytes])))
            view = view[n_bytes:]
        return [*events, *self._sound_check.warnings(self._intake.received)]

    def skip(self, n_samples: int, why: str) -> list[Event]:
        """Take note that the source lost `n_samples` samples of each channel: time goes on, their fate is `gap`.

        What is known to be a gap already is not told again.

        Raises:
            ValueError: after `end`, or `n_samples` is negative.

        """
        if n_samples < 0:
            raise ValueError(f"{n_samples} samples cannot be skipped: give 0 or more")
        self._check_open()
        events, lost = list[Event](), list[Span]()
        while n_samples:
            events += self._utterances.shed()
            n_taken, segments, spans = self._intake.lose(n_samples, may_leap=not self._utterances)
            events += self._segment(segments)
            lost += spans
            n_samples -= n_taken
        return [*events, *self._utterances.settled.gaps(lost, why)]

    def next_job(self) -> Ticket | None:
        """Return the job that is due now, if any.

        At most one ticket is outstanding, except that a final one is handed out while a tick is outstanding: the
        tick is stale then, whatever comes of it.
        """
        if not self._utterances or self._intake.replay_left:
            return None
        head = self._utterances.head
        kind = head.due(self._intake.newest, self._intake.voices.last_voiced)
        if kind is None:
            return None
        job, window = head.job(kind, self._intake.newest)
        self._covered = window.stop
        self._context.counters.finals += kind.final
        self._context.counters.ticks += not kind.final
        self._outstanding = Ticket(
            next(self._ids), job, kind.urgent, to_ms(window.start), to_ms(window.stop), to_ms(window.lead)
        )
        return self._outstanding

    def next_voices(self) -> VoiceJob | None:
        """Return the work on voices that is due now, if any; `speakers` takes what comes of it."""
        over = self._ended and not self._utterances
        return self.speakers.due(words_over=over) if self.speakers and not self._intake.replay_left else None

    def deliver(self, ticket_id: int, result: WindowResult, taken_ms: float = 0.0) -> list[Event]:
        """Take the engine's answer; an answer to a stale ticket changes nothing.

        Args:
            ticket_id: of the job.
            result: the answer.
            taken_ms: how long it took, waiting included: ticks come less often when they take long.

        """
        ticket = self._current(ticket_id)
        if ticket is None:
            return []
        self._outstanding, self._attempts = None, 0
        if not ticket.urgent:
            self._context.pace.measured(taken_ms)
        head = self._utterances.head
        events = head.consume(result)
        if head.end is None:
            self._intake.hint(head.text_seems_finished)
        return [*events, *self._advance()]

    def superseded(self, ticket_id: int) -> None:
        """Take note that the engine dropped this job for a newer one."""
        self._context.counters.superseded += 1
        if self._current(ticket_id):
            self._drop_outstanding()

    def failed(self, ticket_id: int, why: str, *, poison: bool = False) -> list[Event]:
        """Take note that the engine could not do this job; it is tried again, then its audio becomes a gap.

        Args:
            ticket_id: of the job.
            why: the engine's words.
            poison: the window kills engines: it is not tried again, and only what it has beyond what was heard of it
                before is lost. Who handed the job on has its features, and its audio by the ticket's times.

        """
        if self._current(ticket_id) is None:
            return []
        self._context.counters.failed += 1
        stop = self._covered if poison else self._intake.newest
        self._drop_outstanding()
        self._attempts += 1
        if self._attempts < MAX_ATTEMPTS and not poison:
            return [Warning("engine_failed", f"the engine could not decode a window, trying again: {why}")]
        self._attempts = 0
        self._context.counters.poisoned += poison
        return [*self._utterances.abandon_head(stop, f"poison window: {why}" if poison else why), *self._advance()]

    def flush(self, id: str | int | None = None) -> list[Event]:  # noqa: A002 - the name on the wire
        """Make everything heard so far final; with an id, `marked` follows when it is.

        Raises:
            ValueError: too many marks wait for their answer.

        """
        self._check_replayed()
        segments = [] if self._ended else self._intake.flush("flush")
        events = [event for segment in segments for event in self._utterances.take(segment)]
        if id is not None:
            self._marks.add(id, self._intake.newest, self.received_ms)
        return [*events, *self._advance()]

    def put_down(self) -> list[Event]:
        """Make final what is sure of the open utterance, before another process goes on from the next checkpoint.

        Unlike `flush` it cuts no sound: the last words, which more sound may change, are left to that process.
        """
        return self._utterances.head.put_down() if self._utterances and not self._intake.replay_left else []

    def mark(self, id: str | int) -> list[Event]:  # noqa: A002 - the name on the wire
        """Answer with `marked` once everything received so far is final.

        Raises:
            ValueError: too many marks wait for their answer.

        """
        self._check_replayed()
        self._marks.add(id, self._intake.newest, self.received_ms)
        return self._advance()

    def end(self) -> list[Event]:
        """Take note that no more audio comes: the rest becomes final; `done` tells when."""
        if self._ended:
            return []
        self._check_replayed()
        self._ended = True
        segments = self._intake.finish()
        if self.speakers:
            self.speakers.end()
        return self._segment(segments)

    def configure(self, changes: Mapping[str, Any]) -> None:
        """Change settings while the session runs.

        Raises:
            StreamConfigError: a setting cannot change, or a value is not allowed.

        """
        config = self._context.config.changed(changes)
        config.check_model(self._context.info)
        self._context.config = config
        self._settings |= {name: getattr(config, name) for name in changes}
        if "language" in changes:
            self._context.language = config.language
        if "prompt" in changes:
            self._context.prompt.give(prompt_tokens(self._context.tokenizer, config.prompt))

    @property
    def replay_samples(self) -> int:
        """Source samples of each channel that have to come again after `restore`."""
        return self._intake.replay_left

    @property
    def ended(self) -> bool:
        """Whether no more audio comes."""
        return self._ended

    @property
    def done(self) -> bool:
        """Whether everything is final after `end`; the ledger's totals then equal what was received."""
        return self._ended and not self._utterances and (self.speakers is None or self.speakers.done)

    @property
    def rate(self) -> int:
        """Samples of each channel of the source in a second."""
        return self._intake.decoder.format.rate

    @property
    def has_utterances(self) -> bool:
        """Whether something was said that is not final."""
        return bool(self._utterances)

    @property
    def lag_ms(self) -> float:
        """Newest audio received minus newest audio decoded or judged silence."""
        return to_ms(max(0, self._intake.newest - self._utterances.head.decoded_end)) if self._utterances else 0.0

    @property
    def queue_ms(self) -> float:
        """Audio received that no job has covered yet."""
        return min(self.lag_ms, to_ms(max(0, self._intake.newest - self._covered)))

    @property
    def tick_every_ms(self) -> float:
        """New audio that makes a tick due: what is set, or more while the engine is slower."""
        return self._context.tick_every_ms

    @property
    def room_ms(self) -> float:
        """How much more audio can come before some must be given up: a fast source waits for the engine."""
        pending = self._intake.newest - self._utterances.needed_from
        return max(0.0, self._context.config.max_pending_s * 1000 - to_ms(pending))

    @property
    def received_ms(self) -> float:
        """Media time of the audio received."""
        return self._intake.received_ms

    @property
    def committed_ms(self) -> float:
        """Media time up to which all audio has its fate."""
        return to_ms(self._utterances.settled.position)

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

    def _go_on(self, past: Checkpoint, settled: Settlement) -> None:
        """Take up what the parts were not made from."""
        settled.position, settled.source = past.settled, past.intake.ledger.settled
        self._utterances.last_end = past.last_end
        self._utterances.restore(past.utterances)
        self._context.counters = replace(past.counters)
        self._ended = past.intake.ended
        if past.language in self._context.info.languages:
            self._context.language = past.language
        if self._utterances:
            self._covered = self._utterances.head.decoded_end

    def _check_open(self) -> None:
        if self._ended and not self._intake.replay_left:
            raise ValueError("audio came after the end of the stream: open a new session")

    def _check_replayed(self) -> None:
        if self._intake.replay_left:
            raise ValueError(f"{self._intake.replay_left} samples that were received before must come again first")

    def _segment(self, segments: list[SegmentEvent]) -> list[Event]:
        """Begin and end utterances, then advance."""
        events = [event for segment in segments for event in self._utterances.take(segment)]
        self._forget_stale()
        return [*events, *self._advance()]

    def _advance(self) -> list[Event]:
        """Close what is final, give audio its fate, forget it, and answer marks."""
        events = self._utterances.advance(ended=self._ended)
        self._forget_stale()
        return [*events, *self._marks.answer(lambda at: self._utterances.is_final_before(at, ended=self._ended))]

    def _current(self, ticket_id: int) -> Ticket | None:
        return self._outstanding if self._outstanding and self._outstanding.id == ticket_id else None

    def _drop_outstanding(self) -> None:
        self._outstanding = None
        if self._utterances:
            self._utterances.head.discard()
            self._covered = self._utterances.head.decoded_end

    def _forget_stale(self) -> None:
        """Drop the ticket when its utterance no longer waits for it."""
        if not (self._utterances and self._utterances.head.outstanding):
            self._outstanding = None
