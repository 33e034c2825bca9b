"""What holds an end of a fifo."""

from __future__ import annotations

from amanuensis.kernels.sim.device import Tile


class Endpoint:
    """What holds one end of a fifo: a Worker, a link or the sequence."""

    def __init__(self, tile: Tile | None) -> None:
        self._tile = tile

    @property
    def tile(self) -> Tile | None:
        """The tile that the design asks for."""
        return self._tile


class RuntimeEndpoint(Endpoint):
    """The sequence, through a shim tile."""
