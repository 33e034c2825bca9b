"""What goes wrong with the device of a chaos session: by seed, at random points."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from amanuensis.npu.pyxrt_emulator import Fault
from amanuensis.npu.pyxrt_emulator.faults import DispatchFault, FaultKind

GROUPS: Final[Mapping[str, tuple[DispatchFault, ...]]] = {
    "lost": ("device_lost", "context_lost", "evicted"),
    "hung": ("hang", "timeout", "no_response", "error"),
    "slow": ("slow", "idle_wake"),
    "lying": ("zeros",),
}
TOLD_AS: Final[Mapping[FaultKind, frozenset[str]]] = {  # `fallback_kind` of the windows that a fault moves to the CPU
    "device_lost": frozenset({"lost", "absent"}),  # absent: while it cannot be opened
    "context_lost": frozenset({"lost"}),
    "evicted": frozenset({"lost"}),
    "hang": frozenset({"timeout"}),
    "timeout": frozenset({"timeout"}),
    "no_response": frozenset({"no_response"}),
    "error": frozenset({"failed"}),
    "slow": frozenset({"timeout"}),  # slower than the deadline; else it is waited for
    "idle_wake": frozenset(),
    "zeros": frozenset({"wrong_answer"}),
    "memlock": frozenset({"memory"}),
    "no_permission": frozenset({"absent"}),
}
MAY_PASS: Final[frozenset[FaultKind]] = frozenset({"slow", "idle_wake"})  # the dispatch may end well all the same
AT_OPENING: Final[frozenset[FaultKind]] = frozenset({"memlock", "no_permission"})
FOR_EVER: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Trouble:
    """The faults of a session, counted from its start, and whether they pass."""

    faults: tuple[Fault, ...]
    passes: bool


NO_TROUBLE: Final = Trouble((), passes=True)


def draw_trouble(seed: int, within: int) -> Trouble:
    """Return one to three faults at dispatches from 1 to `within`; four seeds in a row have one of each group.

    One session in four has a device that is also hard to open again, and one in eight a device that stays broken.
    """
    draw = random.Random(seed)
    groups = [list(GROUPS)[seed % len(GROUPS)], *draw.choices(list(GROUPS), k=draw.randint(0, 2))]
    faults = [_fault(draw, group, within) for group in groups]
    if draw.random() < 0.25:
        faults.append(_at_opening(draw))
    passes = draw.random() >= 0.125
    if not passes:
        broken = draw.choice([kind for group in ("lost", "hung", "lying") for kind in GROUPS[group]])
        faults.append(Fault(broken, at=draw.randint(1, within), lasts=FOR_EVER))
    return Trouble(tuple(faults), passes)


def _fault(draw: random.Random, group: str, within: int) -> Fault:
    kind, at = draw.choice(GROUPS[group]), draw.randint(1, within)
    lasts = draw.choice((1, 1, 2, 5, 20)) if group == "slow" else draw.choice((1, 1, 1, 2, 4))
    return Fault(kind, at, lasts, factor=10 ** draw.uniform(0.5, 6.0))  # to far beyond the deadline of a dispatch


def _at_opening(draw: random.Random) -> Fault:
    if draw.random() < 0.5:
        return Fault("no_permission", lasts=draw.randint(1, 12))
    return Fault("memlock", at=draw.randint(1, 40), lasts=draw.randint(1, 2))
