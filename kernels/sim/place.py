"""Placement: a tile for every worker, link and end at the shim.

What the design pins is kept; the rest is filled in row by row for workers and as near as channels and memory allow for
links and shim ends. The pass of the real toolchain (`--aie-place-tiles`) may choose otherwise: a design that depends on
neighbours should pin its tiles.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from amanuensis.kernels.sim import limits
from amanuensis.kernels.sim.core import Worker
from amanuensis.kernels.sim.device import ROWS, AIETileType, Device, Tile
from amanuensis.kernels.sim.endpoint import Endpoint, RuntimeEndpoint
from amanuensis.kernels.sim.errors import DesignError
from amanuensis.kernels.sim.fifo import ObjectFifo
from amanuensis.kernels.sim.link import ObjectFifoLink
from amanuensis.kernels.sim.plan import Place

_ROWS = {
    AIETileType.CoreTile: range(2, ROWS),
    AIETileType.MemTile: range(1, 2),
    AIETileType.ShimNOCTile: range(1),
}


class Placer:
    """Places the ends of fifos on a device."""

    def __init__(self, device: Device, fifos: list[ObjectFifo]) -> None:
        self.places: dict[Endpoint, Place] = {}
        self.shim: dict[tuple[ObjectFifo, bool], Place] = {}  # of a fifo, for its producer (True) or its consumer
        self._device = device
        self._fifos = fifos
        self._used: Counter[tuple[Place, str]] = Counter()
        self._memory: Counter[Place] = Counter()

    def workers(self, workers: list[Worker]) -> None:
        """Place workers, first the pinned ones.

        Raises:
            DesignError: two on one tile, a tile that is no core's, or more workers than cores.

        """
        taken: dict[Place, Worker] = {}
        for worker in sorted(workers, key=lambda w: (w.tile.col is None) + (w.tile.row is None)):
            free = [place for place in self._candidates(worker.tile, AIETileType.CoreTile) if place not in taken]
            if not free:
                raise DesignError(
                    f"worker {workers.index(worker)} asks for {worker.tile}: taken, or all "
                    f"{self._device.cols * len(_ROWS[AIETileType.CoreTile])} cores of {self._device} are"
                )
            taken[free[0]] = worker
            self.places[worker] = free[0]

    def links(self, links: list[ObjectFifoLink]) -> None:
        """Place links on memory tiles that have channels and memory left.

        Raises:
            DesignError: none has.

        """
        for link in sorted(links, key=self._demand):
            inputs, outputs = len(link.sources), len(link.destinations)
            size = max(
                handle._object_fifo._array.bytes * handle.depth for handle in (*link.sources, *link.destinations)
            )

            def fits(place: Place, inputs: int = inputs, outputs: int = outputs, size: int = size) -> bool:
                most = limits.of(place.kind)
                return (
                    self._used[place, "S2MM"] + inputs <= most.channels
                    and self._used[place, "MM2S"] + outputs <= most.channels
                    and self._memory[place] + size <= most.memory_bytes
                )

            kind = link.tile.tile_type if link.tile and link.tile.tile_type else AIETileType.MemTile
            fifos = [handle._object_fifo for handle in (*link.sources, *link.destinations)]
            place = self._nearest(link.tile, kind, fifos, fits)
            if place is None:
                raise DesignError(
                    f"link of fifo {link.name}: no memory tile of {self._device} (asked for: {link.tile}) has {inputs} "
                    f"S2MM and {outputs} MM2S channels and {size} B left"
                )
            self.places[link] = place
            self._used[place, "S2MM"] += inputs
            self._used[place, "MM2S"] += outputs
            self._memory[place] += size

    def shims(self) -> None:
        """Place the ends that the sequence holds.

        Raises:
            DesignError: no shim tile has a channel left.

        """
        for fifo in self._fifos:
            for handle in (fifo._prod, *fifo._cons):
                if handle is None or not isinstance(handle.endpoint, RuntimeEndpoint):
                    continue
                if (fifo, handle._is_prod) in self.shim:  # the sequence may call cons() once a drain: one end
                    continue
                direction = "MM2S" if handle._is_prod else "S2MM"

                def fits(place: Place, direction: str = direction) -> bool:
                    return self._used[place, direction] < limits.of("shim").channels

                tile = handle.endpoint.tile
                place = self._nearest(tile, AIETileType.ShimNOCTile, [fifo], fits)
                if place is None:
                    raise DesignError(
                        f"fifo {fifo.name}: no shim tile of {self._device} (asked for: {tile or 'any'}) has a "
                        f"{direction} channel left; each has {limits.of('shim').channels}"
                    )
                self.shim[fifo, handle._is_prod] = place
                self._used[place, direction] += 1

    def _nearest(
        self, tile: Tile | None, kind: AIETileType, fifos: Iterable[ObjectFifo], fits: Callable[[Place], bool]
    ) -> Place | None:
        """Return the fitting tile nearest to the columns that the fifos reach already; among equals the least used."""
        first, last = self._columns(fifos)

        def cost(place: Place) -> tuple[int, int, int]:
            used = self._used[place, "S2MM"] + self._used[place, "MM2S"]
            return max(first - place.col, place.col - last, 0), used, place.col

        return min((place for place in self._candidates(tile, kind) if fits(place)), key=cost, default=None)

    def _columns(self, fifos: Iterable[ObjectFifo]) -> tuple[int, int]:
        """Return the first and last column that fifos reach already; all of them if they reach none."""
        columns = [
            self.places[handle.endpoint].col
            for fifo in fifos
            for handle in (fifo._prod, *fifo._cons)
            if handle is not None and handle.endpoint is not None and handle.endpoint in self.places
        ]
        return min(columns, default=0), max(columns, default=self._device.cols - 1)

    def _demand(self, link: ObjectFifoLink) -> tuple[int, int]:
        """Return a key that puts links first that have the least choice of columns, then the largest."""
        handles = [*link.sources, *link.destinations]
        first, last = self._columns([handle._object_fifo for handle in handles])
        return last - first, -len(handles)

    def _candidates(self, tile: Tile | None, kind: AIETileType) -> list[Place]:
        """Return the places of a kind that a tile of the design may mean, row by row."""
        if tile is not None and tile.col is not None and tile.row is not None:
            found = self._device.get_tile_type(tile.col, tile.row)
            if found is not kind:
                raise DesignError(f"tile ({tile.col}, {tile.row}) of {self._device} is a {found.name}, no {kind.name}")
        rows = [row for row in _ROWS[kind] if tile is None or tile.row in {None, row}]
        columns = [col for col in range(self._device.cols) if tile is None or tile.col in {None, col}]
        return [Place(col, row) for row in rows for col in columns]
