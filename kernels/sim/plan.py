"""A design on the array: where its parts stand, which memory, locks, channels and descriptors they take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import NDArray

from amanuensis.kernels.sim.core import Worker
from amanuensis.kernels.sim.device import FIRST_CORE_ROW, Device
from amanuensis.kernels.sim.fifo import ObjectFifo, ObjectFifoHandle, StreamDims
from amanuensis.kernels.sim.kernel import BaseKernel
from amanuensis.kernels.sim.link import ObjectFifoLink
from amanuensis.kernels.sim.passes import CorePass
from amanuensis.kernels.sim.runtime import Command, RuntimeData
from amanuensis.kernels.sim.types import Array

Kind = Literal["core", "mem", "shim"]
Direction = Literal["MM2S", "S2MM"]  # from memory to the stream, from the stream to memory


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A tile of the array."""

    col: int
    row: int

    @property
    def kind(self) -> Kind:
        """What stands there."""
        if self.row >= FIRST_CORE_ROW:
            return "core"
        return "mem" if self.row else "shim"

    def __str__(self) -> str:
        return f"{self.kind}({self.col}, {self.row})"


@dataclass(slots=True, eq=False)
class Pool:
    """The memory of objects at one place, and the locks that count them.

    Attributes:
        name: the fifo's, and which end of it.
        place: the tile whose memory it is.
        array: one object.
        depth: how many.
        parts: offset and size in bytes of each part of an object that is counted on its own; one unless it is linked.
        initial: the objects that are there at first.

    """

    name: str
    place: Place
    array: Array
    depth: int
    parts: tuple[tuple[int, int], ...]
    initial: tuple[NDArray[Any], ...] = ()

    @property
    def bytes(self) -> int:
        """How many bytes of its tile it takes."""
        return self.depth * self.array.bytes

    @property
    def locks(self) -> int:
        """How many locks: one for free and one for full objects, of each part."""
        return 2 * len(self.parts)


@dataclass(slots=True, eq=False)
class Channel:
    """One DMA channel of a tile and the descriptors that it runs.

    Attributes:
        place: the tile.
        direction: towards or from the stream.
        number: which channel of that direction.
        descriptors: how many buffer descriptors it takes; 0 at a shim tile, where they come with the sequence.
        dims: order within a part, as (size, stride) in elements, None for straight on.
        parts: the parts of the pool that it goes through for each object.
        repeat: how often each object is sent.

    """

    place: Place
    direction: Direction
    number: int = -1
    descriptors: int = 0
    dims: StreamDims | None = None
    parts: tuple[int, ...] = (0,)
    repeat: int = 1

    def __str__(self) -> str:
        return f"{self.direction} {self.number} of {self.place}"


@dataclass(slots=True, eq=False)
class End:
    """One end of a fifo on the array; a pool unless it is the sequence's, a channel if a DMA serves it."""

    handle: ObjectFifoHandle
    place: Place
    pool: Pool | None = None
    channel: Channel | None = None

    @property
    def link(self) -> ObjectFifoLink | None:
        """The link that holds it, if one does."""
        holder = self.handle.endpoint
        return holder if isinstance(holder, ObjectFifoLink) else None

    @property
    def worker(self) -> Worker | None:
        """The worker that holds it, if one does."""
        holder = self.handle.endpoint
        return holder if isinstance(holder, Worker) else None


@dataclass(slots=True, eq=False)
class FifoPlan:
    """A fifo on the array: `shared` when two neighbours use one memory without a DMA."""

    fifo: ObjectFifo
    producer: End
    consumers: list[End]
    shared: bool

    @property
    def name(self) -> str:
        """The name of the fifo."""
        return self.fifo.name

    @property
    def ends(self) -> list[End]:
        """All ends."""
        return [self.producer, *self.consumers]


@dataclass(slots=True)
class Design:
    """A whole design on the array, and its sequence."""

    name: str
    device: Device
    workers: list[Worker]
    places: dict[Worker, Place]
    passes: dict[Worker, CorePass]
    fifos: list[FifoPlan]
    links: list[ObjectFifoLink]
    pools: list[Pool]
    data: list[RuntimeData]
    commands: list[Command]

    @property
    def channels(self) -> list[tuple[str, Channel]]:
        """Every DMA channel with the fifo that it serves."""
        return [(plan.name, end.channel) for plan in self.fifos for end in plan.ends if end.channel is not None]

    @property
    def kernels(self) -> list[BaseKernel]:
        """Every kernel that a worker was given or calls."""
        given = [arg for worker in self.workers for arg in worker.flat_fn_args if isinstance(arg, BaseKernel)]
        return list(dict.fromkeys([*given, *(k for found in self.passes.values() for k in found.call_sites)]))

    def worker_name(self, worker: Worker) -> str:
        """Return what to call a worker: its number, function and tile."""
        function = getattr(worker.core_fn, "__name__", "idle")
        return f"worker {self.workers.index(worker)} ({function}) on {self.places[worker]}"
