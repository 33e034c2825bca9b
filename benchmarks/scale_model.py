"""A cluster in simulation: many nodes, fronts and speakers on a simulated clock; nothing is computed but who waits.

Hosts order windows by the scheduler of the engine, fronts place streams by the placement of the cluster, and streams
pace their ticks as live ones do: these are the daemon's own. How long a window takes, how long the way is and when
somebody speaks are given.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np

from amanuensis.benchmarks.scale_plan import TICK_MS, TICK_S, Outcome, Plan, Service, Trouble
from amanuensis.daemon.cluster.placement import HostView, Placement
from amanuensis.npu.engine.schedule import Schedule, Ticket
from amanuensis.npu.window import WindowJob
from amanuensis.stream.pace import TickPace

URGENT_S: Final = 0.1  # deadlines, as the daemon's pump sets them
SILENCE_S: Final = 0.12  # after the last word, before the text may be final
SHORTEST_S: Final = 0.3  # of an utterance
STATS_S: Final = 1.0  # between two looks at how far behind a session is
EXACT: Final = 1e-6  # of a packet: sums of times are not exact
MAX_CRASHES: Final = 2
MAX_LOSSES: Final = 2
SILENT_S: Final = 1.0  # two beats: from then on a host gets nothing that has another place to go
NO_SOUND: Final = WindowJob(np.zeros((1, 1), np.float32))  # the scheduler never looks at it


def simulate(plan: Plan) -> Outcome:
    """Run a plan; the same plan gives the same outcome."""
    return _World(plan).run()


@dataclass(eq=False, slots=True)
class _Window:
    """A window on its way.

    Attributes:
        answered: called when its answer is there.
        losses: hosts that were lost with it.

    """

    stream: int
    length_s: float
    urgent: bool
    answered: Callable[[], None]
    losses: int = 0


class _World:
    def __init__(self, plan: Plan) -> None:
        self.plan, self.now_s, self.outcome = plan, 0.0, Outcome()
        self.draw = random.Random(plan.seed)
        self.numbers = itertools.count(1)
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self.hosts = {f"{n:04d}": _Host(self, service) for n, service in enumerate(plan.nodes)}
        self.fronts = [_Front(self) for _ in range(plan.fronts)]
        self.open = 0

    @property
    def counts(self) -> bool:
        return self.now_s >= self.plan.settle_s

    def after(self, wait_s: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (self.now_s + wait_s, next(self.numbers), act))

    def run(self) -> Outcome:
        plan = self.plan
        for front in self.fronts:
            front.look()
        for number in range(plan.sessions):
            self.after(plan.start_s * number / max(1, plan.sessions), partial(self.begin, number, plan.seconds))
        for trouble in plan.troubles:
            self.after(trouble.at_s, partial(self.strike, trouble))
        while self._heap and self._heap[0][0] < plan.seconds:
            self.now_s, _, act = heapq.heappop(self._heap)
            act()
        worked_s = sum(host.busy_s / host.service.workers for host in self.hosts.values())
        self.outcome.busy = worked_s / (plan.seconds * len(self.hosts))
        return self.outcome

    def begin(self, number: int, until_s: float) -> None:
        """Have one more session speak."""
        front = self.fronts[number % len(self.fronts)]
        if front.placement.refusal():
            self.outcome.refused += 1
            return
        self.open += 1
        self.outcome.carried = max(self.outcome.carried, self.open)
        _Session(self, front, until_s).begin()

    def strike(self, trouble: Trouble) -> None:
        if trouble.kind == "spike":
            for number in range(trouble.number):
                self.begin(number, self.now_s + trouble.for_s)
            return
        for name in self.draw.sample(sorted(name for name in self.hosts if self.hosts[name].up), trouble.number):
            self.hosts[name].die()
            self.after(trouble.for_s, self.hosts[name].come_back)
            for front in self.fronts:
                self.after(self.plan.silent_s, partial(front.give_up, name))


class _Host:
    """The engine of one node."""

    def __init__(self, world: _World, service: Service) -> None:
        self.world, self.service, self.up, self.busy_s, self.died_s = world, service, True, 0.0, 0.0
        self._life = 0  # answers of an earlier one never come
        self._renew()

    def _renew(self) -> None:
        # A window more than are computed is sent ahead, as with the engine's process.
        self._schedule: Schedule[_Window] = Schedule(self.service.workers + 1, MAX_CRASHES)
        self._sent: list[Ticket[_Window]] = []

    def take(self, window: _Window) -> None:
        """Let a window wait for its turn; one that is dead takes it and says nothing."""
        if self.up:
            deadline_s = self.world.now_s + (URGENT_S if window.urgent else TICK_S)
            number = next(self.world.numbers)
            if self._schedule.add(Ticket(number, window.stream, NO_SOUND, deadline_s, window)) is not None:
                self.world.outcome.superseded += 1
            self._go_on()

    def die(self) -> None:
        self.up, self.died_s = False, self.world.now_s
        self._life += 1

    def come_back(self) -> None:
        self.up = True
        self._renew()

    def _go_on(self) -> None:
        while (ticket := self._schedule.take()) is not None:
            self._sent.append(ticket)
        recalled = [t for t in self._sent if t.id in set(self._schedule.recalls()) and not t.started]
        for ticket in recalled:
            self._sent.remove(ticket)
            self._schedule.recalled(ticket.id)
        if recalled:
            self._go_on()
            return
        running = sum(ticket.started for ticket in self._sent)
        for ticket in [t for t in self._sent if not t.started][: self.service.workers - running]:
            self._schedule.started([ticket.id])
            took_s = self.service.draw(ticket.answer.length_s, self.world.draw)
            life = self._life
            self.world.after(took_s, partial(self._finish, ticket, life, took_s))

    def _finish(self, ticket: Ticket[_Window], life: int, took_s: float) -> None:
        if life == self._life:
            self.busy_s += took_s
            self._sent.remove(ticket)
            self._schedule.answered(ticket.id)
            ticket.answer.answered()
            self._go_on()


class _Front:
    """A daemon with streams of its own on hosts that it shares."""

    def __init__(self, world: _World) -> None:
        self.placement = Placement(1 << 30)
        self._world = world
        self._lost: set[str] = set()
        self._away: dict[str, dict[int, _Window]] = {name: {} for name in world.hosts}  # by trip
        self._waiting: list[_Window] = []

    def look(self) -> None:
        """See how the hosts are, as a front does once in a while, and send what waited."""
        self._lost -= {name for name in self._lost if self._world.hosts[name].up}
        self._see()
        waiting, self._waiting = self._waiting, []
        for window in waiting:
            self.send(window)
        self._world.after(self._world.plan.look_s, self.look)

    def send(self, window: _Window) -> None:
        """Send a window to the host of its stream; it waits while there is none."""
        name = self.placement.place(window.stream)
        if name is None:
            self._waiting.append(window)
            return
        world, trip = self._world, next(self._world.numbers)
        self._away[name][trip] = window
        there = replace(window, answered=lambda: world.after(world.plan.network_s / 2, lambda: self._hear(name, trip)))
        world.after(world.plan.network_s / 2, lambda: world.hosts[name].take(there))

    def give_up(self, name: str) -> None:
        """Send what a silent host had to others."""
        self._lost.add(name)
        self._see()
        away, self._away[name] = self._away[name], {}
        for window in away.values():
            window.losses += 1
            self._world.outcome.moved += 1
            if window.losses > MAX_LOSSES:
                self._world.outcome.given_up += 1
                window.answered()
            else:
                self.send(window)

    def _see(self) -> None:
        plan, others = self._world.plan, self._others()
        self.placement.see(
            {
                name: HostView(
                    host.service.capacity(plan.share),
                    usable=name not in self._lost,
                    others=others[name],
                    latency_s=plan.network_s,
                    silent=not host.up and self._world.now_s - host.died_s >= SILENT_S,
                )
                for name, host in self._world.hosts.items()
            }
        )

    def _others(self) -> Counter[str]:
        counted = Counter[str]()
        for front in self._world.fronts:
            if front is not self:
                counted.update(front.placement.streams())
        return counted

    def _hear(self, name: str, trip: int) -> None:
        window = self._away[name].pop(trip, None)
        if window is not None:  # a host that was given up is not heard
            window.answered()


class _Session:
    """One speaker: ticks while there is speech, one window at a time, and a last one for each utterance."""

    def __init__(self, world: _World, front: _Front, until_s: float) -> None:
        self._world, self._front, self._until_s = world, front, until_s
        self._stream = next(world.numbers)
        self._pace = TickPace()
        self._away = False
        self._ends_s = self._from_s = self._heard_s = 0.0  # of the utterance; of the window; of what was sent of it
        self._answered_s = self._began_s = world.now_s
        self._over = True  # the utterance
        front.placement.opened(self._stream)
        world.after(STATS_S * world.draw.random(), self._look)

    def begin(self) -> None:
        """Begin an utterance, or leave."""
        world, speech = self._world, self._world.plan.speech
        if world.now_s >= self._until_s:
            self._front.placement.closed(self._stream)
            world.open -= 1
            return
        self._over = False
        self._from_s = self._heard_s = self._answered_s = world.now_s
        self._ends_s = world.now_s + max(SHORTEST_S, world.draw.expovariate(1 / speech.utterance_s))
        self._next_tick()
        world.after(self._ends_s + SILENCE_S - world.now_s, self._finish)

    def _look(self) -> None:
        """Note how far the text is behind what has come."""
        world = self._world
        if not self._over and world.counts:
            world.outcome.behind.append((world.now_s, max(0.0, self._come_s(world.now_s) - self._answered_s)))
        if world.now_s < self._until_s:
            world.after(STATS_S, self._look)

    def _come_s(self, at_s: float) -> float:
        """Return until when sound has come at a time."""
        packet_s = self._world.plan.packet_s
        if not packet_s:
            return at_s
        return self._began_s + packet_s * math.floor((at_s - self._began_s) / packet_s + EXACT)

    def _comes_s(self, until_s: float) -> float:
        """Return when the packet comes that has the sound until a time."""
        packet_s = self._world.plan.packet_s
        if not packet_s:
            return until_s
        return self._began_s + packet_s * math.ceil((until_s - self._began_s) / packet_s - EXACT)

    def _next_tick(self) -> None:
        due_s = max(self._world.now_s, self._comes_s(self._heard_s + self._pace.interval_ms(TICK_MS) / 1000))
        if due_s < self._ends_s:
            self._world.after(due_s - self._world.now_s, self._tick)

    def _tick(self) -> None:
        if not self._away and not self._over:
            self._send(urgent=False)

    def _finish(self) -> None:
        """Send the window that ends the utterance, once the one before is back."""
        self._over = True
        if not self._away:
            self._send(urgent=True)

    def _send(self, *, urgent: bool) -> None:
        world, speech = self._world, self._world.plan.speech
        end_s = self._ends_s if urgent else max(self._heard_s, self._come_s(world.now_s))
        if end_s - self._from_s > speech.longest_window_s:
            self._from_s = end_s - speech.kept_s
        self._heard_s, self._away = end_s, True
        sent_s = world.now_s

        def answered() -> None:
            self._away, self._answered_s = False, end_s
            self._pace.measured(1000 * (world.now_s - sent_s))
            if world.counts:
                (world.outcome.finals if urgent else world.outcome.ticks).append(world.now_s - end_s)
            if urgent:
                world.after(world.draw.expovariate(1 / speech.pause_s), self.begin)
            elif self._over:
                self._send(urgent=True)
            else:
                self._next_tick()

        self._front.send(_Window(self._stream, end_s - self._from_s, urgent, answered))
