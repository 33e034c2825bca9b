"""Streams of operators as segments: runs that one compiled launch computes, whatever their run-time sizes are.

What the choice of tokens answers nothing in its stream reads, so it goes last: each change of configuration costs a
dispatch of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, product
from typing import Final, Literal, TypeAlias

from amanuensis.kernels.compile.template import Bound, Rooms, bound, sizes_of
from amanuensis.kernels.operators import Nop, Operator, Select

Part: TypeAlias = Literal["encoder", "decoder", "any"]
Covers: TypeAlias = Mapping[str, frozenset[type[Operator]]]  # what each configuration computes
RoomsOf: TypeAlias = Mapping[int, tuple[int, ...]]  # the rooms that there are for a run-time parameter, ascending

# The configurations that may compute an operator of each part of a model, in order of preference: where the first one
# refuses its sizes, the next is asked.
CHOICES: Final[dict[Part, tuple[str, ...]]] = {
    "encoder": ("attention", "products", "choice"),
    "decoder": ("decoder", "products", "choice"),
    "any": ("decoder", "products", "attention", "choice"),
}
TOGETHER: Final = "decoder"  # whose launches may hold several operators


@dataclass(frozen=True)
class Segment:
    """Operators that one launch computes.

    Attributes:
        configurations: that may do it, the preferred one first; the others only where it is one operator.
        operators: in order.

    """

    configurations: tuple[str, ...]
    operators: tuple[Operator, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """The run-time parameters for which it is laid out."""
        return tuple(sorted({size.index for operator in self.operators for size in sizes_of(operator)}))

    def bound(self, rooms: Rooms) -> list[Bound]:
        """Return its launch on each configuration that may do it; none where there is nothing to do."""
        names = self.configurations if len(self.operators) == 1 else self.configurations[:1]
        found = (bound(name, self.operators, rooms) for name in names)
        return [each for each in found if each is not None]

    def apart(self) -> list[Segment]:
        """Return a segment for each operator."""
        return [Segment(self.configurations, (operator,)) for operator in self.operators]

    def variants(self, rooms: RoomsOf) -> Iterator[Rooms]:
        """Yield all rooms for which it may be laid out."""
        limits = {size.index: size.limit for operator in self.operators for size in sizes_of(operator)}
        each = [[(index, room) for room in rooms_up_to(rooms.get(index, ()), limits[index])] for index in self.sizes]
        yield from (dict(pairs) for pairs in product(*each))


def rooms_up_to(rooms: Sequence[int], limit: int) -> list[int]:
    """Return those rooms that are below a limit, and the limit."""
    return [*(room for room in rooms if room < limit), limit]


def segments(operators: Sequence[Operator], part: Part, covers: Covers) -> tuple[list[Segment], list[Operator]]:
    """Return the segments of a stream in the order in which they are dispatched, and what no configuration computes."""
    found: list[Segment] = []
    lacking: list[Operator] = []
    some = [operator for operator in operators if not isinstance(operator, Nop)]
    some.sort(key=lambda operator: isinstance(operator, Select))  # keeps the order otherwise
    for first, run in groupby(some, lambda operator: next(iter(_may(operator, part, covers)), None)):
        alike = tuple(run)
        if first is None:
            lacking += alike
        elif first == TOGETHER and part != "any":
            pieces = (tuple(piece) for _, piece in groupby(alike, _sizes))
            found += [Segment(_all_may(piece, part, covers), piece) for piece in pieces]
        else:
            found += [Segment(_may(operator, part, covers), (operator,)) for operator in alike]
    return found, lacking


def _sizes(operator: Operator) -> frozenset[int]:
    return frozenset(size.index for size in sizes_of(operator))


def configuration_of(operator: Operator, part: Part, covers: Covers) -> str | None:
    """Return the configuration that computes an operator of a part; None where there is none."""
    return next(iter(_may(operator, part, covers)), None)


def _may(operator: Operator, part: Part, covers: Covers) -> tuple[str, ...]:
    """Return the configurations that compute an operator."""
    return tuple(name for name in CHOICES[part] if type(operator) in covers.get(name, frozenset()))


def _all_may(operators: Sequence[Operator], part: Part, covers: Covers) -> tuple[str, ...]:
    """Return the configurations that compute each of several operators."""
    each = [_may(operator, part, covers) for operator in operators]
    return tuple(name for name in each[0] if all(name in names for names in each))
