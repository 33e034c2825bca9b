"""The jobs of one engine: handed to the process that serves, taken back when it dies, each answered once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Final

from amanuensis.npu.engine.api import EngineError, PoisonWindowError, SupersededError
from amanuensis.npu.engine.child import Child
from amanuensis.npu.engine.frames import Message, encode_frame, job_message, result_of
from amanuensis.npu.engine.limits import JobLimits
from amanuensis.npu.engine.schedule import Schedule
from amanuensis.npu.engine.schedule import Ticket as ScheduleTicket
from amanuensis.npu.engine.slots import FeatureSlots
from amanuensis.npu.engine.supervision import Supervision
from amanuensis.npu.engine.tally import Tally
from amanuensis.npu.window import WindowResult

Answer = asyncio.Future[WindowResult]
Ticket = ScheduleTicket[Answer]
MAX_BATCH = 4  # windows that an engine is given to decode at once, beside those that wait
CRASHED: Final = "crash"  # kind of fallback, beside those of `npu.devices.xrt.errors`


class Desk:
    """Jobs between those who ask and the process that answers.

    Attributes:
        schedule: what waits and what is at the process.
        slots: where its features lie.
        tally: of what was answered.
        superseded: windows replaced by newer ones.
        poisoned: windows given up because the engine died at them.
        child: the process that serves, None while there is none.
        fallback: why it runs on the CPU instead of the device, empty where it does not.

    """

    def __init__(self, supervision: Supervision) -> None:
        self._depth = supervision.depth
        self.schedule = Schedule[Answer](supervision.depth, supervision.job_crashes)
        self.slots = FeatureSlots(supervision.depth + MAX_BATCH - 1)
        self.tally = Tally()
        self.superseded = 0
        self.poisoned = 0
        self.child: Child | None = None
        self.fallback = ""
        self._limits = JobLimits(supervision.job_limit_s, supervision.least_job_limit_s)
        self._drained = asyncio.Event()

    async def decode(self, ticket: Ticket) -> WindowResult:
        """Have a job done, whichever process does it; see `api.Engine.decode`."""
        encode_frame(job_message(ticket.id, 0, ticket.job))  # too long a message is the caller's fault: told now
        if replaced := self.schedule.add(ticket):
            self._supersede(replaced)
        self.send()
        try:
            return await ticket.answer
        finally:
            if ticket.answer.cancelled():
                self.schedule.discard(ticket)
                self.send()

    def close_stream(self, stream: int) -> None:
        """Forget the jobs of a stream."""
        for ticket in [ticket for ticket in self.schedule.tickets() if ticket.stream == stream]:
            self.schedule.discard(ticket)
            _refuse(ticket, SupersededError("the stream was closed"))
        self.send()

    def serve(self, child: Child, batch: int, fallback: str) -> None:
        """Have a process do the jobs from now on; nothing may be at another one."""
        self.child, self.fallback = child, fallback
        self.schedule.depth = self._depth + min(batch, MAX_BATCH) - 1
        self.schedule.held = False

    async def drain(self) -> None:
        """Send nothing more until `serve`, and wait until nothing is at the process that serves."""
        self.schedule.held = True
        self._drained.clear()
        self.send()
        await self._drained.wait()

    def crashed(self, why: str, *, spare: bool) -> bool:
        """Take back what was at a process that died; return whether a window was spared that it died at too often."""
        self.child, self.schedule.held = None, False
        crash = self.schedule.crashed(spare=spare)
        for ticket in crash.superseded:
            self._supersede(ticket)
        for ticket in crash.poisonous:
            self.poisoned += 1
            _refuse(ticket, PoisonWindowError(ticket.crashes, why))
        return bool(crash.spared)

    def clear(self, error: EngineError) -> None:
        """Refuse everything."""
        for ticket in self.schedule.clear():
            _refuse(ticket, error)

    def take(self, message: Message) -> None:
        """Take what the process says of a job; KeyError, TypeError or ValueError when it makes no sense."""
        match message["type"]:
            case "started":
                self.schedule.started(message["ids"])
                return
            case "recalled":
                if overtaken := self.schedule.recalled(message["id"]):
                    self._supersede(overtaken)
            case "error":
                _refuse(self.schedule.answered(message["id"]), EngineError(str(message["message"])))
            case "result":
                self._answered(message)
            case other:
                raise ValueError(f"message of type {other!r}")
        self.send()

    def _answered(self, message: Message) -> None:
        result = result_of(message)
        ticket = self.schedule.answered(message["id"])
        self._limits.answered(ticket.job, (result.encode_ms + result.decode_ms) / 1000)
        if self.fallback:
            result = replace(result, fallback=self.fallback, fallback_kind=CRASHED)
        self.tally.count(result)
        if not ticket.answer.done():
            ticket.answer.set_result(result)

    def limit_s(self) -> float:
        """Return how long what runs now may take from its start."""
        return self._limits.limit_s(ticket.job for ticket in self.schedule.running())

    def send(self) -> None:
        """Send what may be sent now, call back what should not be next any more."""
        if self.child is None:
            return
        while ticket := self.schedule.take():
            self.slots.write(ticket.slot, ticket.job.features)
            self.child.send(job_message(ticket.id, ticket.slot, ticket.job, alone=ticket.alone))
        for job_id in self.schedule.recalls():
            self.child.send({"type": "recall", "id": job_id})
        if self.schedule.held and self.schedule.nothing_sent:
            self._drained.set()

    def _supersede(self, ticket: Ticket) -> None:
        if not ticket.answer.done():
            self.superseded += 1
            _refuse(ticket, SupersededError("a newer window of the stream came before this one was started"))


def _refuse(ticket: Ticket, error: EngineError) -> None:
    if not ticket.answer.done():
        ticket.answer.set_exception(error)
