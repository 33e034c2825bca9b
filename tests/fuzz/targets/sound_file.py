"""Sound files: any bytes given to libsndfile as a file and as a stream that can be read again."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Final

from amanuensis.daemon.sources.base import SourceError
from amanuensis.daemon.sources.file import FileSource
from tests.fuzz.target import Target, check_line
from tests.fuzz.targets import wav_stream

KINDS: Final = (
    *(("FLAC", "PCM_16"), ("FLAC", "PCM_24"), ("OGG", "VORBIS")),
    *(("AIFF", "PCM_16"), ("AU", "ULAW"), ("CAF", "ALAC_16")),
)
MAX_READS: Final = 64
MAX_BYTES: Final = 32 << 20  # sound of one second, at the highest rate and most channels that are taken


def seeds() -> list[bytes]:
    """Return short files in several formats."""
    return [*wav_stream.seeds(), *(wav_stream.sound_file(kind, subtype) for kind, subtype in KINDS)]


def prepare(folder: Path) -> Callable[[bytes], None]:
    """Return what reads one file."""
    path = folder / "sound"
    loop = asyncio.new_event_loop()

    def read(data: bytes) -> None:
        path.write_bytes(data)
        loop.run_until_complete(_read(lambda: FileSource(path)))
        loop.run_until_complete(_read(lambda: FileSource.from_stream(io.BytesIO(data), "-")))

    return read


async def _read(opened: Callable[[], FileSource]) -> None:
    """Read a file to its end, or for a while."""
    try:
        source = opened()
    except SourceError as error:
        check_line(error)
        return
    try:
        assert source.duration_s is not None
        assert source.duration_s >= 0
        async with aclosing(source.chunks()) as chunks:
            reads = 0
            async for chunk in chunks:
                assert isinstance(chunk, bytes)
                assert 0 < len(chunk) <= MAX_BYTES
                assert len(chunk) % source.format.frame_bytes == 0
                reads += 1
                if reads == MAX_READS:
                    return
    except SourceError as error:
        check_line(error)
    finally:
        await source.aclose()


TARGET: Final = Target(seeds, prepare, max_bytes=8192)
