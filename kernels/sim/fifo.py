"""Object fifos, their handles and their links, as a design states them.

Names, parameters and defaults follow mlir-aie `python/iron/dataflow/objectfifo.py` (commit in
tests/data/iron/surface.json).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from numpy.typing import NDArray

from amanuensis.kernels.sim import context
from amanuensis.kernels.sim.device import AnyMemTile, Tile
from amanuensis.kernels.sim.endpoint import Endpoint
from amanuensis.kernels.sim.errors import DesignError
from amanuensis.kernels.sim.types import ArrayType, array_of

if TYPE_CHECKING:
    from amanuensis.kernels.sim.runtime import Task

StreamDims: TypeAlias = Sequence[Sequence[int]]
PadDims: TypeAlias = Sequence[Sequence[int]]
MAX_ITER_COUNT: Final = 256


class ObjectFifo:
    """A channel of equal objects from one producer to one consumer or several."""

    _of_index = itertools.count()

    def __init__(
        self,
        obj_type: ArrayType,
        *,
        depth: int | None = 2,
        name: str | None = None,
        dims_to_stream: StreamDims | None = None,
        dims_from_stream_per_cons: StreamDims | None = None,
        plio: bool = False,
        pad_dimensions: PadDims | None = None,
        pad_value: int = 0,
        disable_synchronization: bool = False,
        repeat_count: int | None = None,
        delegate_tile: Tile | None = None,
        via_DMA: bool = False,  # noqa: N803
        init_values: list[NDArray[Any]] | None = None,
        consumer_obj_type: ArrayType | None = None,
        aie_stream: tuple[int, int] | None = None,
    ) -> None:
        """State a fifo.

        Raises:
            DesignError: a depth below 1, or something that is not simulated.

        """
        if depth is not None and depth < 1:
            raise DesignError(f"fifo {name}: a depth must be at least 1, got {depth}")
        self.name = f"of{next(ObjectFifo._of_index)}" if name is None else name
        self._refuse(plio=plio, aie_stream=aie_stream, pad_dimensions=pad_dimensions, delegate_tile=delegate_tile)
        self._refuse(pad_value=pad_value, disable_synchronization=disable_synchronization)
        self._depth = depth
        self._obj_type = obj_type
        self._array = array_of(obj_type)
        self._consumer_array = self._array if consumer_obj_type is None else array_of(consumer_obj_type)
        self._dims_to_stream = dims_to_stream
        self._dims_from_stream_per_cons = dims_from_stream_per_cons
        self._repeat_count = repeat_count
        self._iter_count: int | None = None
        self._via_dma = via_DMA or consumer_obj_type is not None
        self._init_values = init_values
        self._prod: ObjectFifoHandle | None = None
        self._cons: list[ObjectFifoHandle] = []

    def _refuse(self, **unsupported: Any) -> None:
        for what, value in unsupported.items():
            if value:
                raise DesignError(f"fifo {self.name}: {what}={value!r} is not simulated")

    @property
    def depth(self) -> int | None:
        """The depth of ends that state none."""
        return self._depth

    @property
    def dims_from_stream_per_cons(self) -> StreamDims | None:
        """The order in which consumers that state none write what arrives."""
        return self._dims_from_stream_per_cons

    @property
    def dims_to_stream(self) -> StreamDims | None:
        """The order in which the producer's DMA sends an object."""
        return self._dims_to_stream

    @property
    def shape(self) -> Sequence[int]:
        """The shape of an object."""
        return self._array.shape

    @property
    def dtype(self) -> Any:
        """The element type of an object."""
        return self._array.dtype.type

    @property
    def obj_type(self) -> ArrayType:
        """The type of an object."""
        return self._obj_type

    def set_iter_count(self, iter_count: int) -> None:
        """Let the chain of a memory tile's descriptors run so often and then end.

        Raises:
            DesignError: not 1 to 256.

        """
        if not 1 <= iter_count <= MAX_ITER_COUNT:
            raise DesignError(f"fifo {self.name}: an iter_count is 1 to {MAX_ITER_COUNT}, not {iter_count}")
        self._iter_count = iter_count

    def prod(self, depth: int | None = None, channel: int | None = None, tile: Tile | None = None) -> ObjectFifoHandle:
        """Return the one producer handle.

        Raises:
            DesignError: no depth anywhere, or a channel or shim tile other than the one it was pinned to.

        """
        if self._prod is None:
            self._prod = ObjectFifoHandle(self, True, depth, channel=channel, tile=tile)
            return self._prod
        pinned = self._prod
        if channel is not None and channel != pinned.channel:
            raise DesignError(f"fifo {self.name}: its producer is pinned to channel {pinned.channel}, not {channel}")
        if tile is not None and not _same_place(tile, pinned._shim_tile):
            raise DesignError(f"fifo {self.name}: its producer is pinned to {pinned._shim_tile}, not {tile}")
        return pinned

    def cons(
        self,
        depth: int | None = None,
        dims_from_stream: StreamDims | None = None,
        channel: int | None = None,
        tile: Tile | None = None,
    ) -> ObjectFifoHandle:
        """Return a new consumer handle: several of them make the fifo broadcast."""
        handle = ObjectFifoHandle(self, False, depth, dims_from_stream, channel, tile)
        self._cons.append(handle)
        return handle

    def tiles(self, cons_only: bool = False) -> list[Tile]:
        """Return the tiles that the design asks for at the ends.

        Raises:
            DesignError: an end is missing.

        """
        handles = self._cons if cons_only else [*filter(None, [self._prod]), *self._cons]
        tiles = [handle.endpoint.tile for handle in handles if handle.endpoint and handle.endpoint.tile]
        if len(tiles) != len(handles) or not self._cons or (self._prod is None and not cons_only):
            raise DesignError(f"fifo {self.name}: an end is missing")
        return tiles

    def __str__(self) -> str:
        return f"ObjectFifo({self._array}, depth={self.depth}, name={self.name!r})"


def _same_place(one: Tile | None, other: Tile | None) -> bool:
    if one is None or other is None:
        return one is other
    return (one.col, one.row) == (other.col, other.row)


class ObjectFifoHandle:
    """One end of a fifo, of its producer or of a consumer."""

    def __init__(
        self,
        of: ObjectFifo,
        is_prod: bool,
        depth: int | None = None,
        dims_from_stream: StreamDims | None = None,
        channel: int | None = None,
        tile: Tile | None = None,
    ) -> None:
        """State an end.

        Raises:
            DesignError: no depth anywhere, a depth below 1, or dims_from_stream at a producer.

        """
        chosen = of.depth if depth is None else depth
        if chosen is None or chosen < 1:
            raise DesignError(f"fifo {of.name}: a depth of at least 1 must be given, got {chosen}")
        if is_prod and dims_from_stream:
            raise DesignError(f"fifo {of.name}: only consumers have dims_from_stream")
        self._is_prod = is_prod
        self._object_fifo = of
        self._shim_tile = tile
        self._depth = chosen
        self._channel = channel
        self._endpoint: Endpoint | None = None
        self._dims_from_stream = None if is_prod else (dims_from_stream or of.dims_from_stream_per_cons)

    def acquire(self, num_elem: int) -> Any:
        """Wait for objects and return the oldest, or for several an indexable view; counts what is held already.

        Raises:
            DesignError: fewer than one, more than the depth, or not in a core function.

        """
        self._check_count("acquire", num_elem)
        return context.core(f"{self.name}.acquire").acquire(self, num_elem)

    def release(self, num_elem: int) -> None:
        """Give back the oldest objects.

        Raises:
            DesignError: fewer than one, more than the depth or than are held, or not in a core function.

        """
        self._check_count("release", num_elem)
        context.core(f"{self.name}.release").release(self, num_elem)

    def _check_count(self, verb: str, count: int) -> None:
        if not 1 <= count <= self._depth:
            raise DesignError(f"fifo {self.name}: {verb}({count}), but its depth allows 1 to {self._depth}")

    @property
    def name(self) -> str:
        """The name of the fifo."""
        return self._object_fifo.name

    @property
    def channel(self) -> int | None:
        """The DMA channel that the end is pinned to."""
        return self._channel

    @property
    def obj_type(self) -> ArrayType:
        """The type of an object."""
        return self._object_fifo.obj_type

    @property
    def shape(self) -> Sequence[int]:
        """The shape of an object."""
        return self._object_fifo.shape

    @property
    def dtype(self) -> Any:
        """The element type of an object."""
        return self._object_fifo.dtype

    @property
    def handle_type(self) -> str:
        """Either `prod` or `cons`."""
        return "prod" if self._is_prod else "cons"

    @property
    def depth(self) -> int:
        """The depth of this end."""
        return self._depth

    @property
    def dims_from_stream(self) -> StreamDims | None:
        """The order in which this consumer writes what arrives.

        Raises:
            DesignError: it is a producer.

        """
        if self._is_prod:
            raise DesignError(f"fifo {self.name}: a producer has no dims_from_stream")
        return self._dims_from_stream

    @property
    def endpoint(self) -> Endpoint | None:
        """What holds this end."""
        return self._endpoint

    @endpoint.setter
    def endpoint(self, endpoint: Endpoint) -> None:
        if self._endpoint is not None and self._endpoint is not endpoint:
            raise DesignError(f"fifo {self.name}: its {self.handle_type} end is held twice; call cons() for each user")
        self._endpoint = endpoint

    def fill(
        self,
        source: Any,
        tap: Any = None,
        wait: bool = False,
        packet: tuple[int, int] | None = None,
        offset_parameter: Any = None,
        group: Any = None,
        sizes: Any = None,
        strides: Any = None,
        offset: Any = None,
        transfer_len: Any = None,
        managed: bool = True,
    ) -> Task:
        """Queue a transfer from a tensor into the fifo.

        Raises:
            DesignError: not a producer, not in a sequence, no tensor of it, or contradicting arguments.

        """
        if not self._is_prod:
            raise DesignError(f"fifo {self.name}: fill() needs a producer handle")
        return context.sequence(f"{self.name}.fill").transfer(
            self, source, tap, wait, packet, offset_parameter, group, (sizes, strides, offset, transfer_len), managed
        )

    def drain(
        self,
        dest: Any,
        tap: Any = None,
        wait: bool = False,
        packet: tuple[int, int] | None = None,
        offset_parameter: Any = None,
        group: Any = None,
        sizes: Any = None,
        strides: Any = None,
        offset: Any = None,
        transfer_len: Any = None,
        managed: bool = True,
    ) -> Task:
        """Queue a transfer from the fifo into a tensor.

        Raises:
            DesignError: not a consumer, not in a sequence, no tensor of it, or contradicting arguments.

        """
        if self._is_prod:
            raise DesignError(f"fifo {self.name}: drain() needs a consumer handle")
        return context.sequence(f"{self.name}.drain").transfer(
            self, dest, tap, wait, packet, offset_parameter, group, (sizes, strides, offset, transfer_len), managed
        )

    def all_of_endpoints(self) -> list[Endpoint | None]:
        """Return what holds the ends of the fifo."""
        producer = self._object_fifo._prod
        return [producer.endpoint if producer else None, *(handle.endpoint for handle in self._object_fifo._cons)]

    def join(
        self,
        offsets: list[int],
        tile: Tile | None = AnyMemTile,
        depths: list[int] | None = None,
        obj_types: list[ArrayType] | None = None,
        names: list[str] | None = None,
        dims_to_stream: list[StreamDims] | None = None,
        dims_from_stream: list[StreamDims] | None = None,
        plio: bool = False,
        repeat_counts: list[int | None] | None = None,
    ) -> list[ObjectFifo]:
        """Return new fifos whose objects make up one object of this producer's fifo, at offsets in elements."""
        from amanuensis.kernels.sim.link import joined

        return joined(
            self, offsets, tile, depths, obj_types, names, dims_to_stream, dims_from_stream, plio, repeat_counts
        )

    def split(
        self,
        offsets: list[int],
        tile: Tile | None = AnyMemTile,
        depths: list[int] | None = None,
        obj_types: list[ArrayType] | None = None,
        names: list[str] | None = None,
        dims_to_stream: list[StreamDims] | None = None,
        dims_from_stream: list[StreamDims] | None = None,
        plio: bool = False,
        repeat_counts: list[int | None] | None = None,
        pad_dimensions: list[PadDims | None] | None = None,
        pad_value: list[int] | None = None,
    ) -> list[ObjectFifo]:
        """Return new fifos whose objects are parts of one object of this consumer's fifo, at offsets in elements."""
        from amanuensis.kernels.sim.link import split

        if any(pad_dimensions or []) or any(pad_value or []):
            raise DesignError(f"fifo {self.name}: padding is not simulated")
        return split(
            self, offsets, tile, depths, obj_types, names, dims_to_stream, dims_from_stream, plio, repeat_counts
        )

    def forward(
        self,
        tile: Tile | None = AnyMemTile,
        obj_type: ArrayType | None = None,
        depth: int | None = None,
        name: str | None = None,
        dims_to_stream: StreamDims | None = None,
        dims_from_stream: StreamDims | None = None,
        plio: bool = False,
        repeat_count: int | None = None,
        pad_dimensions: PadDims | None = None,
        pad_value: int = 0,
    ) -> ObjectFifo:
        """Return a new fifo that carries this consumer's objects on."""
        return self.split(
            [0],
            tile,
            None if depth is None else [depth],
            None if obj_type is None else [obj_type],
            [name or f"{self.name}_fwd"],
            None if dims_to_stream is None else [dims_to_stream],
            None if dims_from_stream is None else [dims_from_stream],
            plio,
            [repeat_count],
            [pad_dimensions],
            [pad_value],
        )[0]

    def __str__(self) -> str:
        return f"{self.handle_type} of {self.name}"
