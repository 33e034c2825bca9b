"""Links, and the fifos that `join`, `split` and `forward` make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amanuensis.kernels.sim.device import AIETileType, AnyMemTile, Tile
from amanuensis.kernels.sim.endpoint import Endpoint
from amanuensis.kernels.sim.errors import DesignError
from amanuensis.kernels.sim.fifo import ObjectFifo, ObjectFifoHandle, StreamDims
from amanuensis.kernels.sim.types import ArrayType


class ObjectFifoLink(Endpoint):
    """Fifos joined in one memory: several into one, one into several, or one into one."""

    def __init__(
        self,
        srcs: list[ObjectFifoHandle] | ObjectFifoHandle,
        dsts: list[ObjectFifoHandle] | ObjectFifoHandle,
        tile: Tile | None = AnyMemTile,
        src_offsets: list[int] | None = None,
        dst_offsets: list[int] | None = None,
    ) -> None:
        """State a link.

        Raises:
            DesignError: none or several on both sides, offsets that do not match, or an end that is held already.

        """
        self.sources = srcs if isinstance(srcs, list) else [srcs]
        self.destinations = dsts if isinstance(dsts, list) else [dsts]
        self.source_offsets = src_offsets or []
        self.destination_offsets = dst_offsets or []
        count = len(self.sources), len(self.destinations)
        if 0 in count or (count[0] > 1 and count[1] > 1):
            raise DesignError(f"a link goes from one fifo to several or from several to one, not {count[0]}:{count[1]}")
        offsets = len(self.source_offsets), len(self.destination_offsets)
        if offsets[0] not in {0, count[0]} or offsets[1] not in {0, count[1]}:
            raise DesignError(f"a link of {count[0]}:{count[1]} fifos with {offsets[0]}:{offsets[1]} offsets")
        asked = AnyMemTile if tile is None else tile
        super().__init__(asked.with_type(asked.tile_type or AIETileType.MemTile))
        for handle in (*self.sources, *self.destinations):
            handle.endpoint = self

    @property
    def name(self) -> str:
        """The fifo on the side that has only one."""
        return (self.destinations if len(self.sources) > 1 else self.sources)[0].name


def joined(
    handle: ObjectFifoHandle,
    offsets: list[int],
    tile: Tile | None,
    depths: list[int] | None,
    obj_types: list[ArrayType] | None,
    names: list[str] | None,
    dims_to_stream: list[StreamDims] | None,
    dims_from_stream: list[StreamDims] | None,
    plio: bool,
    repeat_counts: list[int | None] | None,
) -> list[ObjectFifo]:
    """Return the fifos that a producer's objects are joined from.

    Raises:
        DesignError: a consumer handle, or lists of other lengths than the offsets.

    """
    if not handle._is_prod:
        raise DesignError(f"fifo {handle.name}: join() needs a producer handle")
    count = len(offsets)
    depth = _each(handle, "depths", depths, count, handle.depth)
    order = _each(handle, "dims_from_stream", dims_from_stream, count, None)
    fifos = [
        ObjectFifo(obj_type, depth=deep, name=name, dims_to_stream=dims or None, plio=plio, repeat_count=repeat)
        for obj_type, deep, name, dims, repeat in zip(
            _each(handle, "obj_types", obj_types, count, handle.obj_type),
            depth,
            names or [f"{handle.name}_join{i}" for i in range(count)],
            _each(handle, "dims_to_stream", dims_to_stream, count, None),
            _each(handle, "repeat_counts", repeat_counts, count, None),
            strict=True,
        )
    ]
    ends = [fifo.cons(depth=deep, dims_from_stream=dims) for fifo, deep, dims in zip(fifos, depth, order, strict=True)]
    ObjectFifoLink(ends, handle, tile, offsets, [])
    return fifos


def split(
    handle: ObjectFifoHandle,
    offsets: list[int],
    tile: Tile | None,
    depths: list[int] | None,
    obj_types: list[ArrayType] | None,
    names: list[str] | None,
    dims_to_stream: list[StreamDims] | None,
    dims_from_stream: list[StreamDims] | None,
    plio: bool,
    repeat_counts: list[int | None] | None,
) -> list[ObjectFifo]:
    """Return the fifos that a consumer's objects are split into.

    Raises:
        DesignError: a producer handle, or lists of other lengths than the offsets.

    """
    if handle._is_prod:
        raise DesignError(f"fifo {handle.name}: split() and forward() need a consumer handle")
    count = len(offsets)
    fifos = [
        ObjectFifo(
            obj_type,
            depth=deep,
            name=name,
            dims_to_stream=dims or None,
            dims_from_stream_per_cons=order or None,
            plio=plio,
            repeat_count=repeat,
        )
        for obj_type, deep, name, dims, order, repeat in zip(
            _each(handle, "obj_types", obj_types, count, handle.obj_type),
            _each(handle, "depths", depths, count, handle.depth),
            names or [f"{handle.name}_split{i}" for i in range(count)],
            _each(handle, "dims_to_stream", dims_to_stream, count, None),
            _each(handle, "dims_from_stream", dims_from_stream, count, None),
            _each(handle, "repeat_counts", repeat_counts, count, None),
            strict=True,
        )
    ]
    ObjectFifoLink(handle, [fifo.prod() for fifo in fifos], tile, [], offsets)
    return fifos


def _each(handle: ObjectFifoHandle, what: str, values: Sequence[Any] | None, count: int, default: Any) -> list[Any]:
    """Return a value for each offset."""
    if values is None:
        return [default] * count
    if len(values) != count:
        raise DesignError(f"fifo {handle.name}: {len(values)} {what} for {count} offsets")
    return list(values)
