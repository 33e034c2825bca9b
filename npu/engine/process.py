"""The engine as a supervised process: jobs are answered whatever happens to the process that does them."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from amanuensis.npu.engine.api import (
    Device,
    EngineBusyError,
    EngineConfig,
    EngineError,
    EngineInfo,
    EngineLostError,
    EngineStats,
)
from amanuensis.npu.engine.child import Child
from amanuensis.npu.engine.desk import Desk, Ticket
from amanuensis.npu.engine.embeds import Embeds
from amanuensis.npu.engine.frames import Message, info_of, start_message
from amanuensis.npu.engine.recovery import Recovery
from amanuensis.npu.engine.supervision import Supervision
from amanuensis.npu.log_mel import MAX_WINDOW_FRAMES
from amanuensis.npu.voice_vector import VoiceVector
from amanuensis.npu.window import WindowJob, WindowResult

log = logging.getLogger(__name__)
WORK: Final = {
    "load": "loading the model",
    "care": "the care for the device",
    "job": "one window",
    "voice": "the vector of a voice",
    "": "nothing",
}


async def start_engine(config: EngineConfig, supervision: Supervision | None = None) -> SupervisedEngine:
    """Start an engine process and wait until it has loaded the model.

    Raises:
        EngineError: the device has no back end, or the model cannot be loaded, in the words of the process.

    """
    engine = SupervisedEngine(config, supervision or Supervision())
    try:
        await engine.start()
    except BaseException:
        await engine.aclose()
        raise
    return engine


class SupervisedEngine:
    """`Engine` (see `api`) over a child process that is watched, replaced when it dies, and given its jobs again.

    A process that dies is replaced for ever, after waits that grow; meanwhile jobs wait. A device that goes on killing
    its process is replaced by the CPU, and tried again in a second process beside that one.
    """

    def __init__(self, config: EngineConfig, supervision: Supervision) -> None:
        self._config = config
        self._supervision = supervision
        self._info: EngineInfo | None = None  # of the first process
        self._desk = Desk(supervision)
        self._embeds = Embeds(self._desk.tally)
        self._recovery = Recovery(supervision, "cpu")
        self._streams: set[int] = set()
        self._numbers = itertools.count(1)
        self._supervisor: asyncio.Task[None] | None = None
        self._gone: EngineError | None = None  # for every job from now on
        self._restarts = 0
        self._started_s = self._served_since_s = self._progress_s = time.monotonic()
        self._down_since_s: float | None = None
        self._down_why = ""

    @property
    def info(self) -> EngineInfo:
        if self._info is None:
            raise EngineError("the engine has not been started")
        if why := self._recovery.why:
            voices_why = why if self._info.voices else self._info.voices_why
            return replace(self._info, encoder="cpu", decoder="cpu", why=why, voices="", voices_why=voices_why)
        if self._embeds.off:
            return replace(self._info, voices="", voices_why=self._embeds.off)
        return self._info

    @property
    def pid(self) -> int | None:
        """Process number of the engine that serves, None while there is none."""
        return self._desk.child.pid if self._desk.child else None

    def stats(self) -> EngineStats:
        tally, now_s = self._desk.tally, time.monotonic()
        return EngineStats(
            encodes=dict(tally.encodes),
            decodes=dict(tally.decodes),
            restarts=self._restarts,
            superseded=self._desk.superseded,
            queued=len(self._desk.schedule),
            busy_s=tally.busy_ms / 1000,
            lost=str(self._gone) if isinstance(self._gone, EngineLostError) else "",
            work=dict(tally.work),
            device_share=tally.device_us / 1e6 / max(now_s - self._started_s, 1e-3),
            fallbacks=dict(tally.fallbacks),
            fallback=self._recovery.why or tally.fallback,
            on_host=tally.on_host,
            down_s=0.0 if self._down_since_s is None else now_s - self._down_since_s,
            down_why=self._down_why,
            progress_age_s=now_s - self._progress_s,
            poisoned=self._desk.poisoned,
            embeddings=dict(tally.embeddings),
        )

    def open_stream(self) -> int:
        if len(self._streams) >= self._config.max_streams:
            raise EngineBusyError(f"all {self._config.max_streams} streams of the engine are in use; try again later")
        stream = next(self._numbers)
        self._streams.add(stream)
        self._tell_streams()
        return stream

    def close_stream(self, stream: int) -> None:
        self._streams.discard(stream)
        self._tell_streams()
        self._desk.close_stream(stream)

    def wake(self) -> None:
        self._tell({"type": "wake"})

    async def decode(self, stream: int, job: WindowJob, deadline_s: float, crashes: int = 0) -> WindowResult:
        """Decode one window; see `api.Engine.decode`.

        Args:
            stream: as there.
            job: as there.
            deadline_s: as there.
            crashes: of other engines at this window; they count with those of this one.

        """
        self._check(stream, job)
        answer = asyncio.get_running_loop().create_future()
        ticket = Ticket(next(self._numbers), stream, job, deadline_s, answer, crashes=crashes, alone=crashes > 0)
        return await self._desk.decode(ticket)

    def crashes(self) -> dict[int, int]:
        """Return how often engines died at windows that are not answered, by stream; without those that harmed none."""
        return {ticket.stream: ticket.crashes for ticket in self._desk.schedule.tickets() if ticket.crashes}

    async def embed(self, features: NDArray[np.float32]) -> VoiceVector:
        return await self._embeds.ask(self._desk.child, next(self._numbers), features)

    async def start(self) -> None:
        """Start the first process; called by `start_engine`."""
        loaded = asyncio.get_running_loop().create_future()
        self._supervisor = asyncio.create_task(self._supervise(loaded))
        self._supervisor.add_done_callback(self._supervisor_ended)
        await asyncio.wait([loaded, self._supervisor], return_when=asyncio.FIRST_COMPLETED)
        if self._gone:
            raise self._gone
        await loaded

    async def aclose(self) -> None:
        """End the process; jobs that are not answered fail. May be called again."""
        self._give_up(EngineError("the engine was closed"))
        if self._supervisor:
            self._supervisor.cancel()
            await asyncio.wait([self._supervisor])
        self._desk.slots.close()

    def _check(self, stream: int, job: WindowJob) -> None:
        if self._gone:
            raise self._gone
        if stream not in self._streams:
            raise EngineError(f"stream {stream} is not open")
        features, n_mels = job.features, self.info.n_mels
        right = features.dtype == np.float32 and features.ndim == 2 and features.shape[0] == n_mels
        if not (right and 1 <= features.shape[1] <= MAX_WINDOW_FRAMES):
            allowed = f"float32 [{n_mels}, 1 to {MAX_WINDOW_FRAMES}]"
            raise EngineError(f"features are {features.dtype} {list(features.shape)}; the model takes {allowed}")

    # -- the life of processes

    async def _supervise(self, loaded: asyncio.Future[None]) -> None:
        """Run one process after the other, for ever unless there is a limit."""
        while True:
            try:
                why = await self._run_child(loaded)
            except Exception as error:  # a fault of ours must not leave the daemon without an engine either
                log.exception("the supervision of the engine failed")
                why = f"its supervision failed ({error!r})"
            if not loaded.done():
                loaded.set_exception(EngineError(why))
                return
            self._after_crash(why)
            if self._gone:
                return
            await self._rest(self._recovery.wait_s())
            self._restarts += 1

    async def _run_child(self, loaded: asyncio.Future[None]) -> str:
        """Run a process, and a device that takes over from it, to the end; return why it ended."""
        try:
            async with self._process(on_cpu=self._choose_cpu()) as child:
                if why := await self._load(child):
                    return why if child.failure or loaded.done() else f"the engine process died while it started: {why}"
                if not loaded.done():
                    self._first_loaded(child)
                    loaded.set_result(None)
                self._begin(child)
                return await self._serve(child)
        except OSError as error:
            return f"the system starts no process ({error.strerror})"

    def _choose_cpu(self) -> bool:
        """Return whether the next process is for the CPU; where that died itself, the device may be worth a try."""
        recovery = self._recovery
        if recovery.on_cpu and recovery.crashes_in_a_row > 1 and recovery.retry_in_s(time.monotonic()) == 0.0:
            recovery.came_back()
        return recovery.on_cpu

    @asynccontextmanager
    async def _process(self, *, on_cpu: bool) -> AsyncIterator[Child]:
        """Start a process and leave none behind; OSError when the system refuses."""
        child = await Child.spawn(self._desk.slots, self._supervision)
        watch = asyncio.create_task(child.watch(self._made_progress))
        try:
            child.send(start_message(self._config_now(on_cpu=on_cpu), self._supervision.nice))
            yield child
        finally:
            watch.cancel()
            child.kill("closed")
            await child.gone()

    def _config_now(self, *, on_cpu: bool) -> EngineConfig:
        """Return what to start: after a crash the same devices again, whether they can be opened at once or not."""
        if self._info is None:
            return self._config
        if on_cpu:
            return replace(self._config, device="cpu", encoder="cpu", decoder="cpu", resuming=True)
        encoder, decoder = cast(Device, self._info.encoder), cast(Device, self._info.decoder)
        return replace(self._config, encoder=encoder, decoder=decoder, resuming=True)

    async def _load(self, child: Child) -> str:
        """Wait until a process has loaded the model; return why it has not."""
        while not child.ready:
            message = await child.receive()
            if message is None:
                return await child.gone()
            self._take(child, message)
        return ""

    def _first_loaded(self, child: Child) -> None:
        self._info = info = child.info
        assert info is not None
        self._recovery = Recovery(self._supervision, info.encoder if info.encoder != "cpu" else info.decoder)

    async def _serve(self, child: Child) -> str:
        """Have a process do the jobs until it is gone; when a device took its place, until that one is gone."""
        following = asyncio.create_task(self._follow(child))
        tasks = [following]
        if self._recovery.on_cpu:
            tasks.append(asyncio.create_task(self._bring_device_back(child)))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return await (following if self._desk.child is child else tasks[-1])
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _bring_device_back(self, stand_in: Child) -> str:
        """Try the device beside the process that stands in for it; once it is ready have it serve until it is gone."""
        while True:
            await asyncio.sleep(self._recovery.retry_in_s(time.monotonic()))
            try:
                async with self._process(on_cpu=False) as child:
                    why = await self._load(child)
                    if not why:
                        await self._desk.drain()
                        self._recovery.came_back()
                        log.warning("the device takes windows again")
                        self._begin(child)
                        stand_in.kill("the device took its place")
                        return await self._serve(child)
            except OSError as error:
                why = f"the system starts no process ({error.strerror})"
            log.warning("the device does not come back: %s", why)
            self._recovery.retry_failed(why, time.monotonic())

    def _begin(self, child: Child) -> None:
        assert child.info is not None
        self._served_since_s = time.monotonic()
        self._down_since_s, self._down_why = None, ""
        self._desk.serve(child, child.info.batch, self._recovery.why)
        self._tell_streams()
        self._desk.send()

    async def _follow(self, child: Child) -> str:
        """Take what a process says until it is gone; return why it is."""
        while (message := await child.receive()) is not None:
            self._take(child, message)
        return await child.gone()

    async def _rest(self, wait_s: float) -> None:
        """Wait before the next process, in steps that show that supervision goes on."""
        end_s = time.monotonic() + wait_s
        await asyncio.sleep(0)  # without a wait, and where starting fails at once, others have their turn all the same
        while (left_s := end_s - time.monotonic()) > 0:
            await asyncio.sleep(min(left_s, self._supervision.beat_s))
            self._made_progress()

    def _made_progress(self) -> None:
        self._progress_s = time.monotonic()

    def _after_crash(self, why: str) -> None:
        now_s, recovery = time.monotonic(), self._recovery
        served_s = now_s - self._served_since_s if self._desk.child else 0.0
        if self._down_since_s is None:
            self._down_since_s = now_s
        self._down_why = why
        fell_back = recovery.on_cpu
        self._embeds.crashed(why)
        spared = self._desk.crashed(why, spare=recovery.can_fall_back)
        recovery.crashed(why, now_s, served_s=served_s, at_window=spared)
        if recovery.on_cpu and not fell_back:
            log.error("the engine goes on on the CPU: %s", recovery.why)
        limit = self._supervision.restarts
        if limit is not None and recovery.crashes_in_a_row > limit:
            message = f"the engine died {recovery.crashes_in_a_row} times in a row; last: {why}"
            log.error(message)
            self._give_up(EngineLostError(message))
        else:
            told = (why, recovery.wait_s(), len(self._desk.schedule))
            log.warning("engine process died (%s): starting another after %.1f s, %d jobs wait", *told)

    def _supervisor_ended(self, supervisor: asyncio.Task[None]) -> None:
        """Leave nobody waiting when supervision itself fails."""
        if not supervisor.cancelled() and (error := supervisor.exception()):
            self._give_up(EngineLostError(f"the engine's supervision failed ({error!r})"))

    def _give_up(self, error: EngineError) -> None:
        self._gone = self._gone or error
        self._desk.clear(self._gone)
        self._embeds.off = self._embeds.off or str(self._gone)
        self._embeds.clear(str(self._gone))

    # -- messages

    def _take(self, child: Child, message: Message) -> None:
        """Take what a process says; one that says what makes no sense is killed."""
        child.silent_beats = 0
        try:
            match message["type"]:
                case "beat":
                    self._check_beat(child, message["doing"], message["running_s"])
                case "ready":
                    child.info = info_of(message)
                case "failed":
                    child.failure = str(message["message"])
                case "embedding" | "embedded" | "not_embedded" if child is self._desk.child:
                    self._embeds.take(message)
                case kind if child is self._desk.child:
                    self._desk.take(message)
                    if kind in {"result", "error"}:
                        self._recovery.answered()
                case kind:
                    raise ValueError(f"message of type {kind!r} before it serves")
        except (KeyError, TypeError, ValueError) as error:
            child.kill(f"it sent a message that makes no sense ({error!r})")

    def _check_beat(self, child: Child, doing: str, running_s: float) -> None:
        """Kill a process that beats and does not come on."""
        rules, serving = self._supervision, child is self._desk.child
        work, limit_s = WORK[doing], self._limit_s(doing)
        waits = serving and not doing and (self._embeds.waiting or not self._desk.schedule.nothing_sent)
        child.idle_beats = child.idle_beats + 1 if waits else 0
        if running_s > limit_s:
            child.kill(f"{work} took more than {limit_s:.0f} s")
        elif child.idle_beats > rules.silent_beats:
            child.kill(f"it did not begin with its windows in {rules.silent_beats * rules.beat_s:.0f} s")
        elif serving or self._desk.child is None:
            self._made_progress()

    def _limit_s(self, doing: str) -> float:
        """Return how long a process may do something before it is held to hang."""
        if doing == "job":
            return self._desk.limit_s()
        return self._supervision.least_job_limit_s if doing == "voice" else self._supervision.loading_limit_s

    def _tell_streams(self) -> None:
        self._tell({"type": "streams", "open": len(self._streams)})

    def _tell(self, message: Message) -> None:
        """Tell the process something that it may forget when it dies."""
        if self._desk.child is not None:
            self._desk.child.send(message)
