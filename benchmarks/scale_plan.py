"""What is simulated of a cluster, and what comes of it: nodes, speech, trouble, lags (`scale_model` has the clock)."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import Final, Literal

import numpy as np

from amanuensis.daemon.cluster.capacity import WINDOW_FRAMES

TICK_MS: Final = 500.0
TICK_S: Final = TICK_MS / 1000
FRAMES_A_SECOND: Final = 100


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

    def slower(self, factor: float) -> Service:
        """Return the same with every window so many times as long."""
        return replace(self, took_s=tuple(factor * took_s for took_s in self.took_s))

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
        packet_s: sound comes in pieces of that length; 0: as it is said.

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
    packet_s: float = 0.0
    speech: Speech = Speech()
    troubles: tuple[Trouble, ...] = ()
    seed: int = 0


@dataclass(slots=True)
class Outcome:
    """What came of it; lags are from the end of a window's sound to its answer, in seconds.

    Attributes:
        ticks: lags of windows while somebody spoke.
        finals: lags of the windows that end utterances.
        behind: sound of an utterance that had come and was not answered yet, looked at once a second in each session,
            as `lag_ms` of a daemon's `stats` counts it; with the time of the look.
        refused: sessions that were not taken.
        carried: most sessions at one time.
        moved: windows that a host was lost with.
        given_up: windows that were lost with too many hosts.
        superseded: windows that a newer one made needless.
        busy: share of the nodes' time that was computed in.

    """

    ticks: list[float] = field(default_factory=list)
    finals: list[float] = field(default_factory=list)
    behind: list[tuple[float, float]] = field(default_factory=list)
    refused: int = 0
    carried: int = 0
    moved: int = 0
    given_up: int = 0
    superseded: int = 0
    busy: float = 0.0
