"""A published figure that the cost model is to reproduce."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from amanuensis.kernels.cost.fitted import Fitted

# Beginnings of names that no fit may look at. The first three were chosen before the first fit; the last came with the
# other figures of C11, when that fit and its error on C3 had been seen.
HELD_OUT: Final = ("C1 1024/2048/1024", "C3", "C5", "C11 bf16")


@dataclass(frozen=True, slots=True)
class Target:
    """A published figure.

    Attributes:
        name: which.
        published: its value.
        unit: of the value.
        low, high: the least and the most, as shares of it, that the model may say.
        modelled: says it, from parameters.

    """

    name: str
    published: float
    unit: str
    low: float
    high: float
    modelled: Callable[[Fitted], float]

    @property
    def held_out(self) -> bool:
        """Whether fits may not look at it."""
        return self.name.startswith(HELD_OUT)


def within(share: float) -> tuple[float, float]:
    """Return the ends of a tolerance of so much to each side."""
    return 1 - share, 1 + share


def factor(times: float) -> tuple[float, float]:
    """Return the ends of a tolerance of a factor."""
    return 1 / times, times
