"""One session that goes on: its pipeline run, its events numbered, kept and told to all who watch."""

from __future__ import annotations

import asyncio
import logging
import secrets
from dataclasses import dataclass
from typing import Final

from amanuensis.daemon.config import LimitSettings
from amanuensis.daemon.connection import Chunk
from amanuensis.daemon.hub import ClientQueue, Hub
from amanuensis.daemon.journal import Entry, Journal
from amanuensis.daemon.metrics import Metrics
from amanuensis.daemon.protocol import PROTO, Configure, ProtocolError
from amanuensis.daemon.pump import Pump
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
    Ready,
    Stats,
    Warning,  # noqa: A004 - the name on the wire
)
from amanuensis.stream.formats import AudioFormat
from amanuensis.stream.session import MAX_MARKS

log = logging.getLogger(__name__)

NORMAL: Final = 1000
GOING_AWAY: Final = 1001
INTERNAL: Final = 1011
IDLE: Final = 4408
ACK_S: Final = 0.1  # an ack for each so much audio, and once a second for what is left
LOST_BY_CLIENT: Final = "not received: the client lost this audio"


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a session is over, and how its connections are closed."""

    reason: str
    code: int = NORMAL  # of the watchers
    speaker_code: int = NORMAL


END: Final = Ending("end")
SPEAKER_LEFT: Final = Ending("speaker_left")
SPEAKER_IDLE: Final = Ending("idle", speaker_code=IDLE)
SHUTDOWN: Final = Ending("shutdown", GOING_AWAY, GOING_AWAY)
FAULT: Final = Ending("fault", INTERNAL, INTERNAL)


class LiveSession:
    """One session that goes on.

    Attributes:
        id: its public name.
        resume_token: what its speaker alone knows.
        hub: everybody who watches, the speaker included.
        speaker: the speaker's own queue.

    """

    def __init__(self, pump: Pump, fmt: AudioFormat, info: EngineInfo, journal: Journal, metrics: Metrics) -> None:
        self.id = secrets.token_hex(6)
        self.resume_token = secrets.token_urlsafe(16)  # 128 bits
        self.hub = Hub()
        self.journal = journal
        self.pump = pump
        self.ending: Ending | None = None
        self.speaker: ClientQueue | None = None
        self.task: asyncio.Task[None] | None = None
        self._format = fmt
        self._info = info
        self._metrics = metrics
        self._received_bytes = 0
        self._bytes_at_ack = 0
        self._newest_chunk = -1
        self._acked_chunk = -1

    async def run(self) -> Ending:
        """Publish events until the session is over; return why it is."""
        try:
            async for event in self.pump.events():
                self.publish(event)
        except asyncio.CancelledError:
            self._say_goodbye(SHUTDOWN)
            raise
        except Exception:
            log.exception("session %s: stopped by a fault", self.id)
            self.ending = FAULT
            message = "the session stopped because of a fault of the server; its log has the details"
            self.publish(Error("internal", message, fatal=True))
        finally:
            self._count_fates()
        ending = self.ending or END
        self._say_goodbye(ending)
        return ending

    def _count_fates(self) -> None:
        """Count what became of the audio; `unsettled` is what a fault or a stop that was cut short left over."""
        totals = self.pump.session.ledger.totals()
        for fate in ("transcribed", "silence", "gap", "unsettled"):
            self._metrics.fates_s.labels(fate).inc(getattr(totals, fate) / self._format.rate)

    def publish(self, event: Event) -> None:
        """Number an event if it is durable, keep what is to be kept, tell everybody."""
        self._metrics.events.labels(event.type).inc()
        if isinstance(event, Commit):
            self._metrics.words.inc(len(event.words))
        if isinstance(event, Warning):
            self._metrics.warnings.labels(event.code).inc()
        if isinstance(event, Gap):
            self._metrics.gap_s.inc((event.end_ms - event.start_ms) / 1000)
        self.hub.publish(self.journal.add(event))

    async def hear(self, chunk: Chunk) -> None:
        """Take a chunk; returns once there is room for the next one."""
        if chunk.missing_bytes:
            await self._skip(chunk.missing_bytes)
        second = self._format.bytes_per_s  # at most so much at once: what waits stays bounded
        for start in range(0, len(chunk.data), second):
            await self._hear_piece(chunk.data[start : start + second])
        self._newest_chunk = chunk.n
        if self._received_bytes - self._bytes_at_ack >= ACK_S * self._format.bytes_per_s:
            self.acknowledge()

    def acknowledge(self) -> None:
        """Tell the speaker which chunks are kept, if it does not know yet."""
        if self.speaker is not None and self._newest_chunk >= 0:
            self.speaker.send(Ack(self._newest_chunk))
            self._acked_chunk = self._newest_chunk
            self._bytes_at_ack = self._received_bytes

    @property
    def owes_ack(self) -> bool:
        """Whether chunks were taken that the speaker was not told of."""
        return self._acked_chunk < self._newest_chunk

    def flush(self, label: str | int | None) -> None:
        """Make everything heard so far final."""
        self._check_marks()
        self.pump.flush(label)

    def mark(self, label: str | int) -> None:
        """Answer once everything heard so far is final."""
        self._check_marks()
        self.pump.mark(label)

    def _check_marks(self) -> None:
        if self.pump.waiting_marks >= MAX_MARKS:
            raise ProtocolError("too_many_marks", f"{MAX_MARKS} marks were not answered yet; wait for `marked`")

    async def _hear_piece(self, data: bytes) -> None:
        self._received_bytes += len(data)
        self._metrics.audio_s.inc(len(data) / self._format.bytes_per_s)
        self.pump.feed(data)
        await self.pump.room()

    async def _skip(self, missing_bytes: int) -> None:
        """Leave out sound that the client lost; a sample that was cut by the loss is completed with zeros."""
        rest = -self._received_bytes % self._format.frame_bytes
        if rest:
            self.pump.feed(bytes(rest))
        self.pump.skip((missing_bytes - rest) // self._format.frame_bytes, LOST_BY_CLIENT)
        self._received_bytes += missing_bytes
        await self.pump.room()

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
            self.ending = ending
            if self.owes_ack:
                self.acknowledge()
            self.pump.end()

    def ready(self, *, for_speaker: bool, limits: LimitSettings) -> Ready:
        """Return the answer to a hello; only the speaker gets the token to come back."""
        return Ready(
            session=self.id,
            resume_token=self.resume_token if for_speaker else "",
            proto=PROTO,
            limits={"message_bytes": limits.message_bytes, "idle_s": limits.idle_s, "backlog_s": limits.backlog_s},
            next=0,
            engine=self.engine_use(),
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
        return self._received_bytes / self._format.bytes_per_s

    def stats(self) -> Stats:
        """Return how far behind the captions are."""
        session = self.pump.session
        rtf = self.pump.compute_ms / (1000 * self.audio_s) if self.audio_s else 0.0
        return Stats(session.lag_ms, session.queue_ms, self.pump.tick_ms, rtf, self.engine_use())

    def _say_goodbye(self, ending: Ending) -> None:
        self.hub.publish(Entry(Bye(ending.reason)))
        for client in self.hub.clients:
            client.close(ending.speaker_code if client is self.speaker else ending.code, ending.reason)
