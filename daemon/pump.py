"""The one asyncio driver of a `StreamSession`: submits the jobs that are due, delivers the answers, yields the events.

Used by the server, by `listen` and by `transcribe`. It holds at most one window in the engine, and a final one beside
it; audio that comes faster than it is decoded waits in the session, and `room` tells the source when to go on.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final, cast

from amanuensis.daemon.voice_desk import VoiceDesk
from amanuensis.npu.engine.api import Engine, EngineError, PoisonWindowError, SupersededError
from amanuensis.npu.window import NO_WORK, WindowResult
from amanuensis.stream.events import Event, Marked, Speech, Warning  # noqa: A004 - the name on the wire
from amanuensis.stream.session import StreamSession, Ticket
from amanuensis.stream.voice_jobs import VoiceJob

TICK_DEADLINE_S: Final = 0.5  # a tick should be answered before the next one is due
URGENT_DEADLINE_S: Final = 0.1  # a text may be final with the answer: somebody waits for its last words
LONG_S: Final = 10  # shorter losses are like a moment of sound
SKIPPED_PART_S: Final = 2  # of longer ones
LOW_WATER: Final = 0.5  # of the backlog above which a source is held back: there it goes on
REPLACED: Final = "the CPU computes in the place of the device"
BACK: Final = "the device computes again"
OPERATORS_REPLACED: Final = "the CPU computes operators in the place of the device"
RESTARTED: Final = "the engine process died and another took its place; the audio that it held is transcribed again"


class Pump:
    """Drives one stream.

    Iterate over `events()` in one task; feed from any other of the same event loop.

    Args:
        session: the pipeline.
        engine: does its jobs.
        stream: number from `engine.open_stream`; the caller closes it.
        max_backlog_ms: undecoded audio above which `room` waits.
        on_answer: called with the seconds that each job took, waiting included.
        clock: seconds, for deadlines.
        voices: computes what tells voices apart; None: the session does not ask for it.
        patient: `room` waits for that too, because the source is no live one.

    Attributes:
        tick_ms: how long the last job took, waiting included.
        compute_ms: what the engine spent on this stream.
        work: what devices other than the CPU did for this stream.
        used: the newest answer of the engine, for where it was computed.
        waiting_marks: marks that were not answered yet.
        on_poison: called in a thread with each window that killed the engine and was given up, and what it did.

    """

    def __init__(
        self,
        session: StreamSession,
        engine: Engine,
        stream: int,
        max_backlog_ms: float = 10_000,
        *,
        on_answer: Callable[[float], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
        voices: VoiceDesk | None = None,
        patient: bool = False,
    ) -> None:
        self.session = session
        self.tick_ms = 0.0
        self.compute_ms = 0.0
        self.work = NO_WORK
        self.used: WindowResult | None = None
        self.waiting_marks = 0
        self.on_poison: Callable[[Ticket, PoisonWindowError], None] = lambda *_: None
        self._engine = engine
        self._restarts = engine.stats().restarts  # known to this stream
        self._stream = stream
        self._max_backlog_ms = max_backlog_ms
        self._on_answer = on_answer
        self._clock = clock
        self._voices = voices
        self._patient = patient
        self._listening: asyncio.Task[None] | None = None  # to voices
        self._out: deque[Event] = deque()
        self._jobs: set[asyncio.Task[None]] = set()
        self._fault: Exception | None = None
        self._closed = False
        self._awake = asyncio.Event()
        self._settled = asyncio.Event()  # a job came back: there may be room

    def feed(self, data: bytes) -> None:
        """Take raw PCM of the session's format."""
        self._step(lambda: self.session.receive(data))

    def skip(self, n_samples: int, why: str) -> None:
        """Take note that the source lost so many samples of each channel: they become a gap."""
        self._step(lambda: self.session.skip(n_samples, why))

    async def skip_long(self, n_samples: int, why: str) -> None:
        """Take note of a loss before which what was heard is decoded: else too much would wait, and words be given up.

        While something that was said is open, silence is taken in parts until it has ended; then all of it at once, for
        the stream leaps over silence: hours are no work, and hold up nobody else.
        """
        part = SKIPPED_PART_S * self.session.rate
        while n_samples and self._fault is None and not self._closed:
            await self.settled()
            n_part = min(n_samples, part) if self.session.has_utterances else n_samples
            self.skip(n_part, why)
            n_samples -= n_part

    def attempt(self, act: Callable[[], None]) -> None:
        """Do something in its turn among the sound; a fault in it ends the stream, not its source."""
        try:
            act()
        except Exception as error:
            self._fail(error)

    def flush(self, label: str | int | None = None) -> None:
        """Make everything heard so far final."""
        self.waiting_marks += label is not None
        self._step(lambda: self.session.flush(label))

    def put_down(self) -> None:
        """Make final what is sure: another process goes on with the stream."""
        self._step(self.session.put_down)

    def mark(self, label: str | int) -> None:
        """Have `marked` sent once everything heard so far is final."""
        self.waiting_marks += 1
        self._step(lambda: self.session.mark(label))

    def end(self) -> None:
        """No more audio comes; `events` ends once the rest is final."""
        self._step(self.session.end)

    def configure(self, changes: Mapping[str, Any]) -> None:
        """Change settings; StreamConfigError when they are not allowed."""
        self.session.configure(changes)

    def tell(self, event: Event) -> None:
        """Have an event of the shell's own told, after those that are being told."""
        self._emit([event])

    @property
    def has_untold(self) -> bool:
        """Whether the session is ahead of what was told: no step may be written for it now."""
        return bool(self._out)

    async def room(self) -> None:
        """Wait until the engine has caught up so far that more audio may come; give other streams a turn anyway.

        Above the high water mark, `max_backlog_ms`, it waits for the low one, half of it. It never waits while no job
        is in the engine: then the session needs more audio to go on.
        """
        await asyncio.sleep(0)
        mark_ms = self._max_backlog_ms
        while self._fault is None and not self._closed and self.session.lag_ms > mark_ms:
            mark_ms = LOW_WATER * self._max_backlog_ms
            self._submit_due()
            if not self._jobs:
                return
            self._settled.clear()
            await self._settled.wait()
        while self._patient and self._fault is None and not self._closed:
            self._submit_voices()
            if self._listening is None:
                return
            await asyncio.wait({self._listening})

    async def events(self) -> AsyncIterator[Event]:
        """Yield the events of the stream until everything after `end` is final.

        Raises:
            Exception: whatever a fault of the session or the engine raised; the stream cannot go on.

        """
        async for step in self.steps():
            for event in step:
                yield event

    async def steps(self) -> AsyncIterator[list[Event]]:
        """Yield the events in steps: when one is yielded, the session is in the state right after its last event.

        Raises:
            Exception: whatever a fault of the session or the engine raised; the stream cannot go on.

        """
        try:
            while True:
                self._submit_due()
                while self._out:
                    step = list(self._out)
                    self._out.clear()
                    yield step
                if self._fault is not None:
                    raise self._fault
                if self.session.done:
                    return
                if self._awake.is_set():
                    self._awake.clear()
                    continue
                await self._awake.wait()
        finally:
            await self.aclose()

    @property
    def is_idle(self) -> bool:
        """Whether no window is due or at the engine, and every event was yielded."""
        over = self._closed or self._fault is not None
        return over or not (self._jobs or self._out or self._awake.is_set())

    async def settled(self) -> None:
        """Wait until it is idle, which is when the engine has answered for all sound that may be decoded now.

        What is known of its voices is told then too.
        """
        while not self.is_idle or self._listening is not None:
            self._settled.clear()
            if self._listening is not None:
                await asyncio.wait({self._listening})
            await asyncio.sleep(0) if not self._jobs else await self._settled.wait()

    async def aclose(self) -> None:
        """Forget the jobs in the engine."""
        self._closed = True
        self._settled.set()
        jobs = [*self._jobs, *([self._listening] if self._listening else [])]
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)

    def _step(self, step: Callable[[], list[Event]]) -> None:
        """Have the session do something; a fault ends the stream, not its source."""
        if self._fault is None and not self._closed:
            try:
                self._emit(step())
            except Exception as error:
                self._fail(error)

    def _fail(self, error: Exception) -> None:
        self._fault = self._fault or error
        self._awake.set()
        self._settled.set()

    def _emit(self, events: list[Event]) -> None:
        self._out.extend(events)
        if any(isinstance(event, Speech) and event.on for event in events):
            self._engine.wake()
        self.waiting_marks -= sum(isinstance(event, Marked) for event in events)
        self._awake.set()

    def _submit_due(self) -> None:
        self._note_restarts()
        try:
            while self._fault is None and (ticket := self.session.next_job()) is not None:
                self._jobs.add(asyncio.create_task(self._run(ticket)))
            if not self._patient or (self.session.ended and not self._jobs):  # else `room` does, in its turn
                self._submit_voices()
        except Exception as error:
            self._fail(error)

    def _submit_voices(self) -> None:
        """Have voices told apart; one job at a time."""
        if self._voices is None or self._listening is not None or self._fault is not None or self._closed:
            return
        if (job := self.session.next_voices()) is not None:
            self._listening = asyncio.create_task(self._listen(self._voices, job))

    async def _listen(self, desk: VoiceDesk, job: VoiceJob) -> None:
        """Do work on voices; whatever goes wrong with it, words go on."""
        speakers = self.session.speakers
        assert speakers is not None  # it gave the job
        told: list[Event] = []
        try:
            told = speakers.deliver(job.id, await desk.work(job))
        except Exception as error:
            told = speakers.failed(str(error) or type(error).__name__)
        finally:
            self._listening = None
            self._settled.set()
        self._step(lambda: told)

    def _note_restarts(self) -> None:
        """Say once when the engine process was replaced while it had a window of this stream."""
        restarts = self._engine.stats().restarts
        if restarts > self._restarts and self._jobs:
            self._emit([Warning("engine_restarted", RESTARTED)])
        self._restarts = restarts

    async def _run(self, ticket: Ticket) -> None:
        try:
            await self._decode(ticket)
        except Exception as error:
            self._fail(error)
        finally:
            # Here and not in a done callback: `room` must find the job gone when it wakes.
            self._jobs.discard(cast("asyncio.Task[None]", asyncio.current_task()))
            self._settled.set()

    async def _decode(self, ticket: Ticket) -> None:
        started_s = self._clock()
        deadline_s = started_s + (URGENT_DEADLINE_S if ticket.urgent else TICK_DEADLINE_S)
        try:
            result = await self._engine.decode(self._stream, ticket.job, deadline_s)
        except SupersededError:
            self.session.superseded(ticket.id)
            self._emit([])
        except PoisonWindowError as error:
            self._note_restarts()
            self._emit(self.session.failed(ticket.id, str(error), poison=True))
            await asyncio.to_thread(self.on_poison, ticket, error)
        except EngineError as error:
            self._note_restarts()
            self._emit(self.session.failed(ticket.id, str(error)))
        else:
            self._note_restarts()
            self.compute_ms += result.encode_ms + result.decode_ms
            taken_s = self._clock() - started_s
            self.tick_ms = 1000 * taken_s
            self._on_answer(taken_s)
            self._note_fallback(result)
            self.work += result.work
            self.used = result
            self._emit(self.session.deliver(ticket.id, result, self.tick_ms))

    def _note_fallback(self, result: WindowResult) -> None:
        """Say when the CPU takes the place of a device or of some of its operators, why, and when that is over."""
        before, on_host = (self.used.fallback, self.used.on_host) if self.used else ("", "")
        if result.fallback and result.fallback != before:
            self._emit([Warning("device_replaced", f"{REPLACED}: {result.fallback}")])
        elif before and not result.fallback:
            self._emit([Warning("device_back", BACK)])
        if result.on_host and result.on_host != on_host:
            self._emit([Warning("operators_replaced", f"{OPERATORS_REPLACED}: {result.on_host}")])
