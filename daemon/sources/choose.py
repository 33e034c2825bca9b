"""From what stands after `--input` to an open source."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from amanuensis.daemon.sources.base import Source, SourceError
from amanuensis.stream.formats import AudioFormat

DEFAULT_RAW = AudioFormat("s16le", 16_000, 1)  # what a socket carries if nothing is said


@dataclass(frozen=True, slots=True)
class InputRequest:
    """What the command line says about the sound.

    Attributes:
        spec: NAME, INDEX, file:PATH, tcp:HOST:PORT, unix:PATH, - (standard input); None: the default microphone.
        raw: format of PCM without a header; None: the header tells.
        speed: for files: 1 is real time, 0 as fast as they can be read.

    """

    spec: str | None = None
    raw: AudioFormat | None = None
    speed: float = 1.0


@contextlib.asynccontextmanager
async def open_source(request: InputRequest, say: Callable[[str], None]) -> AsyncIterator[Source]:
    """Open the source that is asked for and close it afterwards.

    Args:
        request: what is wanted.
        say: told in words what a source waits for.

    Raises:
        SourceError: it cannot be opened.

    """
    source = await _open(request, say)
    try:
        yield source
    finally:
        await source.aclose()


async def _open(request: InputRequest, say: Callable[[str], None]) -> Source:
    spec = request.spec
    if spec == "-":
        from amanuensis.daemon.sources.stdin import open_stdin

        return await open_stdin(sys.stdin.buffer, request.raw, request.speed)
    if spec is not None and spec.startswith("file:"):
        from amanuensis.daemon.sources.file import FileSource

        return await asyncio.to_thread(FileSource, Path(spec.removeprefix("file:")), request.speed, request.raw)
    if spec is not None and spec.startswith(("tcp:", "unix:")):
        from amanuensis.daemon.sources.socket import SocketSource

        listener = SocketSource(spec, request.raw or DEFAULT_RAW, say)
        await listener.open()
        return listener
    return await asyncio.to_thread(_open_microphone, request)


def _open_microphone(request: InputRequest) -> Source:
    from amanuensis.daemon.sources.microphone import MicrophoneSource, choose_device, input_devices

    if request.raw is not None:
        raise SourceError("--raw is for files, sockets and standard input; a microphone has its own format")
    try:
        device = choose_device(request.spec, input_devices())
    except SourceError as error:
        if request.spec is not None and Path(request.spec).is_file():
            raise SourceError(f"{error}; to read the file say --input file:{request.spec}") from None
        raise
    return MicrophoneSource(device)
