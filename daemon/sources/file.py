"""A sound file as a source, at real time, a multiple of it, or as fast as it can be read."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO, Final

import soundfile

from amanuensis.daemon.sources.base import Chunk, Pacer, Source, SourceError, chunk_s
from amanuensis.stream.formats import MAX_CHANNELS, AudioFormat, Encoding, FormatError

RAW_SUBTYPES: Final[dict[Encoding, str]] = {"s16le": "PCM_16", "f32le": "FLOAT", "mulaw": "ULAW"}  # libsndfile's names
READ_AHEAD_S: Final = 0.2  # handing each chunk of 20 ms to a thread took 7 % of a live session's time


class FileSource(Source):
    """Any file that libsndfile reads: WAV, FLAC, Ogg, MP3, AIFF and more; or raw PCM where `raw` says how.

    Args:
        path: the file.
        speed: 1 is real time, 2 twice as fast; 0 as fast as it can be read.
        raw: format of a file without a header; None: the header tells.

    Raises:
        SourceError: the file is missing, unreadable, or not sound that libsndfile knows.

    """

    def __init__(self, path: Path, speed: float = 0.0, raw: AudioFormat | None = None) -> None:
        self.name = str(path)
        self.speed = speed
        self._file = open_sound(path, raw, self.name)
        self._lock = threading.Lock()  # libsndfile must not close a file that a cancelled task still reads
        self._take_format()

    @classmethod
    def from_stream(cls, stream: BinaryIO, name: str, speed: float = 0.0) -> FileSource:
        """Read a seekable binary stream, which is closed together with the source."""
        source = cls.__new__(cls)
        source.name, source.speed = name, speed
        source._file = open_sound(stream, None, name)
        source._lock = threading.Lock()
        source._take_format()
        return source

    async def chunks(self) -> AsyncIterator[Chunk]:
        pacer = Pacer(self.speed) if self.speed > 0 else None
        step = round(chunk_s(self.speed) * self.format.rate)
        ahead = step * max(1, round(READ_AHEAD_S * self.format.rate / step))
        step_bytes, done = step * self.format.frame_bytes, 0
        while block := await asyncio.to_thread(self._read, ahead):
            for start in range(0, len(block), step_bytes):
                data = block[start : start + step_bytes]
                if pacer is not None:
                    await asyncio.sleep(pacer.delay_s(done / self.format.rate))
                done += len(data) // self.format.frame_bytes
                yield data

    async def aclose(self) -> None:
        await asyncio.to_thread(self._close)

    def _take_format(self) -> None:
        channels = self._file.channels
        self._mixed = channels > MAX_CHANNELS
        self.duration_s = self._file.frames / self._file.samplerate
        try:
            self.format = AudioFormat("f32le", self._file.samplerate, 1 if self._mixed else channels)
        except FormatError as error:
            self._file.close()
            raise SourceError(f"{self.name}: {error}") from None

    def _close(self) -> None:
        with self._lock:
            self._file.close()

    def _read(self, frames: int) -> bytes:
        with self._lock:
            return b"" if self._file.closed else self._read_open(frames)

    def _read_open(self, frames: int) -> bytes:
        try:
            block = self._file.read(frames, dtype="float32", always_2d=True)
        except (soundfile.SoundFileError, OSError, RuntimeError) as error:
            raise SourceError(f"{self.name}: the file is damaged: {reason(error)}") from None
        if self._mixed:
            block = block.mean(axis=1, keepdims=True)
        data: bytes = block.astype("<f4", copy=False).tobytes()
        return data


def open_sound(file: Path | BinaryIO, raw: AudioFormat | None, name: str) -> soundfile.SoundFile:
    """Open a file with libsndfile, or say in one line why not."""
    if isinstance(file, Path):
        check_readable(file)
    place = os.fsencode(file) if isinstance(file, Path) else file  # a name need not be text
    try:
        if raw is None:
            return soundfile.SoundFile(place)
        subtype = RAW_SUBTYPES[raw.encoding]
        return soundfile.SoundFile(
            place, samplerate=raw.rate, channels=raw.channels, format="RAW", subtype=subtype, endian="LITTLE"
        )
    except (soundfile.SoundFileError, OSError, RuntimeError) as error:
        raise SourceError(
            f"{name}: not a sound file that can be read ({reason(error)}); convert it first, for example: "
            f"ffmpeg -i {shown(name)} -ar 16000 -ac 1 sound.wav"
        ) from None


def check_readable(path: Path) -> None:
    """Complain about a path that cannot be a sound file."""
    if not path.exists():
        raise SourceError(f"{path}: no such file")
    if path.is_dir():
        raise SourceError(f"{path}: a folder, not a sound file; name its files, for example {path}/*.wav")
    try:
        with path.open("rb") as file:
            empty = path.is_file() and not file.read(1)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from None
    if empty:
        raise SourceError(f"{path}: the file is empty (0 bytes)")


def reason(error: Exception) -> str:
    """Return what libsndfile says, without its prefix."""
    text = str(getattr(error, "error_string", error)).strip()
    return text.removeprefix("Error : ").rstrip(".").lower() or type(error).__name__


def shown(name: str) -> str:
    """Return a file name as it can be typed into a shell."""
    import shlex

    return shlex.quote(name) if name != "-" else "INPUT"
