"""A TCP wire between client and daemon that can be cut, or go dead without a word."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from amanuensis.daemon.config import Address


@dataclass
class Wire:
    """All connections that go through it.

    Attributes:
        address: where to connect to.
        target: of the daemon; may be replaced.
        budget: bytes that may still pass to the daemon before the wire is cut; None: any number.
        dead: nothing passes, and nobody is told.
        passed: bytes to the daemon so far.
        connections: so far.
        cuts: so far.
        on_cut: called after each.

    """

    address: Address
    target: Address
    budget: int | None = None
    dead: bool = False
    passed: int = 0
    connections: int = 0
    cuts: int = 0
    on_cut: Callable[[], None] = lambda: None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def cut(self) -> None:
        """Break all connections, as a cable does."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()
        self.cuts += 1
        self.on_cut()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                if self.dead:
                    continue
                rest = data if self.budget is None or not up else data[: self.budget]
                writer.write(rest)
                await writer.drain()
                if up:
                    self.passed += len(rest)
                    if self.budget is not None:
                        self.budget -= len(rest)
                        if self.budget <= 0:
                            self.cut()
                            return
        if not self.dead:
            writer.close()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry a connection to the daemon."""
        self.connections += 1
        self.dead = False
        try:
            far_reader, far_writer = await asyncio.open_connection(self.target.host, self.target.port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        await asyncio.gather(
            self._carry(reader, far_writer, up=True), self._carry(far_reader, writer, up=False), return_exceptions=True
        )
        self._writers -= {writer, far_writer}


@asynccontextmanager
async def wired(target: Address) -> AsyncIterator[Wire]:
    """Lay a wire to a daemon."""
    wire: Wire

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await wire.accept(reader, writer)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    wire = Wire(Address(*server.sockets[0].getsockname()[:2]), target)
    async with server:
        yield wire
        server.close()
        wire.cut()
