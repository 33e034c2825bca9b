"""Holds a design to the limits of the device; every limit with its source in `limits` and `check_order`.

What cannot be known without running (liveness, balance of the fifos for the next dispatch) is found by `run`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from amanuensis.kernels.sim import limits
from amanuensis.kernels.sim.check_order import channel_problems
from amanuensis.kernels.sim.check_sequence import sequence_problems, shim_descriptors
from amanuensis.kernels.sim.core import DEFAULT_STACK_BYTES, Buffer, Worker
from amanuensis.kernels.sim.errors import DesignError
from amanuensis.kernels.sim.footprint import FRAME_BYTES, linked_objects, program_bytes, stack_bytes, table_bytes
from amanuensis.kernels.sim.functions import architecture_flags
from amanuensis.kernels.sim.plan import Design, FifoPlan, Place
from amanuensis.kernels.sim.pools import reaches


@dataclass(frozen=True, slots=True)
class TileUse:
    """What a design takes of a tile.

    Attributes:
        memory_bytes: objects and buffers, on a core with its stack and the tables of its kernels.
        stack_bytes: stack of a core.
        program_bytes: stand-in for a core's program, see `footprint`.
        descriptors: buffer descriptors; at a shim tile the most at one time.
        locks: how many.
        mm2s: DMA channels to the streams.
        s2mm: DMA channels from the streams.

    """

    memory_bytes: int = 0
    stack_bytes: int = 0
    program_bytes: int = 0
    descriptors: int = 0
    locks: int = 0
    mm2s: int = 0
    s2mm: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """What a design takes of every tile that it uses."""

    tiles: dict[Place, TileUse]

    def most(self, kind: str) -> TileUse:
        """Return the high-water marks over the tiles of a kind: `core`, `mem` or `shim`."""
        uses = [use for place, use in self.tiles.items() if place.kind == kind]
        fields = TileUse.__dataclass_fields__
        return TileUse(**{name: max((getattr(use, name) for use in uses), default=0) for name in fields})


def check(design: Design) -> Report:
    """Return what a design takes of each tile.

    Raises:
        DesignError: it passes limits; each is named with tile, fifo, value and limit, one a line.

    """
    problems = [*_fifo_problems(design), *_worker_problems(design)]
    report = Report(dict(sorted(_uses(design).items())))
    problems += [problem for place, use in report.tiles.items() for problem in _tile_problems(design, place, use)]
    problems += _descriptor_halves(design)
    problems += sequence_problems(design)
    if problems:
        raise DesignError("\n".join(problems))
    return report


def _fifo_problems(design: Design) -> Iterator[str]:
    for plan in design.fifos:
        yield from (f"fifo {plan.name}: {problem}" for problem in _end_problems(plan))
        for end in plan.ends:
            if end.channel is not None and end.pool is not None:
                where = f"fifo {plan.name}, {end.channel}"
                yield from (f"{where}: {problem}" for problem in channel_problems(end.channel, end.pool))
    for link in design.links:
        repeats = {handle._object_fifo._repeat_count for handle in link.destinations}
        if len(repeats) > 1:
            yield f"link of fifo {link.name}: the fifos split from it share one repeat_count, not {repeats}"
    for pool in design.pools:
        count = pool.depth * max((c.repeat for c in _channels_of(design, pool)), default=1)
        if count > limits.LOCK_VALUE:
            yield f"{pool.place}: the locks of {pool.name} count to {count}; the limit is {limits.LOCK_VALUE}"


def _channels_of(design: Design, pool: Any) -> list[Any]:
    return [end.channel for plan in design.fifos for end in plan.ends if end.pool is pool and end.channel is not None]


def _end_problems(plan: FifoPlan) -> Iterator[str]:
    """Yield what `ObjectFifoCreateOp::verify` (mlir-aie `AIEDialect.cpp`) refuses for the places of the ends."""
    fifo = plan.fifo
    if plan.producer.place.kind == "shim":
        for name, value in (
            ("dims_to_stream", fifo.dims_to_stream),
            ("repeat_count", fifo._repeat_count),
            ("init_values", fifo._init_values),
        ):
            if value:
                yield f"{name} at {plan.producer.place}: the order at a shim is that of the transfer"
    for end in plan.consumers:
        if end.place.kind == "shim" and end.handle.dims_from_stream:
            yield f"dims_from_stream at {end.place}: the order at a shim is that of the transfer"
    if fifo._iter_count is not None and all(end.place.kind != "mem" for end in plan.ends):
        yield f"iter_count {fifo._iter_count}, but none of its ends is on a memory tile"
    sent, taken = fifo._array, fifo._consumer_array
    if sent.dtype != taken.dtype or sent.elements % taken.elements:
        yield f"consumers take {taken}, which does not divide the {sent} that is sent"


def _worker_problems(design: Design) -> Iterator[str]:
    flags = architecture_flags(design.device)
    for worker, found in design.passes.items():
        name, place = design.worker_name(worker), design.places[worker]
        have = _stack(worker)
        for kernel in found.call_sites:
            need = stack_bytes(kernel, flags)
            if need is not None and need + FRAME_BYTES > have:
                yield (
                    f"{name}: kernel {kernel._name} takes {need} B of stack, with the core's {FRAME_BYTES} B "
                    f"{need + FRAME_BYTES}; stack_size is {have}"
                )
        for buffer in worker._buffers:
            at = _buffer_place(design, buffer)
            if not reaches(place, at):
                yield f"{name}: buffer {buffer._name} lies on {at}, which {place} does not reach"


def _stack(worker: Worker) -> int:
    return DEFAULT_STACK_BYTES if worker.stack_size is None else worker.stack_size


def _buffer_place(design: Design, buffer: Buffer) -> Place:
    tile = buffer.tile
    if tile is not None and tile.col is not None and tile.row is not None:
        return Place(tile.col, tile.row)
    assert buffer._owner_worker is not None
    return design.places[buffer._owner_worker]


def _uses(design: Design) -> dict[Place, TileUse]:
    """Return what each tile has to hold."""
    sums: defaultdict[Place, Counter[str]] = defaultdict(Counter)
    flags, kernels = architecture_flags(design.device), design.kernels
    for pool in design.pools:
        sums[pool.place].update(memory_bytes=pool.bytes, locks=pool.locks)
    for _, channel in design.channels:
        sums[channel.place].update({channel.direction.lower(): 1, "descriptors": channel.descriptors})
    for buffer in dict.fromkeys(buffer for worker in design.workers for buffer in worker._buffers):
        sums[_buffer_place(design, buffer)].update(memory_bytes=buffer._array.bytes)
    for worker, place in design.places.items():
        stack = _stack(worker)
        objects = linked_objects(design.passes[worker], kernels, flags)
        program, tables = program_bytes(design.passes[worker], objects), table_bytes(objects)
        sums[place].update(
            memory_bytes=stack + tables, stack_bytes=stack, program_bytes=program, locks=len(worker._barriers)
        )
    for place, count in shim_descriptors(design).items():
        sums[place].update(descriptors=count)
    return {place: TileUse(**counts) for place, counts in sums.items()}


def _tile_problems(design: Design, place: Place, use: TileUse) -> Iterator[str]:
    most = limits.of(place.kind)
    if use.memory_bytes > most.memory_bytes and place.kind != "shim":
        parts = [
            (pool.bytes, f"{pool.name} {pool.depth} x {pool.array}") for pool in design.pools if pool.place == place
        ]
        largest = ", ".join(f"{what} = {size} B" for size, what in sorted(parts, reverse=True)[:4])
        yield (
            f"{place}: {use.memory_bytes} B of memory (stack {use.stack_bytes} B; largest: {largest}); the limit is "
            f"{most.memory_bytes}"
        )
    if use.locks > most.locks:
        yield f"{place}: {use.locks} locks; the limit is {most.locks}"
    if use.descriptors > most.descriptors:
        names = [f"{name} {c.descriptors}" for name, c in design.channels if c.place == place and c.descriptors]
        which = f" ({', '.join(names)})" if names else ""
        yield f"{place}: {use.descriptors} descriptors{which}; the limit is {most.descriptors}"
    if use.program_bytes > limits.PROGRAM_BYTES:
        yield f"{place}: about {use.program_bytes} B of program; the limit is {limits.PROGRAM_BYTES}"


def _descriptor_halves(design: Design) -> Iterator[str]:
    """Yield memory tiles whose even or odd channels need more than their half of the descriptors."""
    counts: Counter[tuple[Place, int]] = Counter()
    for _, channel in design.channels:
        if channel.place.kind == "mem":
            counts[channel.place, channel.number % 2] += channel.descriptors
    half = limits.of("mem").descriptors // 2
    for (place, odd), count in sorted(counts.items()):
        if count > half:
            yield f"{place}: {count} descriptors on its {'odd' if odd else 'even'} channels; the limit is {half}"
