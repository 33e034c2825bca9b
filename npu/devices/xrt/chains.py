"""Streams of operators as chains of compiled launches: what the host writes into instruction buffers, and when.

A chain is one dispatch: launches of one configuration, one after another in one stream. It is made for the rooms that
hold the run-time sizes of a dispatch, and then patched with the values themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.compile.lowering import Covers, Part, RoomsOf, Segment, rooms_up_to, segments
from amanuensis.kernels.compile.patches import HEADER_WORDS, PatchError, Patches, Words, chained
from amanuensis.kernels.compile.template import Bound, Rooms, Template, Variable, sizes_of
from amanuensis.kernels.operators import Operator
from amanuensis.kernels.program import Architecture
from amanuensis.npu.devices.xrt.dispatches import cut_runs
from amanuensis.npu.devices.xrt.errors import ProgramError
from amanuensis.npu.devices.xrt.package import Package

_WORD_BYTES = 4
InputWords = NDArray[np.int32]  # INPUT as the host has put it together: parameters, then ids and rules


@dataclass(frozen=True, slots=True)
class Varying:
    """A variable of a chain: the word of INPUT that it is set from."""

    template: Template
    variable: Variable
    word: int

    def value(self, given: InputWords) -> int:
        """Return its value; ProgramError where the launch was not made for it."""
        setting = int(given[self.word])
        if not self.variable.least <= setting <= self.variable.most:
            raise ProgramError(
                f"{self.template}: {self.variable} is {setting}, and its launch takes {self.variable.least} to "
                f"{self.variable.most}"
            )
        return self.template.value(self.variable, setting)


@dataclass(frozen=True)
class Chain:
    """The words of a dispatch, and what varies in them.

    Attributes:
        words: with what does not vary from dispatch to dispatch put in.
        patches: for the rest.
        varying: the variables of the patches.

    """

    words: Words
    patches: Patches
    varying: tuple[Varying, ...]

    def values(self, given: InputWords) -> tuple[int, ...]:
        """Return the values for a dispatch."""
        return tuple(each.value(given) for each in self.varying)

    def patched(self, values: Sequence[int]) -> Words:
        """Return the words for a dispatch."""
        return self.patches.apply(self.words, values)


@dataclass(frozen=True)
class Link:
    """What becomes one dispatch, for all rooms: segments of one configuration.

    Attributes:
        configuration: its name.
        segments: in order.
        package: where their launches are.
        made: chains by the rooms of their sizes.

    """

    configuration: str
    segments: tuple[Segment, ...]
    package: Package
    made: dict[tuple[int, ...], Chain | None] = field(default_factory=dict, repr=False)

    @property
    def sizes(self) -> dict[int, int]:
        """The run-time parameters for which it is laid out, with their limits."""
        return {
            size.index: size.limit
            for segment in self.segments
            for operator in segment.operators
            for size in sizes_of(operator)
        }

    def chain(self, rooms: Rooms) -> Chain | None:
        """Return the chain for some rooms; None where there is nothing to do in it."""
        key = tuple(rooms[index] for index in sorted(self.sizes))
        if key not in self.made:
            bounds = [bound for segment in self.segments if (bound := _there(segment, rooms, self.package)) is not None]
            self.made[key] = _chain(bounds, self.package) if bounds else None
        return self.made[key]


@dataclass(frozen=True, slots=True)
class Linker:
    """Makes dispatches of streams.

    Attributes:
        covers: what each configuration computes.
        rooms: that there are for run-time sizes.
        package: which must have a launch for each of them.
        architecture: by whose prices a dispatch ends long before the driver's watchdog.

    """

    covers: Covers
    rooms: RoomsOf
    package: Package
    architecture: Architecture

    def links(self, operators: Sequence[Operator], part: Part) -> tuple[Link, ...]:
        """Return the dispatches of a stream; ProgramError where a launch is missing, which it names."""
        found, lacking = segments(operators, part, self.covers)
        if lacking:
            raise ProgramError(f"no configuration computes {type(lacking[0]).__name__} of the {part}")
        pairs = (pair for segment in found for pair in _compiled(segment, self.rooms, self.package))
        made: list[Link] = []
        for name, run in groupby(pairs, lambda pair: pair[0]):
            pieces = cut_runs([segment for _, segment in run], lambda each: each.operators, self.architecture)
            made += [Link(name, tuple(piece), self.package) for piece in pieces]
        return tuple(made)


def _compiled(segment: Segment, rooms: RoomsOf, package: Package) -> Iterator[tuple[str, Segment]]:
    """Yield a segment with its configuration, or what it falls apart into where it was not compiled in one piece."""
    missing, name = None, segment.configurations[0]
    for chosen in segment.variants(rooms):
        candidates = segment.bound(chosen)
        there = next((bound for bound in candidates if package.has(bound.template)), None)
        if there is not None:
            name = there.template.configuration
        elif candidates:
            missing = missing or (candidates[0].template, chosen)
    if missing is None:
        yield name, segment
    elif len(segment.operators) > 1:
        for each in segment.apart():
            yield from _compiled(each, rooms, package)
    else:
        template, chosen = missing
        told = f" of sizes {sorted(chosen.values())}" if chosen else ""
        raise ProgramError(
            f"{package.folder} has no launch for {template}{told} on {template.configuration} ({template.key}); "
            f"{package.again}"
        )


def _there(segment: Segment, rooms: Rooms, package: Package) -> Bound | None:
    return next((bound for bound in segment.bound(rooms) if package.has(bound.template)), None)


def _chain(bounds: Sequence[Bound], package: Package) -> Chain:
    streams: list[Words] = []
    varying: list[Varying] = []
    parts: list[Patches] = []
    before = 0  # words of the launches before, without headers
    for bound in bounds:
        launch, template = package.launch(bound.template), bound.template
        pairs = list(zip(template.variables, bound.sources, strict=True))
        fixed = np.array([source if variable.kind == "base" else 0 for variable, source in pairs], np.int64)
        streams.append(launch.patches.apply(launch.words, fixed))
        numbers = np.full(len(pairs), -1)
        for place, (variable, source) in enumerate(pairs):
            if variable.kind != "base":
                numbers[place] = len(varying)
                varying.append(Varying(template, variable, source if variable.kind != "id" else source // _WORD_BYTES))
        kept = numbers[launch.patches.variables] >= 0 if pairs else np.zeros(0, np.bool_)
        at, which = launch.patches.at[kept] + before, numbers[launch.patches.variables[kept]]
        parts.append(Patches(at, which.astype(np.int32), launch.patches.coefficients[kept]))
        before += launch.words.size - HEADER_WORDS
    try:
        words = chained(streams)
    except PatchError as error:
        raise ProgramError(f"{package.folder}: {error}; {package.again}") from error
    return Chain(words, Patches.joined(parts), tuple(varying))


def rooms_for(sizes: Mapping[int, int], rooms: RoomsOf, given: InputWords) -> dict[int, int]:
    """Return the smallest room for each run-time size; ProgramError where one is beyond its limit."""
    return {
        index: room_for(int(given[index]), rooms_up_to(rooms.get(index, ()), limit)) for index, limit in sizes.items()
    }


def room_for(size: int, rooms: Sequence[int]) -> int:
    """Return the smallest room that holds a size: 0 for nothing; ProgramError where there is none."""
    if size == 0:
        return 0
    room = next((each for each in rooms if size <= each), None)
    if room is None or size < 0:
        raise ProgramError(f"a size of {size}; there are launches for {', '.join(map(str, rooms))}")
    return room
