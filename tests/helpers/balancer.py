"""A balancer of a few lines: each connection goes to one of several servers, drawn by a seed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.helpers.tcp_proxy import Proxy


class Balancer(Proxy):
    """Forwards each connection to one of several servers.

    Args:
        seed: of the draws.

    Attributes:
        targets: ports of the servers.

    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.targets: list[int] = []
        self._draw = random.Random(seed)

    def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one connection until either side is gone."""
        self.target = self._draw.choice(self.targets) if self.targets else 0
        super().take(reader, writer)


@asynccontextmanager
async def balancer(seed: int = 0) -> AsyncIterator[Balancer]:
    """Run a balancer on a free port; set its `targets` before clients come."""
    network = Balancer(seed)
    server = await asyncio.start_server(network.take, "127.0.0.1", 0)
    network.port = server.sockets[0].getsockname()[1]
    try:
        yield network
    finally:
        server.close()
        network.targets = []
        await network.aclose()
        await server.wait_closed()
