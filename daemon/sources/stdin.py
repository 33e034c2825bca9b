"""Standard input as a source: raw PCM, a WAV stream, or any sound file that libsndfile reads.

Raw PCM and plain WAV are heard while they arrive. Other files (FLAC, Ogg, 24-bit WAV ...) need seeking, so they are
first copied to a temporary file.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import threading
from collections.abc import AsyncIterator
from typing import IO, Final

from amanuensis.daemon.sources.base import CHUNK_S, Chunk, Pacer, Source, SourceError
from amanuensis.daemon.sources.file import FileSource
from amanuensis.daemon.sources.wav_stream import HeaderError, WavHeader, parse_wav_header
from amanuensis.stream.formats import AudioFormat, FormatError

READ_BYTES: Final = 65_536
MAX_QUEUED: Final = 16  # reads that wait for the consumer; then the reader waits, and the pipe with it
MAX_COPY_BYTES: Final = 4 << 30  # bound of the temporary file
IN_MEMORY_BYTES: Final = 16 << 20
NAME: Final = "-"


class PipeReader:
    """Reads a binary stream in a thread of its own, so that a silent pipe holds up nothing, not even the exit.

    At most MAX_QUEUED reads wait; then the thread waits, and the sender with it. It reads the descriptor: a thread that
    waits inside a buffered file would hold its lock, which Python wants when it exits.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream  # keeps its descriptor open
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[bytes | OSError] = asyncio.Queue()
        self._room = threading.Semaphore(MAX_QUEUED)
        self._ended = False
        threading.Thread(target=self._run, name="stdin", daemon=True).start()

    async def read(self) -> bytes:
        """Return the next bytes, b"" at the end.

        Raises:
            SourceError: reading has failed.

        """
        if self._ended:
            return b""
        item = await self._queue.get()
        self._room.release()
        if isinstance(item, OSError):
            raise SourceError(f"standard input cannot be read: {item.strerror}")
        self._ended = not item
        return item

    def _run(self) -> None:
        item: bytes | OSError = b"start"
        while item and not isinstance(item, OSError):
            self._room.acquire()
            try:
                item = os.read(self._stream.fileno(), READ_BYTES)
            except OSError as error:
                item = error
            try:
                self._loop.call_soon_threadsafe(self._queue.put_nowait, item)
            except RuntimeError:  # the loop has been closed: nobody listens any more
                return


class StdinSource(Source):
    """Plain PCM that arrives on standard input.

    Args:
        reader: the rest of the stream.
        fmt: how its bytes are to be read.
        head: bytes that were already read.
        speed: 0 takes it as fast as it comes; 1 holds a faster sender back to real time.

    """

    name = NAME

    def __init__(self, reader: PipeReader, fmt: AudioFormat, head: bytes = b"", speed: float = 0.0) -> None:
        self.format = fmt
        self.speed = speed
        self._reader = reader
        self._head = head

    async def chunks(self) -> AsyncIterator[Chunk]:
        pacer = Pacer(self.speed) if self.speed > 0 else None
        done = 0
        async for data in whole_frames(self._blocks(), self.format.frame_bytes):
            for piece in pieces(data, self.format, self.speed):
                if pacer is not None:
                    await asyncio.sleep(pacer.delay_s(done / self.format.rate))
                done += len(piece) // self.format.frame_bytes
                yield piece

    async def aclose(self) -> None:
        """Nothing to let go: the reader's thread ends with its stream or with the process."""

    async def _blocks(self) -> AsyncIterator[bytes]:
        if self._head:
            yield self._head
        while data := await self._reader.read():
            yield data


async def open_stdin(stream: IO[bytes], raw: AudioFormat | None, speed: float = 0.0) -> Source:
    """Open standard input.

    Args:
        stream: its binary stream.
        raw: format of raw PCM; None: a WAV stream or another sound file is expected.
        speed: as in StdinSource.

    Raises:
        SourceError: it is a terminal, empty, or not sound that can be read.

    """
    if stream.isatty():
        raise SourceError(
            "standard input is a terminal: pipe sound into it, for example: cat talk.wav | amanuensis listen --input -"
        )
    reader = PipeReader(stream)
    if raw is not None:
        return StdinSource(reader, raw, speed=speed)
    head = await reader.read()
    if not head:
        raise SourceError("standard input is empty (0 bytes)")
    try:
        header, head = await read_header(reader, head)
        if header is not None and header.format is not None:
            return StdinSource(reader, header.format, head[header.data_at :], speed)
    except FormatError as error:
        raise SourceError(f"standard input: {error}") from None
    return await copied(reader, head, speed)


async def read_header(reader: PipeReader, head: bytes) -> tuple[WavHeader | None, bytes]:
    """Read on until the WAV header is complete; None where there is none. Returns the bytes read as well."""
    try:
        while (header := parse_wav_header(head)) is None:
            more = await reader.read()
            if not more:
                break
            head += more
    except HeaderError:
        header = None
    return header, head


async def copied(reader: PipeReader, head: bytes, speed: float) -> FileSource:
    """Copy the stream into a temporary file and open that."""
    copy = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)  # noqa: SIM115 - the source closes it
    try:
        size, data = 0, head
        while data:
            size += len(data)
            if size > MAX_COPY_BYTES:
                raise SourceError(f"standard input: more than {MAX_COPY_BYTES >> 30} GiB; transcribe a file instead")
            await asyncio.to_thread(copy.write, data)
            data = await reader.read()
        copy.seek(0)
        return FileSource.from_stream(copy, NAME, speed)  # type: ignore[arg-type] # typeshed: not a BinaryIO by name
    except OSError as error:
        copy.close()
        raise SourceError(f"standard input: no room for a temporary copy: {error.strerror}") from None
    except SourceError:
        copy.close()
        raise


async def whole_frames(blocks: AsyncIterator[bytes], frame_bytes: int) -> AsyncIterator[bytes]:
    """Cut a byte stream at sample frames; an incomplete frame at its end is left out: it is no sample."""
    rest = b""
    async for block in blocks:
        data = rest + block
        whole = len(data) - len(data) % frame_bytes
        rest = data[whole:]
        if whole:
            yield data[:whole]


def pieces(data: bytes, fmt: AudioFormat, speed: float) -> list[bytes]:
    """Cut data into pieces that can be paced: 20 ms at real time, all at once at full speed."""
    if speed <= 0:
        return [data]
    step = round(CHUNK_S * max(1.0, speed) * fmt.rate) * fmt.frame_bytes
    return [data[at : at + step] for at in range(0, len(data), step)]
