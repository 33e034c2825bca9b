"""Drives a stream session as a shell would, with a simulated recogniser that may be slow, fail or drop jobs."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from amanuensis.npu.window import WindowResult
from amanuensis.stream.events import Commit, Event, Final, Marked, Partial, Word
from amanuensis.stream.session import StreamSession, Ticket
from tests.helpers.scripted_engine import ScriptedEngine
from tests.helpers.talk import cut_in_pieces


@dataclass(slots=True)
class Driver:
    """Feeds a session and answers its jobs.

    Attributes:
        p_wait: probability that an answer waits until more audio has come.
        p_fail: probability that a job fails.
        p_drop: probability that a tick is dropped by the engine.
        p_flush: probability of a flush after a piece of audio.
        p_mark: probability of a mark after a piece of audio.

    """

    session: StreamSession
    engine: ScriptedEngine
    seed: int = 0
    p_wait: float = 0.0
    p_fail: float = 0.0
    p_drop: float = 0.0
    p_flush: float = 0.0
    p_mark: float = 0.0
    events: list[Event] = field(default_factory=list)
    n_marks: int = 0
    _pending: list[tuple[Ticket, WindowResult]] = field(default_factory=list)
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def run(self, data: bytes, sizes: Sequence[int]) -> list[Event]:
        """Send all audio in pieces of `sizes` bytes, end the stream, and return all events."""
        for piece in cut_in_pieces(data, sizes):
            self.events += self.session.receive(piece)
            self._work()
            self._control()
        self.events += self.session.end()
        while not self.session.done:
            self._work(p_wait=0.0)
        return self.events

    def _work(self, p_wait: float | None = None) -> None:
        p_wait = self.p_wait if p_wait is None else p_wait
        while True:
            while ticket := self.session.next_job():
                self._pending.append((ticket, self._answer(ticket)))
            if not self._pending or self._random.random() < p_wait:
                return
            self._resolve(*self._pending.pop(0))

    def _answer(self, ticket: Ticket) -> WindowResult:
        return self.engine.answer(
            ticket.job, ticket.audio_start_ms, ticket.audio_end_ms, final=ticket.urgent, lead_ms=ticket.lead_ms
        )

    def _resolve(self, ticket: Ticket, result: WindowResult) -> None:
        if self._random.random() < self.p_fail:
            self.events += self.session.failed(ticket.id, "the test says so")
        elif not ticket.urgent and self._random.random() < self.p_drop:
            self.session.superseded(ticket.id)
        else:
            self.events += self.session.deliver(ticket.id, result)

    def _control(self) -> None:
        if self._random.random() < self.p_flush:
            self.events += self.session.flush()
        n_waiting = self.n_marks - sum(isinstance(event, Marked) for event in self.events)
        if n_waiting < 20 and self._random.random() < self.p_mark:
            self.n_marks += 1
            self.events += self.session.mark(self.n_marks)


def committed(events: Sequence[Event]) -> list[Word]:
    """Return all committed words, in order."""
    return [word for event in events if isinstance(event, Commit) for word in event.words]


def check_captions(events: Sequence[Event], duration_ms: float) -> None:
    """Assert what holds of every stream: numbering, order, finals equal to their commits, times that make sense."""
    utt, said, rev, last_end = 0, "", 0, 0.0
    for event in events:
        if isinstance(event, Partial):
            assert (event.utt, event.rev) == (utt, rev + 1)
            assert 0 <= event.start_ms <= event.end_ms <= duration_ms + 1
            rev += 1
        elif isinstance(event, Commit):
            assert event.utt == utt
            assert event.words
            for word in event.words:
                assert last_end <= word.start_ms <= word.end_ms <= duration_ms + 1
                assert 0 <= word.conf <= 1
                last_end = word.end_ms
            said += "".join(word.text for word in event.words)
        elif isinstance(event, Final):
            assert event.utt == utt
            assert event.text == said != ""
            assert event.start_ms <= event.end_ms == last_end
            utt, said, rev = utt + 1, "", 0
    assert said == "", "words were committed but never final"
