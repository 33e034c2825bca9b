"""A stream that is put down and taken up again: the audio it was given is kept as a shell would keep it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgpack

from amanuensis.npu.window import WindowResult
from amanuensis.stream.checkpoint import Checkpoint
from amanuensis.stream.config import StreamConfig
from amanuensis.stream.events import Event, Marked
from amanuensis.stream.formats import AudioFormat
from amanuensis.stream.session import StreamSession, Ticket
from tests.helpers.scripted_engine import INFO, ScriptedEngine, ScriptedTokenizer
from tests.helpers.talk import cut_in_pieces

WHY = "the sender lost it"


@dataclass(slots=True)
class Shell:
    """Feeds a session, answers its jobs, keeps a checkpoint after each call that has durable events, and dies.

    Attributes:
        p_wait: probability that an answer waits until more audio has come.
        p_fail: probability that a job fails.
        p_control: probability of a flush, a mark or a change of settings after a piece.
        p_skip: probability that a piece is lost.
        events: the durable events that were kept, and partials.
        log: what was given so far: bytes, or the number of bytes that were lost.

    """

    engine: ScriptedEngine
    fmt: AudioFormat
    config: StreamConfig = field(default_factory=StreamConfig)
    seed: int = 0
    p_wait: float = 0.0
    p_fail: float = 0.0
    p_control: float = 0.0
    p_skip: float = 0.0
    session: StreamSession = field(init=False)
    events: list[Event] = field(default_factory=list)
    log: list[bytes | int] = field(default_factory=list)
    n_marks: int = 0
    kept: bytes = b""
    largest: int = 0
    _n_bytes: int = 0
    _pending: list[tuple[Ticket, WindowResult]] = field(default_factory=list)
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self.session = StreamSession(self.config, self.fmt, ScriptedTokenizer(self.engine.said), INFO)
        self._keep([], always=True)

    def feed(self, data: bytes, sizes: Sequence[int]) -> None:
        """Send audio in pieces of so many bytes."""
        for piece in cut_in_pieces(data, sizes):
            whole = not (self._n_bytes % self.fmt.frame_bytes or len(piece) % self.fmt.frame_bytes)
            self._n_bytes += len(piece)
            if whole and self._random.random() < self.p_skip:
                self.log.append(len(piece))
                self._keep(self.session.skip(len(piece) // self.fmt.frame_bytes, WHY))
            else:
                self.log.append(piece)
                self._keep(self.session.receive(piece))
            self.work()
            if self._random.random() < self.p_control:
                self._control()

    def end(self) -> None:
        """End the stream; the jobs that follow are not done yet."""
        self._keep(self.session.end(), always=True)

    def put_down(self) -> None:
        """Hand the stream over to another process in good order."""
        self._keep(self.session.put_down())

    def finish(self) -> None:
        """Do all jobs."""
        while not self.session.done:
            self.work(p_wait=0.0)

    def work(self, p_wait: float | None = None) -> None:
        """Do the jobs that are due, or leave them undone."""
        while True:
            while ticket := self.session.next_job():
                self._pending.append((ticket, self._answer(ticket)))
            if not self._pending or self._random.random() < (self.p_wait if p_wait is None else p_wait):
                return
            ticket, result = self._pending.pop(0)
            if self._random.random() < self.p_fail:
                self._keep(self.session.failed(ticket.id, "the test says so"))
            else:
                self._keep(self.session.deliver(ticket.id, result))

    def die_and_return(self) -> None:
        """Lose the session and all that was not kept, and go on from the newest checkpoint and the audio."""
        checkpoint = Checkpoint.from_plain(msgpack.unpackb(self.kept))
        self._pending.clear()
        tokenizer = ScriptedTokenizer(self.engine.said)
        self.session = StreamSession.restore(self.config, self.fmt, tokenizer, INFO, checkpoint)
        again = self._log_from(checkpoint.needs_from * self.fmt.frame_bytes)
        for piece in again:
            if isinstance(piece, int):
                self._keep(self.session.skip(piece // self.fmt.frame_bytes, WHY))
            else:
                self._keep(self.session.receive(piece))
        assert self.session.replay_samples == 0
        self._keep([], always=True)

    def _log_from(self, position: int) -> list[bytes | int]:
        """Return what was given from a position in bytes on."""
        again: list[bytes | int] = []
        at = 0
        for piece in self.log:
            length = piece if isinstance(piece, int) else len(piece)
            if at + length > position:
                cut = max(0, position - at)
                again.append(length - cut if isinstance(piece, int) else piece[cut:])
            at += length
        return again

    def _answer(self, ticket: Ticket) -> WindowResult:
        return self.engine.answer(
            ticket.job, ticket.audio_start_ms, ticket.audio_end_ms, final=ticket.urgent, lead_ms=ticket.lead_ms
        )

    def _control(self) -> None:
        kind = self._random.choice(["flush", "mark", "config"])
        n_waiting = self.n_marks - sum(isinstance(event, Marked) for event in self.events)
        if kind == "flush":
            self._keep(self.session.flush(), always=True)
        elif kind == "mark" and n_waiting < 20:
            self.n_marks += 1
            self._keep(self.session.mark(self.n_marks), always=True)
        else:
            self.session.configure({"prompt": "some names", "hotwords": ["w1"]})
            self._keep([], always=True)

    def _keep(self, events: list[Event], *, always: bool = False) -> None:
        """Keep events, and with durable ones the checkpoint after them: both or neither."""
        self.events += events
        if always or any(event.durable for event in events):
            self.kept = msgpack.packb(self.session.checkpoint().to_plain())
            self.largest = max(self.largest, len(self.kept))
