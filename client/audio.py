"""What may be spoken: names of sound sources, bytes, and whatever yields them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
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
    """Read an iterable that may block, in a thread: events come meanwhile."""
    pieces = iter(audio)
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece
