"""Memory, locks, channels and descriptors of every fifo, as the real lowering makes them.

Follows mlir-aie `lib/Dialect/AIE/Transforms/AIEObjectFifoStatefulTransform.cpp` (requiresDMAs, findObjectFifoSize,
createObjectFifoElements, createObjectFifoLocks, createMemTileDMA, createAIETileDMA) at the commit in
tests/data/iron/surface.json.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from numpy.typing import NDArray

from amanuensis.kernels.sim import limits
from amanuensis.kernels.sim.core import Worker
from amanuensis.kernels.sim.endpoint import RuntimeEndpoint
from amanuensis.kernels.sim.errors import DesignError
from amanuensis.kernels.sim.fifo import ObjectFifo, ObjectFifoHandle
from amanuensis.kernels.sim.link import ObjectFifoLink
from amanuensis.kernels.sim.passes import CorePass, object_array
from amanuensis.kernels.sim.place import Placer
from amanuensis.kernels.sim.plan import Channel, Direction, End, FifoPlan, Place, Pool


def reaches(core: Place, memory: Place) -> bool:
    """Say whether a core has a memory in its window: its own and those north, south and west of it."""
    if core.kind != "core" or memory.kind != "core":
        return False
    return (memory.col - core.col, memory.row - core.row) in {(0, 0), (0, 1), (0, -1), (-1, 0)}


class Planner:
    """Plans fifos one after the other; linked ones share the pool of the larger side."""

    def __init__(self, placer: Placer, passes: dict[Worker, CorePass]) -> None:
        self.pools: list[Pool] = []
        self._placer = placer
        self._passes = passes
        self._linked: dict[ObjectFifoLink, Pool] = {}
        self._numbers: defaultdict[tuple[Place, Direction], set[int]] = defaultdict(set)

    def fifo(self, fifo: ObjectFifo) -> FifoPlan:
        """Plan a fifo.

        Raises:
            DesignError: its link does not tile the larger object, initial values that do not fit, or no channel left.

        """
        assert fifo._prod is not None
        producer = End(fifo._prod, self._place(fifo._prod))
        consumers = [End(handle, self._place(handle)) for handle in self._consumers(fifo)]
        memory = self._shared_memory(fifo, producer, consumers)
        if memory is not None:
            size = fifo._prod.depth
            pool = self._pool(Pool(fifo.name, memory, fifo._array, size, _whole(fifo), initial_values(fifo, size)))
            producer.pool = consumers[0].pool = pool
            return FifoPlan(fifo, producer, consumers, shared=True)
        for end in (producer, *consumers):
            self._serve(fifo, end, len({handle.depth for handle in (fifo._prod, *fifo._cons)}) > 1)
        return FifoPlan(fifo, producer, consumers, shared=False)

    def _consumers(self, fifo: ObjectFifo) -> list[ObjectFifoHandle]:
        """Return the consumers; those of the sequence are one."""
        drains = [handle for handle in fifo._cons if isinstance(handle.endpoint, RuntimeEndpoint)]
        return [handle for handle in fifo._cons if handle not in drains[1:]]

    def _place(self, handle: ObjectFifoHandle) -> Place:
        if isinstance(handle.endpoint, RuntimeEndpoint):
            return self._placer.shim[handle._object_fifo, handle._is_prod]
        holder = handle.endpoint
        if holder is None or holder not in self._placer.places:
            raise DesignError(
                f"fifo {handle.name}: its {handle.handle_type} end is held by a worker not in the program"
            )
        return self._placer.places[holder]

    def _shared_memory(self, fifo: ObjectFifo, producer: End, consumers: list[End]) -> Place | None:
        """Return the tile whose memory both ends use, None if a DMA has to move objects."""
        forced = fifo._via_dma or fifo._repeat_count is not None or bool(fifo.dims_to_stream)
        if forced or len(consumers) != 1 or consumers[0].handle.dims_from_stream:
            return None
        if producer.worker is None or consumers[0].worker is None:
            return None
        one, other = producer.place, consumers[0].place
        if reaches(other, one):
            return one
        return other if reaches(one, other) else None

    def _serve(self, fifo: ObjectFifo, end: End, depths_differ: bool) -> None:
        """Give an end its channel, and its pool unless the sequence holds it."""
        handle = end.handle
        channel = Channel(end.place, "MM2S" if handle._is_prod else "S2MM")
        channel.number = self._number(handle, channel)
        channel.dims = (fifo.dims_to_stream if handle._is_prod else handle.dims_from_stream) or None
        channel.repeat = (fifo._repeat_count or 1) if handle._is_prod else 1
        end.channel = channel
        if end.link is not None:
            self._serve_link(end, end.link, channel)
        elif end.worker is not None:
            depth = handle.depth if depths_differ else self._core_depth(handle, end.worker)
            suffix = "" if handle._is_prod else f" at {end.place}"
            initial = initial_values(fifo, handle.depth) if handle._is_prod else ()
            depth = len(initial) or depth
            pool = Pool(fifo.name + suffix, end.place, object_array(handle), depth, (), initial)
            pool.parts = ((0, pool.array.bytes),)
            end.pool = self._pool(pool)
            channel.descriptors = depth * (channel.repeat if depth > 1 else 1)

    def _core_depth(self, handle: ObjectFifoHandle, worker: Worker) -> int:
        """Return how many objects a core's end has: one more than are acquired at a time."""
        most = self._passes[worker].most_acquired[handle]
        if most == 0:
            return handle.depth
        return 1 if most == 1 and handle.depth == 1 else most + 1

    def _serve_link(self, end: End, link: ObjectFifoLink, channel: Channel) -> None:
        pool = self._linked.get(link)
        if pool is None:
            pool = self._linked[link] = self._pool(_link_pool(link, end.place, self._initial_of_link(link)))
        end.pool = pool
        mine = link.destinations if end.handle._is_prod else link.sources
        several = len(link.sources) > 1 or len(link.destinations) > 1
        owner = several and len(mine) == 1
        channel.parts = tuple(range(len(pool.parts))) if owner else (mine.index(end.handle),)
        if owner and channel.repeat > 1:
            raise DesignError(f"fifo {end.handle.name}: the fifo that others are joined into has no repeat_count")
        channel.descriptors = pool.depth * len(channel.parts) * (channel.repeat if pool.depth > 1 or several else 1)

    def _initial_of_link(self, link: ObjectFifoLink) -> tuple[ObjectFifo, int] | None:
        for handle in link.destinations:
            if handle._object_fifo._init_values:
                if len(link.sources) > 1 or len(link.destinations) > 1:
                    raise DesignError(f"fifo {handle.name}: init_values in a join or split are not simulated")
                return handle._object_fifo, handle.depth
        return None

    def _number(self, handle: ObjectFifoHandle, channel: Channel) -> int:
        """Return the channel that a handle is pinned to, or the first free one."""
        taken = self._numbers[channel.place, channel.direction]
        most = limits.of(channel.place.kind).channels
        number = handle.channel if handle.channel is not None else min(set(range(most + 1)) - taken)
        if not 0 <= number < most or number in taken:
            why = f"channel {number} is taken" if number in taken else f"it has {most}"
            raise DesignError(f"{channel.place}: no {channel.direction} channel for fifo {handle.name}: {why}")
        taken.add(number)
        return number

    def _pool(self, pool: Pool) -> Pool:
        self.pools.append(pool)
        return pool


def _whole(fifo: ObjectFifo) -> tuple[tuple[int, int], ...]:
    return ((0, fifo._array.bytes),)


def initial_values(fifo: ObjectFifo, depth: int) -> tuple[NDArray[Any], ...]:
    """Return the objects that a fifo has at first, checked."""
    values = tuple(fifo._init_values or ())
    if values and len(values) != depth:
        raise DesignError(f"fifo {fifo.name}: {len(values)} init_values for a depth of {depth}; give one an object")
    for value in values:
        if (value.shape, value.dtype) != (fifo._array.shape, fifo._array.dtype):
            raise DesignError(f"fifo {fifo.name}: an initial value of {value.shape} {value.dtype} for {fifo._array}")
    return values


def _link_pool(link: ObjectFifoLink, place: Place, initial: tuple[ObjectFifo, int] | None) -> Pool:
    """Return the pool of a link: the objects of the side that has one fifo, cut into those of the other side."""
    joins = len(link.sources) > 1
    one = (link.destinations if joins else link.sources)[0]
    others = link.sources if joins else link.destinations
    whole = one._object_fifo
    array = whole._array if joins else whole._consumer_array
    offsets = (link.source_offsets if joins else link.destination_offsets) or [0]
    at, parts = 0, []
    for handle, offset in zip(others, offsets, strict=True):
        part = handle._object_fifo._consumer_array if joins else handle._object_fifo._array
        if part.dtype != array.dtype:
            raise DesignError(f"fifo {handle.name} has {part.dtype} elements, {one.name} of its link {array.dtype}")
        if offset != at:
            raise DesignError(
                f"fifo {handle.name} begins at element {offset} of an object of {one.name}; the one before ends at {at}"
            )
        parts.append((at * array.dtype.itemsize, part.bytes))
        at += part.elements
    if at != array.elements:
        raise DesignError(f"the parts linked to fifo {one.name} make up {at} elements of its object's {array.elements}")
    values = initial_values(*initial) if initial else ()
    depth = len(values) or one.depth
    return Pool(f"{one.name} at {place}", place, array, depth, tuple(parts), values)
