"""What may be spoken: names of sound sources, bytes, and whatever yields them."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from typing import TypeAlias

from amanuensis.daemon.sources.base import Chunk, Source
from amanuensis.daemon.sources.choose import InputRequest, open_source
from amanuensis.stream.formats import AudioFormat

Audio: TypeAlias = str | bytes | Iterable[Chunk] | AsyncIterable[Chunk]
USUAL: AudioFormat = AudioFormat("s16le", 16_000, 1)


class Sound:
    """Open sound.

    Attributes:
        format: of its bytes.

    """

    def __init__(self, fmt: AudioFormat, pieces: AsyncIterable[Chunk], source: Source | None = None) -> None:
        self.format = fmt
        self._pieces = pieces
        self._source = source

    async def until(self, stop: asyncio.Event) -> AsyncIterator[Chunk]:
        """Yield the pieces until they end or `stop` is set, then what the source has captured by then."""
        stopping = asyncio.ensure_future(stop.wait())
        pieces = aiter(self._pieces)
        try:
            while True:
                piece = asyncio.ensure_future(_next(pieces))
                try:
                    await asyncio.wait((piece, stopping), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    if not piece.done():
                        piece.cancel()
                        await asyncio.gather(piece, return_exceptions=True)
                if piece.cancelled() or (data := piece.result()) is None:
                    break
                yield data
        finally:
            stopping.cancel()
        if self._source is not None:
            async for data in self._source.drain():
                yield data


@contextlib.asynccontextmanager
async def open_sound(audio: Audio, fmt: AudioFormat | None, say: Callable[[str], None]) -> AsyncIterator[Sound]:
    """Open whatever a caller calls audio.

    Args:
        audio: see `Client.listen`.
        fmt: of raw bytes; None: 16 kHz, one channel of s16le, or what a named source says.
        say: told what a named source waits for.

    Raises:
        amanuensis.daemon.sources.base.SourceError: a named source cannot be opened.

    """
    if isinstance(audio, str):
        async with open_source(InputRequest(audio, fmt), say) as source:
            yield Sound(source.format, source.chunks(), source)
    elif isinstance(audio, bytes):
        yield Sound(fmt or USUAL, _apart([audio]))
    elif isinstance(audio, AsyncIterable):
        yield Sound(fmt or USUAL, audio)
    else:
        yield Sound(fmt or USUAL, _apart(audio))


async def _next(pieces: AsyncIterator[Chunk]) -> Chunk | None:
    return await anext(pieces, None)


async def _apart(audio: Iterable[Chunk]) -> AsyncIterator[Chunk]:
    """Read an iterable that may block, in a thread: events come meanwhile, and whoever leaves does not wait for it."""
    reader = _Reader(iter(audio))
    threading.Thread(target=reader.run, name="amanuensis sound", daemon=True).start()
    try:
        while (piece := await reader.next()) is not None:
            yield piece
    finally:
        reader.leave()


class _Reader:
    """Takes a piece in its own thread whenever one is wanted."""

    def __init__(self, pieces: Iterator[Chunk]) -> None:
        self._pieces = pieces
        self._loop = asyncio.get_running_loop()
        self._wanted = threading.Semaphore(0)
        self._given: asyncio.Queue[Chunk | Exception | None] = asyncio.Queue()
        self._is_left = False

    def run(self) -> None:
        """Read until it is left."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits for what came too late
            while self._wanted.acquire() and not self._is_left:
                self._loop.call_soon_threadsafe(self._given.put_nowait, self._take())

    async def next(self) -> Chunk | None:
        """Return the next piece; None at the end."""
        self._wanted.release()
        piece = await self._given.get()
        if isinstance(piece, Exception):
            raise piece
        return piece

    def leave(self) -> None:
        """Want no more; a thread that is blocked in the iterable ends with it, or with the program."""
        self._is_left = True
        self._wanted.release()

    def _take(self) -> Chunk | Exception | None:
        try:
            return next(self._pieces, None)
        except Exception as error:
            return error
