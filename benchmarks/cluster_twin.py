"""Loads of real nodes beside the same loads in simulation, both in the measure that a daemon's `stats` has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from amanuensis.benchmarks.density import PACKET_S, SPREAD_S, Lags, Load
from amanuensis.benchmarks.scale_model import simulate
from amanuensis.benchmarks.scale_plan import Plan, Service, Speech, Trouble

WITHOUT_PAUSE: Final = Speech(utterance_s=1e9)
ROUNDS: Final = 4  # longer windows are asked for less often, and so have more sound
EVERYBODY: Final = 1e6  # share of its time that a node takes streams for: nobody is refused, as in the real run


@dataclass(frozen=True, slots=True)
class Struck:
    """What befalls one of the nodes.

    Attributes:
        name: of it, for people.
        at_s: after the load has begun.
        for_s: that it lasts.
        silent_s: after which the node is given up.

    """

    name: str
    at_s: float
    for_s: float
    silent_s: float


@dataclass(frozen=True, slots=True)
class Twin:
    """What came of a load in simulation; the names are those of `density.Load`."""

    lags: Lags
    ticks_per_s: float
    window_ms: float


@dataclass(frozen=True, slots=True)
class Case:
    """Streams of continuous speech on so many nodes, as they really were and as they are simulated.

    Attributes:
        simulated: with windows as long as they take at a node that has nothing else to do.
        as_long: with windows as long on average as they took in that load: what runs beside them slows them down.

    """

    nodes: int
    struck: str
    real: Load
    simulated: Twin
    as_long: Twin


@dataclass(frozen=True, slots=True)
class Comparison:
    """Simulates loads as they were.

    Attributes:
        service: how long windows take at a node.
        way_s: to a node and back.
        seconds: that streams speak.

    """

    service: Service
    way_s: float
    seconds: float

    def case(self, nodes: int, load: Load, struck: Struck | None = None) -> Case:
        """Return a load of `density.one_load` on so many nodes beside its simulations."""
        service, made = self.service, self._twin(self.service, nodes, load.streams, struck)
        as_long = made
        for _ in range(ROUNDS if load.window_ms else 0):  # no window came of a load that failed at once
            service = service.slower(load.window_ms / as_long.window_ms)
            as_long = self._twin(service, nodes, load.streams, struck)
        return Case(nodes, struck.name if struck else "", load, made, as_long)

    def _twin(self, service: Service, nodes: int, streams: int, struck: Struck | None) -> Twin:
        plan = Plan(
            nodes=(service,) * nodes,
            sessions=streams,
            seconds=self.seconds,
            settle_s=0.0,  # `Lags` leaves out what has not settled, for both
            share=EVERYBODY,
            network_s=self.way_s,
            start_s=SPREAD_S,
            packet_s=PACKET_S,
            speech=WITHOUT_PAUSE,
        )
        if struck:
            trouble = Trouble(struck.at_s, "deaths", 1, struck.for_s)
            plan = replace(plan, silent_s=struck.silent_s, troubles=(trouble,))
        outcome = simulate(plan)
        n_windows = len(outcome.ticks) + len(outcome.finals)
        worked_s = outcome.busy * self.seconds * nodes * service.workers
        return Twin(
            Lags.of([(at_s, 1000 * lag_s) for at_s, lag_s in outcome.behind], self.seconds),
            ticks_per_s=round(n_windows / (streams * self.seconds), 3),
            window_ms=round(1000 * worked_s / max(1, n_windows), 2),
        )


def table(cases: Sequence[Case]) -> list[str]:
    """Return the cases as a Markdown table: lags as P50 / P95 / most, real figures before simulated ones."""
    titles = ["nodes", "streams", "trouble", "lag, ms: real", "simulated", "and windows as long as they were"]
    titles += ["windows a second: real", "simulated", "as long", "ms a window: real", "simulated"]
    lines = ["| " + " | ".join(titles) + " |", "|" + " --- |" * len(titles)]
    for one in cases:
        real, made, as_long = one.real, one.simulated, one.as_long
        cells = [f"{one.nodes}", f"{real.streams}", one.struck or "-"]
        cells += [f"{real.lag_p50_ms:.0f} / {real.lag_p95_ms:.0f} / {real.lag_most_ms:.0f}"]
        cells += [f"{it.p50_ms:.0f} / {it.p95_ms:.0f} / {it.most_ms:.0f}" for it in (made.lags, as_long.lags)]
        cells += [f"{figure:.2f}" for figure in (real.ticks_per_s, made.ticks_per_s, as_long.ticks_per_s)]
        cells += [f"{figure:.1f}" for figure in (real.window_ms, made.window_ms)]
        lines.append("| " + " | ".join(cells) + " |")
    return lines
