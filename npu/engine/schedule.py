"""Which window the engine does next: earliest deadline first, at most one pending window a stream. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from amanuensis.npu.window import WindowJob

T = TypeVar("T")


@dataclass(eq=False, slots=True)
class Ticket(Generic[T]):
    """A job on its way; `answer` is whatever the caller waits on."""

    id: int
    stream: int
    job: WindowJob
    deadline_s: float
    answer: T
    slot: int = -1  # while sent
    started: bool = False  # the engine has begun with it
    crashes: int = 0  # of the engine while it did this job
    alone: bool = False  # the engine died with this job at hand: it is not done together with others again
    superseded: bool = False  # a newer window waits; this one is being called back
    recalled: bool = False  # asked to be given back


@dataclass(slots=True)
class Crash(Generic[T]):
    """What a crash of the engine leaves: windows that are given up, the others wait again.

    Attributes:
        superseded: overtaken by newer ones of their streams.
        poisonous: the engine died at them too often.
        spared: it did, but they wait for one more try.

    """

    superseded: list[Ticket[T]] = field(default_factory=list)
    poisonous: list[Ticket[T]] = field(default_factory=list)
    spared: list[Ticket[T]] = field(default_factory=list)


class Schedule(Generic[T]):
    """The order of jobs for one device.

    Up to `depth` jobs are sent ahead, so that the device need not wait for the daemon; the first of them is taken
    to be running. Another one, if it is not running yet, is called back when a more urgent one comes or a newer one
    of its stream. A crash is blamed on the jobs that the engine had said to have begun, and on no others.

    Args:
        depth: jobs at the engine at once.
        max_crashes: a job that was running in so many crashes is given up, so that it cannot take the others along.

    Attributes:
        depth: as given; may change while nothing is at the engine.
        held: whether nothing more is sent and all that is not running is called back.

    """

    def __init__(self, depth: int, max_crashes: int) -> None:
        self.depth = depth
        self.held = False
        self._max_crashes = max_crashes
        self._waiting: dict[int, Ticket[T]] = {}  # by stream
        self._sent: dict[int, Ticket[T]] = {}  # by id, in the order of sending

    def __len__(self) -> int:
        return len(self._waiting) + len(self._sent)

    def tickets(self) -> list[Ticket[T]]:
        """Return all that is not answered."""
        return [*self._sent.values(), *self._waiting.values()]

    def add(self, ticket: Ticket[T]) -> Ticket[T] | None:
        """Let a job wait; return the older one of its stream that it replaces, if that one still waited."""
        replaced = self._waiting.get(ticket.stream)
        self._waiting[ticket.stream] = ticket
        for sent in self._not_running():
            sent.superseded |= sent.stream == ticket.stream
        return replaced

    def take(self) -> Ticket[T] | None:
        """Return the most urgent job to be sent now, or None when none waits or enough are at the engine."""
        if self.held or len(self._sent) >= self.depth or not self._waiting:
            return None
        ticket = min(self._waiting.values(), key=lambda t: (t.deadline_s, t.id))
        del self._waiting[ticket.stream]
        ticket.slot = next(slot for slot in range(self.depth) if slot not in {t.slot for t in self._sent.values()})
        self._sent[ticket.id] = ticket
        return ticket

    def recalls(self) -> list[int]:
        """Return the jobs to be called back now; each is named once."""
        most_urgent = min((t.deadline_s for t in self._waiting.values()), default=float("inf"))
        if self.held:
            most_urgent = -float("inf")
        late = [t for t in self._not_running() if not t.recalled and (t.superseded or t.deadline_s > most_urgent)]
        for ticket in late:
            ticket.recalled = True
        return [ticket.id for ticket in late]

    def recalled(self, job_id: int) -> Ticket[T] | None:
        """Take a job back that was not started: it waits again, or is returned when a newer one took its place."""
        ticket = self._sent.pop(job_id)
        ticket.recalled = ticket.started = False
        return self._wait_again(ticket)

    def started(self, job_ids: Iterable[int]) -> None:
        """Take note that the engine has begun with these; KeyError when one of them is not at it."""
        for job_id in job_ids:
            self._sent[job_id].started = True

    def running(self) -> list[Ticket[T]]:
        """Return what the engine has begun with and not answered."""
        return [ticket for ticket in self._sent.values() if ticket.started]

    @property
    def nothing_sent(self) -> bool:
        """Whether nothing is at the engine."""
        return not self._sent

    def answered(self, job_id: int) -> Ticket[T]:
        """Return the job that was answered; KeyError when there is none of that number at the engine."""
        return self._sent.pop(job_id)

    def discard(self, ticket: Ticket[T]) -> None:
        """Forget a job that nobody waits for; one that is at the engine is called back or answered into the void."""
        if self._waiting.get(ticket.stream) is ticket:
            del self._waiting[ticket.stream]
        elif ticket.id in self._sent:
            ticket.superseded = True

    def crashed(self, *, spare: bool = False) -> Crash[T]:
        """Let what was at the engine wait again, except what was overtaken or has crashed it too often.

        Args:
            spare: let a job that would be given up for that wait for one more try.

        """
        lost, self._sent, crash = list(self._sent.values()), {}, Crash[T]()
        for ticket in lost:
            ticket.crashes += ticket.started
            ticket.recalled = ticket.started = False
            ticket.alone = True
            if ticket.crashes >= self._max_crashes and not spare:
                crash.poisonous.append(ticket)
            elif overtaken := self._wait_again(ticket):
                crash.superseded.append(overtaken)
            elif ticket.crashes >= self._max_crashes:
                crash.spared.append(ticket)
        return crash

    def clear(self) -> list[Ticket[T]]:
        """Forget and return all that is not answered."""
        tickets = self.tickets()
        self._sent.clear()
        self._waiting.clear()
        return tickets

    def _wait_again(self, ticket: Ticket[T]) -> Ticket[T] | None:
        if ticket.superseded or ticket.stream in self._waiting:
            return ticket
        self._waiting[ticket.stream] = ticket
        return None

    def _not_running(self) -> list[Ticket[T]]:
        return list(self._sent.values())[1:]
