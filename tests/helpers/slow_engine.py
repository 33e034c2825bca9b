"""Streams that share one slow engine, in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from amanuensis.stream.config import StreamConfig
from amanuensis.stream.events import Event
from amanuensis.stream.formats import AudioFormat
from amanuensis.stream.jobs import Ticket
from amanuensis.stream.session import StreamSession
from tests.helpers.scripted_engine import INFO, Said, ScriptedEngine, ScriptedTokenizer

STEP_MS = 20.0


@dataclass(slots=True)
class Speaker:
    """One stream: what is said in it, and what came of it, each event with its time."""

    said: Sequence[Said]
    data: bytes
    session: StreamSession
    events: list[tuple[float, Event]] = field(default_factory=list)
    asked_ms: list[float] = field(default_factory=list)  # when windows were handed out
    ticks_ms: list[float] = field(default_factory=list)  # when ticks were
    most_waiting_ms: float = 0.0


@dataclass(slots=True)
class _Job:
    speaker: Speaker
    ticket: Ticket
    since_ms: float


class SlowEngine:
    """Does one window at a time, urgent ones before ticks, each stream's newest window in the place of an older one.

    Args:
        talks: what is said in each stream, and its sound at 16 kHz.
        cost_ms: what a window takes; may be changed.
        config: of all streams.

    Attributes:
        now_ms: virtual time.
        busy_ms: time in which it worked, by urgent or not.

    """

    def __init__(
        self,
        talks: Sequence[tuple[Sequence[Said], bytes]],
        cost_ms: Callable[[Ticket], float],
        config: StreamConfig | None = None,
    ) -> None:
        self.now_ms = 0.0
        self.busy_ms = {True: 0.0, False: 0.0}
        self.speakers = [
            Speaker(said, data, StreamSession(config or StreamConfig(), AudioFormat(), ScriptedTokenizer(said), INFO))
            for said, data in talks
        ]
        self.cost_ms = cost_ms
        self._waiting: list[_Job] = []
        self._running: _Job | None = None
        self._free_at_ms = 0.0

    def run(self) -> None:
        """Let all streams speak at once, in real time, and the engine finish."""
        step_bytes = round(STEP_MS * 32)
        longest = max(len(speaker.data) for speaker in self.speakers)
        for start in range(0, longest + step_bytes, step_bytes):
            for speaker in self.speakers:
                piece = speaker.data[start : start + step_bytes]
                self._take(speaker, speaker.session.receive(piece) if piece else speaker.session.end())
            self._work()
            self.now_ms += STEP_MS
        while not all(speaker.session.done for speaker in self.speakers):
            self._work()
            self.now_ms += STEP_MS

    def _work(self) -> None:
        for speaker in self.speakers:
            self._hand_out(speaker)
        while self._running is None or self._free_at_ms <= self.now_ms:
            if self._running is not None:
                self._answer(self._running)
                self._running = None
            if not self._waiting:
                return
            job = min(self._waiting, key=lambda job: (not job.ticket.urgent, job.since_ms))
            self._waiting.remove(job)
            self._running = job
            cost_ms = self.cost_ms(job.ticket)
            self.busy_ms[job.ticket.urgent] += cost_ms
            self._free_at_ms = max(self._free_at_ms, self.now_ms - STEP_MS) + cost_ms

    def _answer(self, job: _Job) -> None:
        speaker, ticket = job.speaker, job.ticket
        start_ms, end_ms = ticket.audio_start_ms, ticket.audio_end_ms
        engine = ScriptedEngine(speaker.said)
        answer = engine.answer(ticket.job, start_ms, end_ms, final=ticket.urgent, lead_ms=ticket.lead_ms)
        self._take(speaker, speaker.session.deliver(ticket.id, answer, self.now_ms - job.since_ms))
        self._hand_out(speaker)

    def _hand_out(self, speaker: Speaker) -> None:
        while ticket := speaker.session.next_job():
            for job in [job for job in self._waiting if job.speaker is speaker]:
                self._waiting.remove(job)
                speaker.session.superseded(job.ticket.id)
            self._waiting.append(_Job(speaker, ticket, self.now_ms))
            speaker.asked_ms.append(self.now_ms)
            if not ticket.urgent:
                speaker.ticks_ms.append(self.now_ms)

    def _take(self, speaker: Speaker, events: list[Event]) -> None:
        speaker.events += [(self.now_ms, event) for event in events]
        speaker.most_waiting_ms = max(speaker.most_waiting_ms, speaker.session.lag_ms)
