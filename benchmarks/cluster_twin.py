"""Loads of real nodes beside the same loads in simulation, both in the measure that a daemon's `stats` has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from amanuensis.benchmarks.density import PACKET_S, SPREAD_S, Lags, Load
from amanuensis.benchmarks.scale_model import simulate
from amanuensis.benchmarks.scale_plan import Plan, Service, Speech, Trouble

WITHOUT_PAUSE: Final = Speech(utterance_s=1e9)
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
    """Streams of continuous speech on so many nodes, as they really were and as they are simulated."""

    nodes: int
    struck: str
    real: Load
    simulated: Twin


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
        """Return a load of `density.one_load` on so many nodes beside its simulation."""
        plan = Plan(
            nodes=(self.service,) * nodes,
            sessions=load.streams,
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
        worked_s = outcome.busy * self.seconds * nodes * self.service.workers
        made = Twin(
            Lags.of([(at_s, 1000 * lag_s) for at_s, lag_s in outcome.behind], self.seconds),
            ticks_per_s=round(n_windows / (load.streams * self.seconds), 3),
            window_ms=round(1000 * worked_s / max(1, n_windows), 2),
        )
        return Case(nodes, struck.name if struck else "", load, made)


def table(cases: Sequence[Case]) -> list[str]:
    """Return the cases as a Markdown table, real figures before simulated ones."""
    titles = ["nodes", "streams", "trouble", "lag P50 / P95 / most, ms: real", "simulated"]
    titles += ["windows a second: real", "simulated", "ms a window: real", "simulated"]
    lines = ["| " + " | ".join(titles) + " |", "|" + " --- |" * len(titles)]
    for one in cases:
        real, made = one.real, one.simulated
        cells = [f"{one.nodes}", f"{real.streams}", one.struck or "-"]
        cells += [f"{real.lag_p50_ms:.0f} / {real.lag_p95_ms:.0f} / {real.lag_most_ms:.0f}"]
        cells += [f"{made.lags.p50_ms:.0f} / {made.lags.p95_ms:.0f} / {made.lags.most_ms:.0f}"]
        cells += [f"{figure:.2f}" for figure in (real.ticks_per_s, made.ticks_per_s)]
        cells += [f"{figure:.1f}" for figure in (real.window_ms, made.window_ms)]
        lines.append("| " + " | ".join(cells) + " |")
    return lines
