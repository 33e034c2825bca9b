"""What an emulated device can be made to do wrong, and when."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias, get_args

DispatchFault: TypeAlias = Literal[
    "timeout",  # hangs until the driver's watchdog ends it with ERT_CMD_STATE_TIMEOUT
    "no_response",  # the same with ERT_CMD_STATE_NORESPONSE
    "hang",  # never ends
    "error",  # ends with ERT_CMD_STATE_ERROR
    "zeros",  # ends well, and what it should have written is zeros
    "slow",  # takes `factor` times as long
    "idle_wake",  # the device was asleep
    "evicted",  # cannot start (ENOENT), nor can anything else until all contexts are closed
    "context_lost",  # is aborted, and its context is gone
    "device_lost",  # cannot start (ENODEV); the device is gone for the next `lasts` openings
]
OtherFault: TypeAlias = Literal[
    "memlock",  # an allocation is refused: the limit of locked memory
    "no_permission",  # the device cannot be opened
]
FaultKind: TypeAlias = DispatchFault | OtherFault
DISPATCH_FAULTS: Final[tuple[DispatchFault, ...]] = get_args(DispatchFault)
FAULT_KINDS: Final[tuple[FaultKind, ...]] = (*DISPATCH_FAULTS, *get_args(OtherFault))


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        kind: what.
        at: at which dispatch (for `memlock` allocation, for `no_permission` opening of a device), counted from 1.
        lasts: how many in a row; of `device_lost`, how many openings of the device fail afterwards.
        factor: of `slow`.

    """

    kind: FaultKind
    at: int = 1
    lasts: int = 1
    factor: float = 10.0

    def __post_init__(self) -> None:
        if self.kind not in FAULT_KINDS:
            raise ValueError(f"fault {self.kind!r} is not known; there are {', '.join(FAULT_KINDS)}")
        if self.at < 1 or self.lasts < 1:
            raise ValueError(f"fault {self.kind} at {self.at} for {self.lasts}: both count from 1")
        if not self.factor >= 1:
            raise ValueError(f"fault {self.kind} with factor {self.factor}: at least 1")

    def covers(self, number: int) -> bool:
        """Say whether the dispatch, allocation or opening of that number is hit."""
        last = self.at if self.kind == "device_lost" else self.at + self.lasts - 1
        return self.at <= number <= last


def seeded_faults(
    seed: int, count: int, within: int, kinds: Sequence[DispatchFault] = DISPATCH_FAULTS
) -> tuple[Fault, ...]:
    """Return `count` faults at random dispatches from 1 to `within`, the same ones for the same seed."""
    draw = random.Random(seed)
    return tuple(Fault(draw.choice(kinds), at=draw.randint(1, within)) for _ in range(count))


class FaultPlan:
    """The faults to come, and how many struck of each kind."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.struck: Counter[FaultKind] = Counter()
        self._faults = list(faults)
        self._seen: Counter[str] = Counter()

    def add(self, fault: Fault) -> None:
        """Plan one more; its `at` counts from now."""
        self._faults.append(replace(fault, at=fault.at + self._seen[_occasion(fault.kind)]))

    def next(self, occasion: Literal["dispatch", "allocation", "opening"]) -> Fault | None:
        """Return the fault that the next dispatch, allocation or opening meets; the first that was planned wins."""
        self._seen[occasion] += 1
        number = self._seen[occasion]
        hit = next((f for f in self._faults if _occasion(f.kind) == occasion and f.covers(number)), None)
        if hit is not None:
            self.struck[hit.kind] += 1
        return hit


def _occasion(kind: FaultKind) -> Literal["dispatch", "allocation", "opening"]:
    if kind == "memlock":
        return "allocation"
    return "opening" if kind == "no_permission" else "dispatch"
