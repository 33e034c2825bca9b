"""A cluster in simulation: many nodes, fronts and speakers on a simulated clock; nothing is computed but who waits.

Hosts order windows by the scheduler of the engine, fronts place streams by the placement of the cluster, and streams
pace their ticks as live ones do: these are the daemon's own. How long a window takes, how long the way is and when
somebody speaks are given.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, Literal

import numpy as np

from amanuensis.daemon.cluster.capacity import WINDOW_FRAMES
from amanuensis.daemon.cluster.placement import HostView, Placement
from amanuensis.npu.engine.schedule import Schedule, Ticket
from amanuensis.npu.window import WindowJob
from amanuensis.stream.pace import TickPace

TICK_MS: Final = 500.0
URGENT_S: Final = 0.1  # deadlines, as the daemon's pump sets them
TICK_S: Final = 0.5
FRAMES_A_SECOND: Final = 100
SILENCE_S: Final = 0.12  # after the last word, before the text may be final
SHORTEST_S: Final = 0.3  # of an utterance
MAX_CRASHES: Final = 2
MAX_LOSSES: Final = 2
SILENT_S: Final = 1.0  # two beats: from then on a host gets nothing that has another place to go
NO_SOUND: Final = WindowJob(np.zeros((1, 1), np.float32))  # the scheduler never looks at it


@dataclass(frozen=True, slots=True)
class Service:
    """How long one kind of node takes, as measured or modelled.

    Attributes:
        window_s: lengths of windows, ascending.
        took_s: seconds of computing for each.
        factors: of single windows against that, as they were seen; drawn from.
        workers: windows at once.
        origin: where the figures are from.

    """

    window_s: tuple[float, ...]
    took_s: tuple[float, ...]
    factors: tuple[float, ...] = (1.0,)
    workers: int = 1
    origin: Literal["measured", "modelled"] = "measured"

    def draw(self, window_s: float, draw: random.Random) -> float:
        """Return how long one window takes, in seconds."""
        return float(np.interp(window_s, self.window_s, self.took_s)) * draw.choice(self.factors)

    def capacity(self, share: float) -> float:
        """Return how many streams it is taken to carry with a share of its time, as a host measures it."""
        window_s = WINDOW_FRAMES / FRAMES_A_SECOND
        mean = sum(self.factors) / len(self.factors)
        return share * TICK_S * self.workers / (float(np.interp(window_s, self.window_s, self.took_s)) * mean)


@dataclass(frozen=True, slots=True)
class Speech:
    """When somebody speaks: utterances and pauses of exponential length.

    Attributes:
        utterance_s, pause_s: means.
        longest_window_s: then the older part of the window, whose words are settled, is cut off.
        kept_s: what is left of it.

    """

    utterance_s: float = 5.0
    pause_s: float = 1.0
    longest_window_s: float = 6.6  # with these two, windows of speech without a pause are 5 s on average, as measured
    kept_s: float = 3.4


@dataclass(frozen=True, slots=True)
class Trouble:
    """What goes wrong at a time: nodes die and come back after `for_s`, or more sessions come for so long."""

    at_s: float
    kind: Literal["deaths", "spike"]
    number: int
    for_s: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What is simulated.

    Attributes:
        nodes: one entry each.
        sessions: that want to speak, from the beginning.
        fronts: daemons that share the nodes; sessions are spread over them.
        seconds: of simulated time; the first `settle_s` of it are not counted.
        share: of its time that windows may take, for the capacity of a node.
        network_s: of the way to a host and back.
        silent_s: after which a front gives a host up.
        look_s: between two looks at the hosts.
        start_s: over which the sessions begin.

    """

    nodes: tuple[Service, ...]
    sessions: int
    fronts: int = 1
    seconds: float = 60.0
    settle_s: float = 10.0
    share: float = 0.9
    network_s: float = 0.002
    silent_s: float = 5.0
    look_s: float = 1.0
    start_s: float = 2.0
    speech: Speech = Speech()
    troubles: tuple[Trouble, ...] = ()
    seed: int = 0


@dataclass(slots=True)
class Outcome:
    """What came of it; lags are from the end of a window's sound to its answer, in seconds.

    Attributes:
        ticks: lags of windows while somebody spoke.
        finals: lags of the windows that end utterances.
        refused: sessions that were not taken.
        carried: most sessions at one time.
        moved: windows that a host was lost with.
        given_up: windows that were lost with too many hosts.
        superseded: windows that a newer one made needless.
        busy: share of the nodes' time that was computed in.

    """

    ticks: list[float] = field(default_factory=list)
    finals: list[float] = field(default_factory=list)
    refused: int = 0
    carried: int = 0
    moved: int = 0
    given_up: int = 0
    superseded: int = 0
    busy: float = 0.0


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
        self._over = True  # the utterance
        front.placement.opened(self._stream)

    def begin(self) -> None:
        """Begin an utterance, or leave."""
        world, speech = self._world, self._world.plan.speech
        if world.now_s >= self._until_s:
            self._front.placement.closed(self._stream)
            world.open -= 1
            return
        self._over = False
        self._from_s = self._heard_s = world.now_s
        self._ends_s = world.now_s + max(SHORTEST_S, world.draw.expovariate(1 / speech.utterance_s))
        self._next_tick()
        world.after(self._ends_s + SILENCE_S - world.now_s, self._finish)

    def _next_tick(self) -> None:
        due_s = max(self._world.now_s, self._heard_s + self._pace.interval_ms(TICK_MS) / 1000)
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
        end_s = min(world.now_s, self._ends_s)
        if end_s - self._from_s > speech.longest_window_s:
            self._from_s = end_s - speech.kept_s
        self._heard_s, self._away = end_s, True
        sent_s = world.now_s

        def answered() -> None:
            self._away = False
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
