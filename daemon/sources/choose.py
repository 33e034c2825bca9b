"""From what stands after `--input` to an open source."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from amanuensis.daemon.sources.base import Source, SourceError
from amanuensis.daemon.sources.names import APP, SYSTEM
from amanuensis.stream.formats import AudioFormat

DEFAULT_RAW = AudioFormat("s16le", 16_000, 1)  # what a socket carries if nothing is said


@dataclass(frozen=True, slots=True)
class InputRequest:
    """What the command line says about the sound.

    Attributes:
        spec: NAME, INDEX, system, app:NAME, file:PATH, tcp:HOST:PORT, unix:PATH, - (standard input); None: the default
            microphone.
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
        return await asyncio.to_thread(_open_file, Path(spec.removeprefix("file:")), request)
    if spec is not None and spec.startswith(("tcp:", "unix:")):
        from amanuensis.daemon.sources.socket import SocketSource

        listener = SocketSource(spec, request.raw or DEFAULT_RAW, say)
        await listener.open()
        return listener
    if request.raw is not None:
        raise SourceError("--raw is for files, sockets and standard input; a microphone has its own format")
    if spec is not None and (spec == SYSTEM or spec.startswith(APP)):
        return await _open_played(spec, say)
    return await _open_microphone(spec, say)


async def _open_played(spec: str, say: Callable[[str], None]) -> Source:
    from amanuensis.daemon.sources.patient import PatientSource
    from amanuensis.daemon.sources.system_sound import FORMAT, ApplicationSound, Recorder, SystemSound

    name = spec.removeprefix(APP).strip()
    if not name:
        raise SourceError(f"input {spec!r} names no application: write app:NAME, for example app:firefox")
    recorder = await Recorder.find()
    if spec == SYSTEM:
        sound = SystemSound(recorder)
        return PatientSource(sound, await sound.open(), FORMAT, say)
    await recorder.playing()  # fails here and now where no server answers
    return PatientSource(ApplicationSound(recorder, name, say), None, FORMAT, say)


def _open_file(path: Path, request: InputRequest) -> Source:
    """Open a file with libsndfile; what is only to be read, not played, may be any container where PyAV is there."""
    from amanuensis.daemon.sources.file import FileSource
    from amanuensis.daemon.sources.media import MediaSource

    try:
        return FileSource(path, request.speed, request.raw)
    except SourceError:
        if request.raw is not None or request.speed > 0 or not path.is_file():
            raise
        with contextlib.suppress(SourceError, OSError):
            return MediaSource.of_file(path)
        raise


async def _open_microphone(spec: str | None, say: Callable[[str], None]) -> Source:
    from amanuensis.daemon.sources.captured import Microphones
    from amanuensis.daemon.sources.patient import PatientSource

    places = Microphones(spec)
    try:
        first = await places.open()
    except SourceError as error:
        if spec is not None and Path(spec).is_file():
            raise SourceError(f"{error}; to read the file say --input file:{spec}") from None
        raise
    return PatientSource(places, first, first.format, say)
