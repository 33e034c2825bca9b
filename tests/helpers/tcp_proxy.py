"""A small network between clients and a daemon: it forwards TCP, and cuts, freezes or spoils connections when told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

PIECE_BYTES = 65536
DIAL_S = 5.0


@dataclass(eq=False)
class Wire:
    """One connection through the proxy: streams to the client and to the server.

    Attributes:
        flows: cleared while nothing is forwarded in either direction, though both sides stay open.

    """

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    flows: asyncio.Event = field(default_factory=asyncio.Event)

    def cut(self) -> None:
        """Reset both sides."""
        for side in (self.client, self.server):
            side.transport.abort()
        self.flows.set()


class Proxy:
    """Forwards connections to a server, wherever it listens now.

    Attributes:
        port: where it listens itself.
        target: port of the server.
        wires: that are open.

    """

    def __init__(self) -> None:
        self.port = 0
        self.target = 0
        self.wires: set[Wire] = set()
        self._serving: set[asyncio.Task[None]] = set()

    def cut(self) -> None:
        """Cut all connections."""
        for wire in list(self.wires):
            wire.cut()

    def freeze(self) -> None:
        """Forward nothing more on the connections that are open now; new ones work."""
        for wire in self.wires:
            wire.flows.clear()

    def spoil(self, junk: bytes) -> None:
        """Slip bytes into what the clients receive."""
        for wire in self.wires:
            wire.client.write(junk)

    def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one connection until either side is gone."""
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def aclose(self) -> None:
        """Cut all connections, those that come meanwhile too."""
        self.target = 0
        while self._serving:
            self.cut()
            await asyncio.wait(self._serving, timeout=0.1)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(DIAL_S):
                from_server, to_server = await asyncio.open_connection("127.0.0.1", self.target)
        except (OSError, TimeoutError):
            writer.transport.abort()
            return
        wire = Wire(writer, to_server)
        wire.flows.set()
        self.wires.add(wire)
        try:
            async with asyncio.TaskGroup() as ways:
                ways.create_task(_forward(reader, to_server, wire))
                ways.create_task(_forward(from_server, writer, wire))
        finally:
            self.wires.discard(wire)
            wire.cut()


async def _forward(source: asyncio.StreamReader, sink: asyncio.StreamWriter, wire: Wire) -> None:
    """Forward one direction to its end; what was sent before the end arrives."""
    with suppress(OSError):
        while data := await source.read(PIECE_BYTES):
            await wire.flows.wait()
            sink.write(data)
            await sink.drain()
    with suppress(OSError, RuntimeError):
        await wire.flows.wait()
        sink.write_eof()


@asynccontextmanager
async def proxy() -> AsyncIterator[Proxy]:
    """Run a proxy on a free port; set its `target` before clients come."""
    network = Proxy()
    server = await asyncio.start_server(network.take, "127.0.0.1", 0)
    network.port = server.sockets[0].getsockname()[1]
    try:
        yield network
    finally:
        server.close()
        await network.aclose()
        await server.wait_closed()
