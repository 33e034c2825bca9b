"""All sessions of a daemon: opened within limits, found by name, kept for a while when they have ended."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

from amanuensis.daemon.admission import Admission, AdmissionLimits, Full
from amanuensis.daemon.config import Config
from amanuensis.daemon.connection import BAD_HELLO, NO_SESSION, NOT_ALLOWED
from amanuensis.daemon.cursor import Cursor
from amanuensis.daemon.ended_session import EndedSession
from amanuensis.daemon.fronts.elsewhere import Elsewhere, Nowhere
from amanuensis.daemon.hub import TRY_AGAIN, ClientQueue
from amanuensis.daemon.journal import Entry, Journal, JournalLimits
from amanuensis.daemon.keeper import Keeper
from amanuensis.daemon.live_session import FAULT, SHUTDOWN, SPEAKER_LEFT, Detached, Ending, Identity, LiveSession
from amanuensis.daemon.meetings.label import MeetingLabel
from amanuensis.daemon.metrics import Gauges, Metrics
from amanuensis.daemon.poison import PoisonKeeper
from amanuensis.daemon.protocol import Hello, Options, ProtocolError
from amanuensis.daemon.pump import Pump
from amanuensis.daemon.recovery import lose_downtime, play_again, restored_cursor, revive
from amanuensis.daemon.session_config import session_config
from amanuensis.daemon.session_watch import BeginWatcher, nobody_watches
from amanuensis.daemon.spool.clock import Stamp
from amanuensis.daemon.spool.header import SessionHeader, Source
from amanuensis.daemon.spool.log_file import SpoolError
from amanuensis.daemon.spool.recovered import RecoveredSession
from amanuensis.daemon.spool.spool_folder import SpoolFolder
from amanuensis.daemon.voice_desk import VoiceDesk
from amanuensis.npu.engine.api import Engine, EngineBusyError, EngineInfo
from amanuensis.stream.config import StreamConfig
from amanuensis.stream.session import StreamSession
from amanuensis.stream.speakers import SpeakerRules
from amanuensis.stream.words import WordTokenizer

log = logging.getLogger(__name__)

ENGINE_FULL: Final = "all streams of the engine are taken"


class FullError(ProtocolError):
    """There is no room for another speaker.

    Attributes:
        retry_after_s: when there may be.

    """

    def __init__(self, full: Full) -> None:
        super().__init__("full", f"{full.why}; try again in {full.retry_after_s:.0f} s", TRY_AGAIN)
        self.retry_after_s = full.retry_after_s


class Sessions:
    """All sessions of a daemon.

    Args:
        engine: shared by all.
        tokenizer: of the engine's model.
        config: defaults and limits.
        metrics: what is counted.
        poison: keeps windows that killed the engine; None: they are not kept.
        voices: tells speakers apart; None: nobody does.
        clock: seconds, for how long ended sessions are kept, and others wait for their speaker.
        wall_clock: seconds since the epoch, for what clients are told.

    Attributes:
        elsewhere: knows the sessions of other daemons that share them with this one.
        on_begin: told of every session that is opened, or taken up again.
        on_over: told the name of every one that is over.

    """

    def __init__(
        self,
        engine: Engine,
        tokenizer: WordTokenizer,
        config: Config,
        metrics: Metrics,
        *,
        keeper: Keeper | None = None,
        poison: PoisonKeeper | None = None,
        voices: VoiceDesk | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._engine = engine
        self._keeper = keeper or Keeper()
        self._poison = poison
        self._voices = voices
        self._tokenizer = tokenizer
        self._config = config
        self._metrics = metrics
        self._clock = clock
        self._wall_clock = wall_clock
        self._live: dict[str, LiveSession] = {}
        self._ended: dict[str, EndedSession] = {}
        self._began_s = clock()
        self._admission = Admission(_admission_limits(config))
        self._input: tuple[LiveSession, Stamp] | None = None  # of the daemon's own input, taken up again; when it heard
        self.closing = False
        self.elsewhere: Elsewhere = Nowhere()
        self.on_begin: BeginWatcher = nobody_watches
        self.on_over: Callable[[str], None] = lambda _: None

    def refusal(self, client: str | None = None, coming: int = 0) -> Full | None:
        """Return why no session can be opened, and when to try again; None: one can.

        Args:
            client: for whom; None where clients are not told apart.
            coming: speakers that have not said hello yet.

        """
        if self.closing:
            return Full("the daemon stops", self._config.limits.shutdown_s)
        if self.elsewhere.trouble:
            return Full(self.elsewhere.trouble, self._config.limits.shutdown_s)
        frees_s = [session.detached.until_s for session in self._live.values() if session.detached is not None]
        return self._admission.refusal(self._clock(), client, coming=coming, frees_s=frees_s)

    def __len__(self) -> int:
        return len(self._live)

    @property
    def records(self) -> bool:
        """Whether sessions that ask for it are recorded."""
        return self._keeper.records

    def open(self, hello: Hello, source: Source = "client", client: str | None = None) -> LiveSession:
        """Open a session for a speaker, who may be a client that is told apart, or for an input of the daemon's own.

        Raises:
            ProtocolError: `full` (close 1013) or `bad_hello` (close 4400).

        """
        assert hello.audio is not None
        config = self._stream_config(hello.options, hello.meeting)
        recorded = self._keeper.is_recorded(hello)
        if (full := self.refusal(client)) is not None:
            raise FullError(full)
        try:
            stream = self._engine.open_stream()
        except EngineBusyError as error:
            why = ENGINE_FULL if self._config.engine.backend == "local" else str(error)
            raise FullError(Full(why, self._admission.retry_after_s(self._clock()))) from None
        info = self._engine.info
        pipeline = StreamSession(config, hello.audio, self._tokenizer, info, voices=self._voice_rules(config))
        pump = self._pump(pipeline, stream)
        identity, journal = Identity(), Journal(self.journal_limits)
        header = SessionHeader(
            id=identity.id,
            resume_token=identity.resume_token,
            audio=hello.audio,
            options=hello.options,
            model=info.model,
            source=source,
            recorded=recorded,
            opened=self._keeper.clock(),
            meeting=hello.meeting,
        )
        store = self._keeper.keep(header, journal, pump.tell)
        session = LiveSession(pump, Cursor(hello.audio), info, journal, self._metrics, identity=identity, store=store)
        self._begin(session, stream, client)
        self._metrics.sessions.inc()
        self.on_begin(header)
        log.info("session %s: opened, %s", session.id, hello.audio)
        return session

    def recover(self) -> None:
        """Take up the sessions that another process has left; each waits for its speaker as if it had just gone."""
        for folder in self._keeper.folders:
            for found in folder.recover(self.journal_limits):
                try:
                    self.take_up(folder, found)
                except (SpoolError, EngineBusyError) as error:
                    log.error("session %s: left in %s: %s", found.header.id, found.folder, error)
                except Exception:  # one session must not keep the daemon from starting
                    log.exception("session %s: cannot be taken up again", found.header.id)
                    folder.set_aside(found.folder)
                    if (begun := self._live.get(found.header.id)) is not None:
                        begun.finish(FAULT)

    def take_up(self, folder: SpoolFolder, found: RecoveredSession, *, is_own: bool = True) -> None:
        """Go on with a session that was found; one whose sound is another daemon's input only waits for its end.

        Raises:
            SpoolError: its logs cannot be opened.
            EngineBusyError: there is no room for it.

        """
        header, info = found.header, self._engine.info
        config = self._stream_config_again(header)
        revival = revive(found, config, self._tokenizer, info, self._voice_rules(config))
        stream = self._engine.open_stream()
        pump = self._pump(revival.stream, stream)
        try:
            store = self._keeper.take_up(folder, found, pump.tell)
        except SpoolError:
            self._engine.close_stream(stream)
            raise
        identity = Identity(header.id, header.resume_token)
        cursor, journal = restored_cursor(found), found.journal
        session = LiveSession(pump, cursor, info, journal, self._metrics, identity=identity, store=store)
        self._begin(session, stream)
        if not found.ended:
            self.on_begin(header, again=True)
        session.publish(revival.events)
        if revival.ending is not None:
            session.over_for_s = self._keeper.clock().since(found.last_seen)
            session.finish(revival.ending)
            return
        self._metrics.recovered.inc()
        play_again(session, found)
        if session.ending is None:
            session.detached = Detached(self._clock() + self._config.limits.resume_s, SPEAKER_LEFT)
        if header.source == "input" and is_own:
            self._input = (session, found.last_seen)
        log.warning("session %s: taken up again%s", session.id, "".join(f"; {repair}" for repair in found.repairs))

    def _stream_config_again(self, header: SessionHeader) -> StreamConfig:
        """Return the settings that a session was opened with, as far as the model of today can do them."""
        try:
            return self._stream_config(header.options, header.meeting)
        except ProtocolError as error:
            log.warning("session %s: goes on with the settings of the daemon: %s", header.id, error)
            return self._config.stream

    def take_input(self) -> LiveSession | None:
        """Return the session of the daemon's own input that was taken up again, once; nobody listened since it was."""
        waiting, self._input = self._input, None
        if waiting is None or waiting[0].ending is not None:
            return None
        session, last_seen = waiting
        session.detached = None
        lose_downtime(session, self._keeper.clock().since(last_seen))
        return session

    @property
    def journal_limits(self) -> JournalLimits:
        """How much of a session is remembered."""
        return JournalLimits(self._config.limits.ring_events, self._config.limits.transcript_words)

    def _pump(self, pipeline: StreamSession, stream: int) -> Pump:
        backlog_ms = 1000 * self._config.limits.backlog_s
        on_answer = self._metrics.tick_s.observe
        return Pump(pipeline, self._engine, stream, backlog_ms, on_answer=on_answer, voices=self._voices)

    def _voice_rules(self, config: StreamConfig) -> SpeakerRules | None:
        return self._voices.rules(config, live=True) if self._voices else None

    def _begin(self, session: LiveSession, stream: int, client: str | None = None) -> None:
        self._live[session.id] = session
        self._admission.opened(session.id, client, self._clock(), session.audio_s)
        session.task = asyncio.create_task(self._run(session, stream))

    def resume(self, hello: Hello) -> LiveSession | EndedSession:
        """Return the session that a speaker comes back to.

        Raises:
            ProtocolError: `no_such_session` (close 4404), `wrong_resume_token` (4401) or `bad_hello` (4400);
                `full` (1013) while the daemon stops.

        """
        session = self._live.get(hello.session or "") or self._ended.get(hello.session or "")
        if session is None:
            raise self.unknown(hello.session or "", "it never was, or ended too long ago; begin a new one")
        if not session.identity.is_token(hello.resume_token or ""):
            raise ProtocolError("wrong_resume_token", f"this is not the resume_token of {hello.session!r}", NOT_ALLOWED)
        if isinstance(session, LiveSession) and session.cursor.format != hello.audio:
            message = f"hello.audio is not what session {session.id} began with: {session.cursor.format}"
            raise ProtocolError("bad_hello", message, BAD_HELLO)
        return session

    def unknown(self, name: str, why: str) -> ProtocolError:
        """Return what to answer about a session that is not here; when this daemon stops, the next one may have it."""
        full = self.refusal() if self.closing else None
        return FullError(full) if full else ProtocolError("no_such_session", f"no session {name!r}: {why}", NO_SESSION)

    def leave(self, session: LiveSession, speaker: ClientQueue, ending: Ending) -> None:
        """Take note that a speaker's connection is over; the session waits for it to come back, else it ends so."""
        if session.speaker is speaker and session.ending is None:
            wait_s = self._config.limits.resume_s
            session.detach(speaker, self._clock() + wait_s, ending)
            log.info("session %s: its speaker is gone; waiting %g s for it", session.id, wait_s)
            self._expire(session)

    def _expire(self, session: LiveSession) -> None:
        if session.detached is not None and session.detached.until_s <= self._clock():
            session.finish(session.detached.ending)

    def check(self, asked: Options) -> None:
        """Raise ProtocolError where the model cannot do what is asked for."""
        self._stream_config(asked)

    def _stream_config(self, asked: Options, meeting: MeetingLabel | None = None) -> StreamConfig:
        return session_config(self._config.stream, asked, self._engine.info, meeting)

    async def _run(self, session: LiveSession, stream: int) -> None:
        if self._poison is not None:
            session.pump.on_poison = partial(self._poison.keep, session.id)
        try:
            ending = await session.run()
        finally:
            self._engine.close_stream(stream)
            del self._live[session.id]
            self._admission.closed(session.id, self._clock())
        limits = self._config.limits
        self._ended[session.id] = EndedSession(
            session.identity,
            session.journal,
            session.ready(for_speaker=False, limits=limits),
            session.ready(for_speaker=True, limits=limits, resumed=True),
            ending.reason,
            self._clock() - session.over_for_s,
            session.ledger(),
            session.store,
        )
        self.on_over(session.id)
        self._forget_old()
        seconds, events = session.audio_s, session.journal.last_seq
        log.info("session %s: ended (%s), %.1f s of audio, %d events", session.id, ending.reason, seconds, events)

    def drop_ended(self, name: str) -> None:
        """Let go of a session that is over: another daemon has it."""
        self._ended.pop(name, None)

    def find(self, name: str) -> LiveSession | EndedSession | None:
        """Return the session of this name; `latest` is the one opened last that still goes on."""
        if name == "latest":
            return next(reversed(self._live.values()), None)
        return self._live.get(name) or self._ended.get(name)

    def is_live(self, name: str) -> bool:
        """Whether a session goes on."""
        return name in self._live

    def tick(self) -> None:
        """Once a second: tell the stats, end those whose speaker stays away, forget what has lingered long enough."""
        for session in list(self._live.values()):
            self._expire(session)
            session.hub.publish(Entry(session.stats()))
            session.count_fates()
            self._admission.sample(session.id, self._clock(), session.audio_s, session.pump.compute_ms / 1000)
            if session.owes_ack:
                session.acknowledge()
            if session.store.wants_step and not session.pump.has_untold:
                session.store.append_step((), session.pump.session)
        self._forget_old()

    async def sync(self) -> None:
        """Twice a second: have recordings on the disk, and acknowledge what is."""
        for session in list(self._live.values()):
            await session.store.sync()
            if session.owes_ack:
                session.acknowledge()
        for ended in list(self._ended.values()):
            await ended.store.sync()

    def _forget_old(self) -> None:
        limits = self._config.limits
        while self._ended:
            oldest = min(self._ended.values(), key=lambda ended: ended.ended_s)
            lingered_s = self._clock() - max(oldest.ended_s, self._began_s)  # while no daemon ran, nobody could ask
            if len(self._ended) <= limits.ended_sessions and lingered_s <= limits.linger_s:
                return
            del self._ended[oldest.identity.id]
            oldest.store.forget()

    @property
    def engine_info(self) -> EngineInfo:
        """What the engine runs."""
        return self._engine.info

    @property
    def live(self) -> list[LiveSession]:
        """Those that go on, in the order in which they were opened."""
        return list(self._live.values())

    @property
    def ended(self) -> list[EndedSession]:
        """Those that are over and can still be read."""
        return list(self._ended.values())

    def gauges(self) -> Gauges:
        """Return what stands now."""
        pipelines = [session.pump.session for session in self._live.values()]
        clients = [client for session in self._live.values() for client in session.hub.clients]
        folders = {"spool": self._keeper.spool, "recordings": self._keeper.recordings}
        return Gauges(
            sessions=len(self._live),
            ended_sessions=len(self._ended),
            clients=len(clients),
            lag_ms=max((pipeline.lag_ms for pipeline in pipelines), default=0.0),
            backlog_ms=sum(pipeline.queue_ms for pipeline in pipelines),
            detached=sum(session.detached is not None for session in self._live.values()),
            client_queue=max(map(len, clients), default=0),
            unsettled_s=sum(session.unsettled_s for session in self._live.values()),
            load=self._admission.load(self._clock()),
            kept_bytes={name: folder.budget.used for name, folder in folders.items() if folder is not None},
        )

    def reconfigure(self, config: Config) -> None:
        """Open sessions with other settings from now on; those that are open keep theirs."""
        self._config = config
        self._admission.limits = _admission_limits(config)

    async def close(self, grace_s: float) -> None:
        """Stop: sessions that can go on in another process are handed over, the others become final.

        Args:
            grace_s: for what was heard to be decoded; what is not final then is cut off.

        """
        self.closing = True
        sessions = list(self._live.values())
        until = self._wall_clock() + self._config.limits.resume_s
        going_on = [session for session in sessions if _goes_on(session)]
        ending = [session for session in sessions if session not in going_on]
        handed_over = [
            asyncio.create_task(session.suspend(replace(SHUTDOWN, resume_until=until))) for session in going_on
        ]
        for session in ending:
            session.finish(SHUTDOWN)
        waiting = [*handed_over, *(session.task for session in ending if session.task is not None)]
        if waiting:
            await asyncio.wait(waiting, timeout=grace_s)
        rest = [task for task in (*handed_over, *(session.task for session in sessions)) if task and not task.done()]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        for ended in self._ended.values():
            ended.store.suspend()


def _goes_on(session: LiveSession) -> bool:
    """Whether another process may take a session up: its speaker would find it there."""
    return session.store.survives and session.can_resume and session.ending is None


def _admission_limits(config: Config) -> AdmissionLimits:
    limits = config.limits
    max_load = limits.max_load if config.engine.backend == "local" else 0.0  # a cluster counts its own capacity
    return AdmissionLimits(limits.sessions, limits.sessions_each, max_load)
