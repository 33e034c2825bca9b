"""One stream from raw sound to captions, as a pure state machine: no clock, no threads, no engine of its own.

A shell feeds bytes in, takes the job that is due (`next_job`), has an engine do it and gives the answer back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from amanuensis.npu.engine.api import EngineInfo
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.npu.window import WindowJob, WindowResult
from amanuensis.stream.config import StreamConfig
from amanuensis.stream.events import Event, FinalReason, Word
from amanuensis.stream.formats import AudioFormat
from amanuensis.stream.ledger import AudioLedger

__all__ = ["Counters", "StreamSession", "Ticket", "Utterance"]


@dataclass(frozen=True, slots=True)
class Ticket:
    """A job that is due. `final` ones take precedence over everything of the same stream."""

    id: int
    job: WindowJob
    final: bool
    audio_start_ms: float
    audio_end_ms: float


@dataclass(frozen=True, slots=True)
class Utterance:
    """A finished utterance, as the transcript keeps it."""

    utt: int
    reason: FinalReason
    text: str
    words: tuple[Word, ...]
    start_ms: float
    end_ms: float


@dataclass(slots=True)
class Counters:
    """What happened so far."""

    ticks: int = 0
    finals: int = 0
    failed: int = 0
    superseded: int = 0
    gated: int = 0
    empty: int = 0
    cuts: int = 0
    forced_commits: int = 0


class StreamSession:
    """The whole pipeline of one stream.

    Order of calls: `receive`, `flush`, `mark`, `end`, `configure` at any time; after each of them and after each
    `deliver`, `failed` or `superseded`, ask `next_job` until it returns None. Events come from the calls themselves.
    """

    def __init__(self, config: StreamConfig, fmt: AudioFormat, tokenizer: Tokenizer, info: EngineInfo) -> None:
        raise NotImplementedError

    def receive(self, data: bytes) -> list[Event]:
        """Take raw PCM bytes of the source's format, cut anywhere; empty after `end`."""
        raise NotImplementedError

    def next_job(self) -> Ticket | None:
        """Return the job that is due now, if any.

        At most one ticket is outstanding, except that a final one is handed out while a tick is outstanding: the
        tick is stale then, whatever comes of it.
        """
        raise NotImplementedError

    def deliver(self, ticket_id: int, result: WindowResult) -> list[Event]:
        """Take the engine's answer; an answer to a stale ticket changes nothing."""
        raise NotImplementedError

    def superseded(self, ticket_id: int) -> None:
        """The engine dropped this job for a newer one."""
        raise NotImplementedError

    def failed(self, ticket_id: int, why: str) -> list[Event]:
        """The engine could not do this job; it is tried again, then its audio becomes a gap."""
        raise NotImplementedError

    def flush(self, id: str | int | None = None) -> list[Event]:  # noqa: A002 - the name on the wire
        """Make everything heard so far final; with an id, `marked` follows when it is."""
        raise NotImplementedError

    def mark(self, id: str | int) -> list[Event]:  # noqa: A002 - the name on the wire
        """Answer with `marked` once everything received so far is final."""
        raise NotImplementedError

    def end(self) -> list[Event]:
        """No more audio comes: the rest becomes final; `done` tells when."""
        raise NotImplementedError

    def configure(self, changes: Mapping[str, Any]) -> None:
        """Change settings while the session runs; StreamConfigError when they are not allowed."""
        raise NotImplementedError

    @property
    def done(self) -> bool:
        """Whether everything is final after `end`; the ledger's totals then equal what was received."""
        raise NotImplementedError

    @property
    def lag_ms(self) -> float:
        """Newest audio received minus newest audio decoded or judged silence."""
        raise NotImplementedError

    @property
    def queue_ms(self) -> float:
        """Audio received that no job has covered yet."""
        raise NotImplementedError

    @property
    def committed_ms(self) -> float:
        """Media time up to which everything has its fate."""
        raise NotImplementedError

    @property
    def ledger(self) -> AudioLedger:
        """What became of every source sample."""
        raise NotImplementedError

    @property
    def transcript(self) -> tuple[Utterance, ...]:
        """The newest finished utterances, oldest first; bounded."""
        raise NotImplementedError

    @property
    def language(self) -> str | None:
        """The language that was set or detected."""
        raise NotImplementedError

    @property
    def counters(self) -> Counters:
        """What happened so far."""
        raise NotImplementedError
