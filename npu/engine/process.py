"""The engine as a supervised process: jobs are answered whatever happens to the process that does them."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections import Counter
from dataclasses import replace
from typing import cast

import numpy as np

from amanuensis.npu.engine.api import (
    Device,
    EngineBusyError,
    EngineConfig,
    EngineError,
    EngineInfo,
    EngineLostError,
    EngineStats,
    SupersededError,
)
from amanuensis.npu.engine.child import Child, Supervision
from amanuensis.npu.engine.frames import Message, encode_frame, info_of, job_message, result_of, start_message
from amanuensis.npu.engine.schedule import Schedule
from amanuensis.npu.engine.schedule import Ticket as ScheduleTicket
from amanuensis.npu.engine.slots import FeatureSlots
from amanuensis.npu.log_mel import MAX_WINDOW_FRAMES
from amanuensis.npu.window import NO_WORK, DeviceWork, WindowJob, WindowResult

Answer = asyncio.Future[WindowResult]
Ticket = ScheduleTicket[Answer]
log = logging.getLogger(__name__)
MAX_BATCH = 4  # windows that an engine is given to decode at once, beside those that wait


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
    """`Engine` (see `api`) over a child process that is watched, replaced when it dies, and given its jobs again."""

    def __init__(self, config: EngineConfig, supervision: Supervision) -> None:
        self._config = config
        self._supervision = supervision
        self._info: EngineInfo | None = None
        self._schedule = Schedule[Answer](supervision.depth, supervision.job_crashes)
        self._slots = FeatureSlots(supervision.depth + MAX_BATCH - 1)
        self._streams: set[int] = set()
        self._numbers = itertools.count(1)
        self._child: Child | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._failure = ""  # in the words of the process that could not start
        self._crashes_in_a_row = 0
        self._gone: EngineError | None = None  # for every job from now on
        self._encodes: Counter[str] = Counter()
        self._decodes: Counter[str] = Counter()
        self._restarts = 0
        self._superseded = 0
        self._busy_ms = 0.0
        self._started_s = time.monotonic()
        self._work: dict[str, DeviceWork] = {}
        self._fallbacks: Counter[str] = Counter()
        self._fallback = self._on_host = ""  # of the newest answer

    @property
    def info(self) -> EngineInfo:
        if self._info is None:
            raise EngineError("the engine has not been started")
        return self._info

    @property
    def pid(self) -> int | None:
        """Process number of the engine, None while there is none."""
        return self._child.pid if self._child else None

    def stats(self) -> EngineStats:
        return EngineStats(
            encodes=dict(self._encodes),
            decodes=dict(self._decodes),
            restarts=self._restarts,
            superseded=self._superseded,
            queued=len(self._schedule),
            busy_s=self._busy_ms / 1000,
            lost=str(self._gone) if isinstance(self._gone, EngineLostError) else "",
            work=dict(self._work),
            device_share=sum(work.device_us for work in self._work.values()) / 1e6 / self._uptime_s(),
            fallbacks=dict(self._fallbacks),
            fallback=self._fallback,
            on_host=self._on_host,
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
        for ticket in [ticket for ticket in self._schedule.tickets() if ticket.stream == stream]:
            self._schedule.discard(ticket)
            self._refuse(ticket, SupersededError("the stream was closed"))
        self._tell_streams()
        self._send_calls()

    def wake(self) -> None:
        self._tell({"type": "wake"})

    async def decode(self, stream: int, job: WindowJob, deadline_s: float) -> WindowResult:
        self._check(stream, job)
        answer: Answer = asyncio.get_running_loop().create_future()
        ticket = Ticket(next(self._numbers), stream, job, deadline_s, answer)
        encode_frame(job_message(ticket.id, 0, job))  # too long a message is the caller's fault, so it is told now
        if replaced := self._schedule.add(ticket):
            self._supersede(replaced)
        self._send_calls()
        try:
            return await answer
        finally:
            if answer.cancelled():
                self._schedule.discard(ticket)
                self._send_calls()

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
        if self._child:
            self._child.kill("closed")
        if self._supervisor:
            self._supervisor.cancel()
            await asyncio.wait([self._supervisor])
        self._slots.close()

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
        """Run one process after the other until there have been too many crashes in a row."""
        while True:
            why = await self._run_child(loaded)
            if not loaded.done():
                loaded.set_exception(EngineError(self._failure or f"the engine process died while it started: {why}"))
                return
            self._after_crash(self._failure or why)
            if self._gone:
                return
            wait_s = self._supervision.backoff_s * (2 ** (self._crashes_in_a_row - 1) - 1)
            await asyncio.sleep(min(wait_s, self._supervision.max_backoff_s))
            self._restarts += 1

    async def _run_child(self, loaded: asyncio.Future[None]) -> str:
        """Run a process to its end and return why it ended."""
        self._failure = ""
        try:
            child = await Child.spawn(self._slots, self._supervision)
        except OSError as error:
            return f"the system starts no process ({error.strerror})"
        watch = asyncio.create_task(child.watch(self._supervision))
        try:
            self._child = child
            child.send(start_message(self._config_now(), self._supervision.nice))
            async for message in child.messages():
                self._take_safely(child, message)
                if child.ready and not loaded.done():
                    loaded.set_result(None)
            return await child.gone()
        finally:
            self._child = None
            watch.cancel()
            child.kill("closed")
            await child.gone()

    def _config_now(self) -> EngineConfig:
        """Return what to start: after a crash the same devices again, whether they can be opened at once or not."""
        if self._info is None:
            return self._config
        encoder, decoder = cast(Device, self._info.encoder), cast(Device, self._info.decoder)
        return replace(self._config, encoder=encoder, decoder=decoder, resuming=True)

    def _after_crash(self, why: str) -> None:
        crash = self._schedule.crashed()
        for ticket in crash.superseded:
            self._supersede(ticket)
        for ticket in crash.poisonous:
            self._refuse(ticket, EngineError(f"the engine died {ticket.crashes} times at this window; last: {why}"))
        self._crashes_in_a_row += 1
        if self._crashes_in_a_row > self._supervision.restarts:
            message = f"the engine died {self._crashes_in_a_row} times in a row; last: {why}"
            log.error(message)
            self._give_up(EngineLostError(message))
        else:
            log.warning("engine process died (%s): starting another, %d jobs wait", why, len(self._schedule))

    def _supervisor_ended(self, supervisor: asyncio.Task[None]) -> None:
        """Leave nobody waiting when supervision itself fails."""
        if not supervisor.cancelled() and (error := supervisor.exception()):
            self._give_up(EngineLostError(f"the engine's supervision failed ({error!r})"))

    def _give_up(self, error: EngineError) -> None:
        self._gone = self._gone or error
        for ticket in self._schedule.clear():
            self._refuse(ticket, self._gone)

    # -- messages

    def _take_safely(self, child: Child, message: Message) -> None:
        try:
            self._take(child, message)
        except (KeyError, TypeError, ValueError) as error:
            child.kill(f"it sent a message that makes no sense ({error!r})")

    def _take(self, child: Child, message: Message) -> None:
        child.silent_beats = 0
        match message["type"]:
            case "beat":
                if message["running_s"] > self._supervision.job_limit_s:
                    child.kill(f"one window took more than {self._supervision.job_limit_s:.0f} s")
            case "ready":
                child.ready = True
                info, before = info_of(message), self._info  # the devices stay, and why they were chosen
                self._info = info if before is None else replace(info, why=before.why)
                self._schedule.depth = self._supervision.depth + min(info.batch, MAX_BATCH) - 1
                self._tell_streams()
                self._send_calls()
            case "failed":
                self._failure = message["message"]
            case "recalled":
                if overtaken := self._schedule.recalled(message["id"]):
                    self._supersede(overtaken)
                self._send_calls()
            case "result" | "error":
                self._answered(message)
                self._send_calls()

    def _answered(self, message: Message) -> None:
        self._crashes_in_a_row = 0
        ticket = self._schedule.answered(message["id"])
        if message["type"] == "error":
            self._refuse(ticket, EngineError(message["message"]))
            return
        result = result_of(message)
        self._count(result)
        if not ticket.answer.done():
            ticket.answer.set_result(result)

    def _count(self, result: WindowResult) -> None:
        self._encodes[result.encoder] += 1
        self._decodes[result.decoder] += 1
        self._busy_ms += result.encode_ms + result.decode_ms
        for device, work in ((result.encoder, result.encode_work), (result.decoder, result.decode_work)):
            if work.dispatches:
                self._work[device] = self._work.get(device, NO_WORK) + work
        if result.fallback:
            self._fallbacks[result.fallback_kind] += 1
        if result.fallback and not self._fallback:
            log.warning("the CPU takes the device's place: %s", result.fallback)
        elif self._fallback and not result.fallback:
            log.warning("the device is back in use")
        if not result.fallback and result.on_host != self._on_host:
            log.warning("the CPU computes operators in the device's place: %s", result.on_host or "none any more")
        self._fallback, self._on_host = result.fallback, result.on_host

    def _uptime_s(self) -> float:
        return max(time.monotonic() - self._started_s, 1e-3)

    def _tell_streams(self) -> None:
        self._tell({"type": "streams", "open": len(self._streams)})

    def _tell(self, message: Message) -> None:
        """Tell the process something that it may forget when it dies."""
        if self._child is not None and self._child.ready:
            self._child.send(message)

    def _send_calls(self) -> None:
        """Send what may be sent now, call back what should not be next any more."""
        if self._child is None or not self._child.ready:
            return
        while ticket := self._schedule.take():
            self._slots.write(ticket.slot, ticket.job.features)
            self._child.send(job_message(ticket.id, ticket.slot, ticket.job, alone=ticket.alone))
        for job_id in self._schedule.recalls():
            self._child.send({"type": "recall", "id": job_id})

    def _supersede(self, ticket: Ticket) -> None:
        if not ticket.answer.done():
            self._superseded += 1
            self._refuse(ticket, SupersededError("a newer window of the stream came before this one was started"))

    @staticmethod
    def _refuse(ticket: Ticket, error: EngineError) -> None:
        if not ticket.answer.done():
            ticket.answer.set_exception(error)
