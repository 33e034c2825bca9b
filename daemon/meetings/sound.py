"""The sound of a recorded session: files of at most 10 s, and a source that plays them again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import soundfile

from amanuensis.daemon.sources.base import Chunk, Lost, Source, SourceError
from amanuensis.daemon.spool.audio_log import PREFIX, SUFFIX
from amanuensis.daemon.spool.flac import FlacError, convert, sound_files
from amanuensis.daemon.spool.header import read_header
from amanuensis.daemon.spool.log_file import SpoolError
from amanuensis.stream.formats import AudioFormat

NOT_RECORDED = "not recorded"


def finished_sound(folder: Path) -> list[tuple[int, Path]]:
    """Return the first sample and the path of each file of sound of a session in which nobody records any more.

    Raises:
        SourceError: there is sound that cannot be read.

    """
    try:
        fmt = read_header(folder).audio
        for segment in sorted(folder.glob(f"{PREFIX}*{SUFFIX}")):  # a full disk has left it raw, or it is about to go
            convert(segment, fmt)
    except (FlacError, SpoolError) as error:
        raise SourceError(str(error)) from None
    return list(sound_files(folder))


class RecordedSound(Source):
    """A recorded session as a source, as fast as it can be read; where sound is missing, samples are lost.

    Args:
        folder: of the session, in which nobody records any more.

    Raises:
        SourceError: its sound cannot be read, or there is none.

    """

    def __init__(self, folder: Path) -> None:
        self.name = folder.name
        self._files = finished_sound(folder)
        if not self._files:
            raise SourceError(f"{folder}: there is no sound in it")
        fmt = read_header(folder).audio
        self.format = AudioFormat("s16le", fmt.rate, fmt.channels)
        last, path = self._files[-1]
        self.duration_s = (last + soundfile.info(path).frames) / fmt.rate

    async def chunks(self) -> AsyncIterator[Chunk]:
        """Yield the sound in pieces of a second."""
        position = 0
        for first, path in self._files:
            if first > position:
                yield Lost(first - position, NOT_RECORDED)
            try:
                samples, _ = await asyncio.to_thread(soundfile.read, path, dtype="int16", always_2d=True)
            except soundfile.LibsndfileError as error:
                raise SourceError(f"{path}: {error.error_string}") from None
            fresh = samples[max(0, position - first) :]
            position = max(position, first + len(samples))
            for start in range(0, len(fresh), self.format.rate):
                yield fresh[start : start + self.format.rate].tobytes()

    async def aclose(self) -> None:
        """Nothing is held open."""
