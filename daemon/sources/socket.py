"""A tcp or unix socket as a source of raw PCM: it listens, and takes one sender at a time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

from amanuensis.daemon.sources.base import Chunk, Pause, Source, SourceError
from amanuensis.daemon.sources.stdin import whole_frames
from amanuensis.stream.formats import AudioFormat

READ_BYTES: Final = 16_384
NOT_OTHERS: Final = 0o177  # umask: only the owner may send sound through a unix socket
KEEP_ALIVE: Final = (  # a sender that has vanished without a word holds the only place for a minute and a half at most
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60),  # s of silence
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),  # s
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)
BUSY: Final = b"busy: another sender is connected\n"


class SocketSource(Source):
    """Waits for a sender, hears it to its end, then waits for the next one.

    A second sender is turned away while one is heard. When a sender leaves, a `Pause` is yielded, so that
    its last words become final.

    Args:
        address: "tcp:HOST:PORT" or "unix:PATH", as on the command line.
        fmt: how the senders' bytes are to be read.
        say: told in words who comes and goes.

    """

    def __init__(self, address: str, fmt: AudioFormat, say: Callable[[str], None]) -> None:
        self.name = address
        self.format = fmt
        self._say = say
        self._server: asyncio.Server | None = None
        self._path: Path | None = None
        self._sender: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._came = asyncio.Event()
        self._closed = False

    async def open(self) -> None:
        """Start to listen.

        Raises:
            SourceError: the address is wrong or taken.

        """
        try:
            if self.name.startswith("unix:"):
                await self._open_unix(Path(self.name.removeprefix("unix:")))
            else:
                host, port = split_tcp(self.name)
                self._server = await asyncio.start_server(self._arrived, host, port, limit=READ_BYTES)
                where = self._server.sockets[0].getsockname()
                self.name = f"tcp:{where[0]}:{where[1]}"
        except (OSError, OverflowError) as error:
            why = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
            raise SourceError(f"cannot listen on {self.name}: {why.lower()}; choose another address") from None
        fmt = self.format
        self._say(f"waiting for {fmt.encoding} at {fmt.rate} Hz, {fmt.channels} channel(s), on {self.name}")

    async def chunks(self) -> AsyncIterator[Chunk]:
        while not self._closed:
            await self._came.wait()
            if self._sender is None:
                continue
            reader, writer = self._sender
            async for data in whole_frames(blocks(reader), self.format.frame_bytes):
                yield data
            self._sender = None
            self._came.clear()
            await shut(writer)
            if not self._closed:
                self._say("the sender has gone; waiting for the next one")
                yield Pause("the sender has gone")

    async def aclose(self) -> None:
        self._closed = True
        self._came.set()
        if self._sender is not None:
            self._sender[1].close()
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._path is not None:
            self._path.unlink(missing_ok=True)
            self._path = None

    async def _open_unix(self, path: Path) -> None:
        remove_stale(path)
        listener = bind_private(path)
        self._path = path
        self._server = await asyncio.start_unix_server(self._arrived, sock=listener, limit=READ_BYTES)

    async def _arrived(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._sender is not None or self._closed:
            self._say("a second sender was turned away: one is heard at a time")
            writer.write(BUSY)
            await shut(writer)
            return
        keep_alive(writer)
        self._sender = (reader, writer)
        self._came.set()


async def blocks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Yield what a sender sends; a connection that breaks, or times out, ends like one that is closed."""
    with contextlib.suppress(OSError):
        while data := await reader.read(READ_BYTES):
            yield data


def keep_alive(writer: asyncio.StreamWriter) -> None:
    """Let the kernel ask a silent tcp peer whether it is still there; a connection to one that has gone breaks."""
    peer: socket.socket = writer.get_extra_info("socket")
    if peer.family in (socket.AF_INET, socket.AF_INET6):
        for level, option, value in KEEP_ALIVE:
            peer.setsockopt(level, option, value)


def bind_private(path: Path) -> socket.socket:
    """Return a unix socket that was only ever open to its owner: a mode set after binding would come too late."""
    listener = socket.socket(socket.AF_UNIX)
    mask = os.umask(NOT_OTHERS)
    try:
        listener.bind(str(path))
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(mask)
    return listener


async def shut(writer: asyncio.StreamWriter) -> None:
    """Close a connection, broken or not."""
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def split_tcp(address: str) -> tuple[str, int]:
    """Split "tcp:HOST:PORT"; HOST may be an IPv6 address in brackets."""
    host, _, port = address.removeprefix("tcp:").rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise SourceError(f"input {address!r} is not an address: write tcp:HOST:PORT, for example tcp:127.0.0.1:7000")
    return host.strip("[]"), int(port)


def remove_stale(path: Path) -> None:
    """Remove a socket file that nobody listens on any more; complain about anything else that stands there."""
    if not path.exists():
        return
    if not stat.S_ISSOCK(path.stat().st_mode):
        raise SourceError(f"cannot listen on unix:{path}: a file of that name exists and is not a socket")
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise SourceError(f"cannot listen on unix:{path}: another program listens there")
