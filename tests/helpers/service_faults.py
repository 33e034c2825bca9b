"""What can happen to a service: kinds of faults, and schedules of them drawn from a seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal, get_args

FaultKind = Literal[
    "kill_engine",
    "kill_daemon",
    "torn_log",
    "terminate",
    "cut",
    "half_open",
    "stalled_watcher",
    "clock_jump",
    "disk_full",
    "corrupt_frames",
    "hangup",
]
KINDS: tuple[FaultKind, ...] = get_args(FaultKind)
ENDS_DAEMON: tuple[FaultKind, ...] = ("kill_daemon", "torn_log", "terminate")
P_AT_ONCE = 0.2  # a fault strikes right after the one before


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that strikes once so much of the first stream was sent: a fraction of it; `draw` seeds its details."""

    kind: FaultKind
    at: float
    draw: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """What happens to one daemon.

    Attributes:
        seed: it was drawn from.
        faults: in order.
        sessions: that speak at the same time.
        recorded: whether their sound is recorded.
        msgpack: whether their events come as msgpack.

    """

    seed: int
    faults: tuple[Fault, ...]
    sessions: int
    recorded: bool
    msgpack: bool


def draw_schedule(seed: int) -> Schedule:
    """Return a schedule of one to five faults; as many seeds in a row as there are kinds have one of each.

    No daemon ends after its disk was full: clients are told that their session would not survive it.
    """
    draw = random.Random(seed)
    kinds: list[FaultKind] = [KINDS[seed % len(KINDS)], *draw.choices(KINDS, k=draw.randint(0, 4))]
    draw.shuffle(kinds)
    if "disk_full" in kinds:
        kinds.sort(key=lambda kind: kind not in ENDS_DAEMON)
    places = sorted(draw.uniform(0.02, 1.0) for _ in kinds)
    for n in range(1, len(places)):
        if draw.random() < P_AT_ONCE:
            places[n] = places[n - 1]
    faults = tuple(Fault(kind, at, draw.getrandbits(32)) for kind, at in zip(kinds, places, strict=True))
    return Schedule(seed, faults, draw.choice((1, 1, 2)), draw.random() < 0.3, draw.random() < 0.5)
