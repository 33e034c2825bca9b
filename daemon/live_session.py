"""One session that goes on: its pipeline run, its events numbered, kept and told to all who watch."""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from prometheus_client import Histogram

from amanuensis.daemon.config import LimitSettings
from amanuensis.daemon.cursor import Chunk, Cursor
from amanuensis.daemon.feeder import Feeder
from amanuensis.daemon.hub import ClientQueue
from amanuensis.daemon.journal import Entry, Journal
from amanuensis.daemon.latency import Arrivals
from amanuensis.daemon.logs import about
from amanuensis.daemon.metrics import FATES, Metrics
from amanuensis.daemon.protocol import PROTO, Configure, End, Flush, Mark, Note, ProtocolError, Skip
from amanuensis.daemon.pump import Pump
from amanuensis.daemon.session_store import MemoryStore, Order, SessionStore
from amanuensis.npu.engine.api import EngineInfo
from amanuensis.stream.config import StreamConfigError
from amanuensis.stream.events import (
    Ack,
    Bye,
    Commit,
    EngineUse,
    Error,
    Event,
    Gap,
    Noted,
    Ready,
    Stats,
    Warning,  # noqa: A004 - the name on the wire
)
from amanuensis.stream.events import Final as FinalEvent
from amanuensis.stream.session import MAX_MARKS

log = logging.getLogger(__name__)

NORMAL: Final = 1000
GOING_AWAY: Final = 1001
INTERNAL: Final = 1011
IDLE: Final = 4408
TAKEN_OVER: Final = 4409
ACK_S: Final = 0.1  # an ack for each so much audio, and once a second for what is left


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a session is over, and how its connections are closed."""

    reason: str
    code: int = NORMAL  # of the watchers
    speaker_code: int = NORMAL
    resume_until: float | None = None  # seconds since the epoch: the session itself goes on till then


END: Final = Ending("end")
SPEAKER_LEFT: Final = Ending("speaker_left")
SPEAKER_IDLE: Final = Ending("idle", speaker_code=IDLE)
PROTOCOL_FAULT: Final = Ending("protocol_error")
SHUTDOWN: Final = Ending("shutdown", GOING_AWAY, GOING_AWAY)
FAULT: Final = Ending("fault", INTERNAL, INTERNAL)


@dataclass(frozen=True, slots=True)
class Identity:
    """How a session is known.

    Attributes:
        id: its public name.
        resume_token: what its speaker alone knows.

    """

    id: str = field(default_factory=lambda: secrets.token_hex(6))
    resume_token: str = field(default_factory=lambda: secrets.token_urlsafe(16), repr=False)  # 128 bits

    def is_token(self, given: str) -> bool:
        """Whether this is the resume token, compared in constant time."""
        return hmac.compare_digest(given.encode(), self.resume_token.encode())


@dataclass(frozen=True, slots=True)
class Detached:
    """A session without a speaker: until when it waits for one, on the clock of `Sessions`, and how it ends then."""

    until_s: float
    ending: Ending


class LiveSession:
    """One session that goes on.

    Args:
        pump: its pipeline.
        cursor: where it stands in what its speaker sends.
        info: what the engine runs.
        journal: what it has said.
        metrics: of the daemon.
        identity: how it is known; None: a new one.
        store: keeps what must outlive the process.

    Attributes:
        hub: everybody who watches, the speaker included.
        speaker: the speaker's own queue, while there is one.
        detached: set while there is none, and one may come back.
        ending: set once nothing more is taken.
        can_resume: its speaker knows how to come back to it.
        over_for_s: it was over for so long already when it was taken up.
        forsaken_bytes: sound that was taken here, and that is not in the session as it goes on elsewhere.

    """

    def __init__(
        self,
        pump: Pump,
        cursor: Cursor,
        info: EngineInfo,
        journal: Journal,
        metrics: Metrics,
        *,
        identity: Identity | None = None,
        store: SessionStore | None = None,
    ) -> None:
        self.identity = identity or Identity()
        self.store = store or MemoryStore()
        self.hub = self.store.hub()
        self.journal = journal
        self.pump = pump
        self.cursor = cursor
        self.feeder = Feeder(pump, cursor.format)
        self.ending: Ending | None = None
        self.speaker: ClientQueue | None = None
        self.detached: Detached | None = None
        self.can_resume = True
        self.over_for_s = 0.0
        self.forsaken_bytes = 0
        self.task: asyncio.Task[None] | None = None
        self._format = cursor.format
        self._info = info
        self._metrics = metrics
        self._bytes_at_ack = cursor.position_bytes
        self._acked_chunk = cursor.next_chunk - 1
        self.opened_s = metrics.clock()
        self._arrivals = Arrivals(1000 * self.audio_s)
        self._counted = pump.session.ledger.totals()  # of a session that is taken up again, what was counted before

    @property
    def id(self) -> str:
        """Its public name."""
        return self.identity.id

    async def run(self) -> Ending:
        """Publish events until the session is over; return why it is.

        When it is cancelled, it is over at once for its clients: with the `ending` that was set, else `SHUTDOWN`.
        """
        about(session=self.id)
        try:
            async for step in self.pump.steps():
                self.publish(step)
        except asyncio.CancelledError:
            self._say_goodbye(self.ending or SHUTDOWN)
            self.store.suspend()
            raise
        except Exception:
            log.exception("session %s: stopped by a fault", self.id)
            self.ending = FAULT
            message = "the session stopped because of a fault of the server; its log has the details"
            self.publish([Error("internal", message, fatal=True)])
        finally:
            self.feeder.stop()
            self.cursor.closed = True
            self.count_fates()
        ending = self.ending or END
        self._say_goodbye(ending)
        self.store.end(ending.reason, self.pump.session)
        return ending

    def count_fates(self) -> None:
        """Count what became of the audio since it was counted last."""
        before, self._counted = self._counted, self.pump.session.ledger.totals()
        for fate in FATES:
            n_samples = getattr(self._counted, fate) - getattr(before, fate)
            self._metrics.fates_s.labels(fate).inc(n_samples / self._format.rate)
        self._metrics.empty_s.inc((self._counted.empty - before.empty) / self._format.rate)

    def publish(self, events: Iterable[Event]) -> None:
        """Number the durable ones, have what is to be kept kept, then tell everybody."""
        entries = [self.journal.add(event) for event in events]
        durable = [entry for entry in entries if entry.seq is not None]
        if durable:
            self.store.append_step(durable, self.pump.session)
        for entry in entries:
            self._count(entry.event)
            self.hub.publish(entry, first=self.speaker)

    def _count(self, event: Event) -> None:
        self._metrics.events.labels(event.type).inc()
        if isinstance(event, Commit):
            self._metrics.words.inc(len(event.words))
            for word in event.words:
                self._time(word.end_ms, self._metrics.commit_s)
        if isinstance(event, FinalEvent):
            self._time(event.end_ms, self._metrics.final_s)
        if isinstance(event, Warning):
            self._metrics.warnings.labels(event.code).inc()
        if isinstance(event, Gap):
            self._metrics.gap_s.inc((event.end_ms - event.start_ms) / 1000)

    def _time(self, at_ms: float, latency: Histogram) -> None:
        """Observe how long ago the sound at a media time came."""
        since_s = self._arrivals.since(at_ms, self._metrics.clock())
        if since_s is not None:
            latency.observe(since_s)

    def attach(self, speaker: ClientQueue) -> None:
        """Have a speaker speak in the session; one that speaks already is closed, for this one is the same."""
        if self.speaker is not None:
            self.speaker.close(TAKEN_OVER, "another connection has taken over this session")
        self.speaker, self.detached = speaker, None

    def detach(self, speaker: ClientQueue, until_s: float, ending: Ending) -> None:
        """Wait for the speaker to come back, if it is still this one, and the session goes on."""
        if self.speaker is speaker:
            self.speaker = None
            self.detached = Detached(until_s, ending) if self.ending is None else None

    async def room(self) -> None:
        """Wait until what was taken is heard, and more may be."""
        await self.feeder.drained()

    def hear(self, chunk: Chunk) -> None:
        """Take a chunk; `room` says when the next one may come."""
        self.store.append_audio(chunk)
        self._metrics.audio_s.inc(len(chunk.data) / self._format.bytes_per_s)
        self._arrivals.note(1000 * self.audio_s, self._metrics.clock())
        self.feeder.put(chunk)
        if self.owes_ack and self.cursor.position_bytes - self._bytes_at_ack >= ACK_S * self._format.bytes_per_s:
            self.acknowledge()

    def skip(self, order: Skip) -> None:
        """Take note that the speaker leaves out so many samples of each channel: they become a gap."""
        self.lose(order.samples, order.why, self.cursor.controls)

    def lose(self, n_samples: int, why: str, controls: int | None = None) -> None:
        """Take note that the source lost so many samples of each channel: they become a gap."""
        self.store.append_skip(n_samples, why, controls)
        n_bytes = n_samples * self._format.frame_bytes
        self.cursor.position_bytes += n_bytes
        self.feeder.lose(n_bytes, why)

    def acknowledge(self) -> None:
        """Tell the speaker which chunks are kept."""
        if self.speaker is not None and self.speaker in self.hub.clients and self._newest_kept >= 0:
            self._acked_chunk = self._newest_kept
            self._bytes_at_ack = self.cursor.position_bytes
            self.speaker.send(Ack(self._acked_chunk))

    @property
    def _newest_kept(self) -> int:
        newest = self.cursor.next_chunk - 1
        kept = self.store.newest_kept
        return newest if kept is None else min(kept, newest)

    @property
    def owes_ack(self) -> bool:
        """Whether chunks were taken that the speaker was not told of."""
        return self._acked_chunk < self._newest_kept

    def obey(self, order: Order) -> None:
        """Do what the speaker asks for.

        Raises:
            ProtocolError: `too_many_marks` or `bad_config`; nothing was done.

        """
        marks = isinstance(order, Mark) or (isinstance(order, Flush) and order.id is not None)
        if marks and self.pump.waiting_marks >= MAX_MARKS:
            raise ProtocolError("too_many_marks", f"{MAX_MARKS} marks were not answered yet; wait for `marked`")
        if isinstance(order, Configure):
            self.configure(order)
        if isinstance(order, Note) and order.at is None:
            order = replace(order, at=1000 * self.audio_s)  # kept with it, for whoever carries it out again
        self.store.append_order(order, self.cursor.controls)
        if not isinstance(order, Configure):
            self.carry_out(order)

    def carry_out(self, order: Order) -> None:
        """Do what was asked for before, and kept."""
        match order:
            case Configure():
                self.configure(order)
            case Flush(id=label):
                self.pump.flush(label)
            case Mark(id=label):
                self.pump.mark(label)
            case Note(id=label, text=text, at=at):
                self.pump.tell(Noted(label, at or 0.0, text))
            case End():
                self.finish(END)

    def configure(self, message: Configure) -> None:
        """Change settings.

        Raises:
            ProtocolError: `bad_config`; nothing was changed.

        """
        changes = {"language": message.lang, "prompt": message.prompt, "hotwords": message.hotwords}
        try:
            self.pump.configure({name: value for name, value in changes.items() if value is not None})
        except StreamConfigError as error:
            raise ProtocolError("bad_config", f"config: {error}") from None

    def finish(self, ending: Ending) -> None:
        """Take no more audio; what was heard becomes final, then everybody is told."""
        if self.ending is None:
            self._close(ending)
            self.feeder.end()

    async def suspend(self, ending: Ending) -> None:
        """Take no more audio; wait until what can be decoded now is told and final. The session goes on elsewhere."""
        if self.ending is None:
            self._close(ending)
        await self.room()
        await self.pump.settled()
        self.pump.put_down()
        await self.pump.settled()

    def _close(self, ending: Ending) -> None:
        self.ending = ending
        self.detached = None
        self.cursor.closed = True
        if self.owes_ack:
            self.acknowledge()

    def ready(self, *, for_speaker: bool, limits: LimitSettings, resumed: bool = False) -> Ready:
        """Return the answer to a hello; only the speaker gets the token to come back."""
        return Ready(
            session=self.id,
            resume_token=self.identity.resume_token if for_speaker else "",
            proto=PROTO,
            limits=limits_told(limits),
            next=self.cursor.next_chunk if for_speaker else 0,
            engine=self.engine_use(),
            controls=self.cursor.controls if resumed else None,
        )

    def engine_use(self) -> EngineUse:
        """Return where the last window was computed; before the first one, where it will be."""
        used, info = self.pump.used, self._info
        if used is None:
            return EngineUse(info.encoder, info.decoder, info.model, info.why)
        work = self.pump.work if self.pump.work.dispatches else None
        return EngineUse(used.encoder, used.decoder, info.model, used.why(info.why), work)

    @property
    def audio_s(self) -> float:
        """How much was received."""
        return self.cursor.position_bytes / self._format.bytes_per_s

    @property
    def unsettled_s(self) -> float:
        """How much audio has no fate yet."""
        return self.pump.session.ledger.totals().unsettled / self._format.rate

    def ledger(self) -> dict[str, Any]:
        """Return what became of the audio: source samples of each channel by fate, and the same in seconds."""
        totals, rate = asdict(self.pump.session.ledger.totals()), self._format.rate
        return {"rate": rate, "samples": totals, "seconds": {fate: n / rate for fate, n in totals.items()}}

    def stats(self) -> Stats:
        """Return how far behind the captions are."""
        session = self.pump.session
        rtf = self.pump.compute_ms / (1000 * self.audio_s) if self.audio_s else 0.0
        return Stats(session.lag_ms, session.queue_ms, self.pump.tick_ms, session.tick_every_ms, rtf, self.engine_use())

    def _say_goodbye(self, ending: Ending) -> None:
        def close(client: ClientQueue) -> None:
            client.close(ending.speaker_code if client is self.speaker else ending.code, ending.reason)

        self.hub.say_goodbye(Entry(Bye(ending.reason, ending.resume_until)), close)


def limits_told(limits: LimitSettings) -> dict[str, float]:
    """Return the limits that clients are told."""
    return {
        "message_bytes": limits.message_bytes,
        "idle_s": limits.idle_s,
        "backlog_s": limits.backlog_s,
        "resume_s": limits.resume_s,
    }
