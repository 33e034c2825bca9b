"""Sessions: a `StreamSession` run against the engine, its events numbered, kept and told to all who watch."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from amanuensis.daemon.config import Config, LimitSettings
from amanuensis.daemon.connection import BAD_HELLO, Chunk
from amanuensis.daemon.hub import TRY_AGAIN, ClientQueue, Hub
from amanuensis.daemon.journal import Entry, Journal, JournalLimits
from amanuensis.daemon.metrics import Gauges, Metrics
from amanuensis.daemon.protocol import PROTO, Configure, Hello, ProtocolError
from amanuensis.daemon.pump import Pump
from amanuensis.npu.engine.api import Engine, EngineBusyError, EngineInfo
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.stream.config import StreamConfig, StreamConfigError
from amanuensis.stream.events import Ack, Bye, Commit, EngineUse, Error, Event, Gap, Ready, Stats
from amanuensis.stream.formats import AudioFormat
from amanuensis.stream.session import MAX_MARKS, StreamSession

log = logging.getLogger(__name__)

NORMAL: Final = 1000
GOING_AWAY: Final = 1001
INTERNAL: Final = 1011
IDLE: Final = 4408
ACK_S: Final = 0.1  # an ack for each so much audio, and once a second for what is left
RETRY_AFTER_S: Final = 5.0  # a session ends now and then; sooner is not worth a try
MULAW_SILENCE: Final = b"\xff"  # G.711: the code of +0


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


@dataclass(frozen=True, slots=True)
class EndedSession:
    """What is left of a session for a while."""

    id: str
    journal: Journal
    ready: Ready  # as watchers get it
    reason: str
    ended_s: float  # on the clock of `Sessions`


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
        self._acked_bytes = 0
        self._newest_chunk = -1
        self._zero = MULAW_SILENCE if fmt.encoding == "mulaw" else b"\0"

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
        ending = self.ending or END
        self._say_goodbye(ending)
        return ending

    def publish(self, event: Event) -> None:
        """Number an event if it is durable, keep what is to be kept, tell everybody."""
        self._metrics.events.labels(event.type).inc()
        if isinstance(event, Commit):
            self._metrics.words.inc(len(event.words))
        if isinstance(event, Gap):
            self._metrics.gap_s.inc((event.end_ms - event.start_ms) / 1000)
        self.hub.publish(self.journal.add(event))

    async def hear(self, chunk: Chunk) -> None:
        """Take a chunk; returns once there is room for the next one."""
        if chunk.missing_bytes:
            self._report_missing(chunk.missing_bytes)
        second = self._format.bytes_per_s  # at most so much at once: what waits stays bounded
        for start in range(0, chunk.missing_bytes, second):
            await self._hear_piece(self._zero * min(second, chunk.missing_bytes - start))
        for start in range(0, len(chunk.data), second):
            await self._hear_piece(chunk.data[start : start + second])
        self._newest_chunk = chunk.n
        if self._received_bytes - self._acked_bytes >= ACK_S * self._format.bytes_per_s:
            self.acknowledge()

    def acknowledge(self) -> None:
        """Tell the speaker which chunks are kept, if it does not know yet."""
        if self.speaker is not None and self._newest_chunk >= 0:
            self.speaker.send(Ack(self._newest_chunk))
            self._acked_bytes = self._received_bytes

    @property
    def owes_ack(self) -> bool:
        """Whether chunks were taken that the speaker was not told of."""
        return self._acked_bytes < self._received_bytes

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

    def _report_missing(self, missing_bytes: int) -> None:
        """Say what the client lost; silence is put in its place, so that media times stay true."""
        fmt = self._format
        start, stop = (n // fmt.frame_bytes for n in (self._received_bytes, self._received_bytes + missing_bytes))
        why = "not received: the client lost this audio"
        self.pump.emit(Gap(1000 * start / fmt.rate, 1000 * stop / fmt.rate, why))

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
        used = self.pump.used or self._info
        return EngineUse(used.encoder, used.decoder, self._info.model, self._info.why)

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


class Sessions:
    """All sessions of a daemon.

    Args:
        engine: shared by all.
        tokenizer: of the engine's model.
        config: defaults and limits.
        metrics: what is counted.
        clock: seconds, for how long ended sessions are kept.

    """

    def __init__(
        self,
        engine: Engine,
        tokenizer: Tokenizer,
        config: Config,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._tokenizer = tokenizer
        self._config = config
        self._metrics = metrics
        self._clock = clock
        self._live: dict[str, LiveSession] = {}
        self._ended: OrderedDict[str, EndedSession] = OrderedDict()
        self._engine_lost: str | None = None  # as the session that ended last found it
        self.closing = False

    @property
    def engine_lost(self) -> str | None:
        """Why the engine does nothing more, if a session found that out."""
        lost = (session.pump.engine_lost for session in self._live.values())
        return next((why for why in lost if why is not None), self._engine_lost)

    @property
    def is_full(self) -> bool:
        """Whether no session can be opened."""
        return self.closing or len(self._live) >= self._config.limits.sessions

    def __len__(self) -> int:
        return len(self._live)

    def open(self, hello: Hello) -> LiveSession:
        """Open a session for a speaker.

        Raises:
            ProtocolError: `full` (close 1013) or `bad_hello` (close 4400).

        """
        assert hello.audio is not None
        config = self._stream_config(hello)
        if self.is_full:
            raise self._full()
        try:
            stream = self._engine.open_stream()
        except EngineBusyError:
            raise self._full() from None
        pipeline = StreamSession(config, hello.audio, self._tokenizer, self._engine.info)
        backlog_ms = 1000 * self._config.limits.backlog_s
        pump = Pump(pipeline, self._engine, stream, backlog_ms, on_answer=self._metrics.tick_s.observe)
        journal = Journal(JournalLimits(self._config.limits.ring_events, self._config.limits.transcript_words))
        session = LiveSession(pump, hello.audio, self._engine.info, journal, self._metrics)
        self._live[session.id] = session
        session.task = asyncio.create_task(self._run(session, stream))
        self._metrics.sessions.inc()
        log.info("session %s: opened, %s", session.id, hello.audio)
        return session

    def _full(self) -> ProtocolError:
        return ProtocolError(
            "full", f"all {self._config.limits.sessions} sessions are taken; try again later", TRY_AGAIN
        )

    def _stream_config(self, hello: Hello) -> StreamConfig:
        asked = hello.options
        try:
            config = replace(
                self._config.stream,
                language=asked.lang or self._config.stream.language,
                task=asked.task or self._config.stream.task,
                prompt=asked.prompt or self._config.stream.prompt,
                hotwords=asked.hotwords or self._config.stream.hotwords,
            )
            config.check_model(self._engine.info)
        except StreamConfigError as error:
            raise ProtocolError("bad_hello", f"hello: {error}", BAD_HELLO) from None
        return config

    async def _run(self, session: LiveSession, stream: int) -> None:
        try:
            ending = await session.run()
        finally:
            self._engine.close_stream(stream)
            self._engine_lost = session.pump.engine_lost
            del self._live[session.id]
        ready = session.ready(for_speaker=False, limits=self._config.limits)
        self._ended[session.id] = EndedSession(session.id, session.journal, ready, ending.reason, self._clock())
        self._forget_old()
        told = (session.id, ending.reason, session.audio_s, session.journal.last_seq)
        log.info("session %s: ended (%s), %.1f s of audio, %d events", *told)

    def find(self, name: str) -> LiveSession | EndedSession | None:
        """Return the session of this name; `latest` is the one opened last that still goes on."""
        if name == "latest":
            return next(reversed(self._live.values()), None)
        return self._live.get(name) or self._ended.get(name)

    def tick(self) -> None:
        """Once a second: tell the stats, forget what has lingered long enough."""
        for session in self._live.values():
            session.hub.publish(Entry(session.stats()))
            if session.owes_ack:
                session.acknowledge()
        self._forget_old()

    def _forget_old(self) -> None:
        limits = self._config.limits
        while self._ended:
            oldest = next(iter(self._ended.values()))
            if len(self._ended) <= limits.ended_sessions and self._clock() - oldest.ended_s <= limits.linger_s:
                return
            del self._ended[oldest.id]

    def gauges(self) -> Gauges:
        """Return what stands now."""
        pipelines = [session.pump.session for session in self._live.values()]
        return Gauges(
            sessions=len(self._live),
            ended_sessions=len(self._ended),
            clients=sum(len(session.hub.clients) for session in self._live.values()),
            lag_ms=max((pipeline.lag_ms for pipeline in pipelines), default=0.0),
            backlog_ms=sum(pipeline.queue_ms for pipeline in pipelines),
        )

    async def close(self, grace_s: float) -> None:
        """End all sessions; those that are not final after `grace_s` are cut off."""
        self.closing = True
        tasks = [session.task for session in self._live.values() if session.task is not None]
        for session in list(self._live.values()):
            session.finish(SHUTDOWN)
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=grace_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
