"""Sound out of any container that FFmpeg's libraries read, through PyAV (extra `[media]`)."""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from amanuensis.daemon.sources.base import Chunk, Source, SourceError
from amanuensis.stream.formats import MAX_CHANNELS, AudioFormat, FormatError

if TYPE_CHECKING:
    import av

NOT_INSTALLED: Final = "install what reads other containers: pip install 'amanuensis[media]'"
# Containers of sound and film that hold all their bytes. Playlists, manifests and descriptions of sessions are not:
# FFmpeg would open the files, devices and addresses that they name, and an upload could name any.
CONTAINERS: Final = (
    *("mov", "mp4", "m4a", "3gp", "3g2", "mj2", "matroska", "webm", "ogg", "asf", "avi", "flv", "mpeg", "mpegts"),
    *("mxf", "nut", "rm", "wtv", "dv", "gxf", "ivf", "mp3", "aac", "loas", "ac3", "eac3", "dts", "dtshd", "truehd"),
    *("mlp", "flac", "wav", "w64", "aiff", "caf", "au", "iff", "voc", "ircam", "nistsphere", "sox", "amr", "amrnb"),
    *(
        "amrwb",
        "ape",
        "wv",
        "tta",
        "tak",
        "shn",
        "mpc",
        "mpc8",
        "dsf",
        "oma",
        "qcp",
        "gsm",
        "xwma",
        "mmf",
        "ast",
        "qoa",
    ),
)
LIMITS: Final = {"format_whitelist": ",".join(CONTAINERS), "protocol_whitelist": "none"}
AV_TIME_BASE: Final = 1_000_000  # FFmpeg: units of a container's duration in a second


class MediaSource(Source):
    """The first sound track of a seekable binary stream, as fast as it can be read; the stream is closed with it.

    Args:
        stream: the file.
        name: for errors.

    Raises:
        SourceError: PyAV is not installed, or there is no sound that it can read.

    """

    def __init__(self, stream: BinaryIO, name: str) -> None:
        try:
            import av
        except ImportError:
            raise SourceError(f"{name}: not a sound file that libsndfile reads; {NOT_INSTALLED}") from None
        self.name = name
        self._stream = stream
        self._lock = threading.Lock()  # the container must not be closed while a cancelled task still reads
        self._closed = False
        try:
            stream.seek(0)
            self._container = av.open(stream, mode="r", metadata_errors="ignore", options=dict(LIMITS))
        except (av.FFmpegError, OSError, ValueError) as error:
            raise SourceError(f"{name}: not a sound file that can be read: {_reason(error)}") from None
        if not self._container.streams.audio:
            self._container.close()
            raise SourceError(f"{name}: there is no sound in it")
        self._take_format(av)

    @classmethod
    def of_file(cls, path: Path) -> MediaSource:
        """Open a file.

        Raises:
            SourceError: as above.
            OSError: it cannot be opened.

        """
        stream = path.open("rb")
        try:
            return cls(stream, str(path))
        except SourceError:
            stream.close()
            raise

    def _take_format(self, av: Any) -> None:
        track = self._container.streams.audio[0]
        duration = self._container.duration
        self.duration_s = None if duration is None else duration / AV_TIME_BASE
        channels = track.codec_context.channels
        heard = channels if channels <= MAX_CHANNELS else 1
        try:
            self.format = AudioFormat("f32le", track.codec_context.sample_rate, heard)
        except FormatError as error:
            self._container.close()
            raise SourceError(f"{self.name}: {error}") from None
        layout = track.codec_context.layout if channels <= MAX_CHANNELS else "mono"
        self._resampler = av.AudioResampler(format="flt", layout=layout, rate=self.format.rate)
        self._frames = self._decode(av)

    async def chunks(self) -> AsyncIterator[Chunk]:
        while data := await asyncio.to_thread(self._read):
            yield data

    async def aclose(self) -> None:
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        with self._lock:
            if not self._closed:
                self._closed = True
                self._container.close()
                self._stream.close()

    def _read(self) -> bytes:
        with self._lock:
            return b"" if self._closed else next(self._frames, b"")

    def _decode(self, av: Any) -> Iterator[bytes]:
        """Yield interleaved float32, about a second at a time."""
        waiting = bytearray()
        try:
            for frame in self._container.decode(audio=0):
                waiting += self._converted(frame)
                if len(waiting) >= self.format.bytes_per_s:
                    yield bytes(waiting)
                    waiting.clear()
            waiting += self._converted(None)
        except (av.FFmpegError, OSError, ValueError) as error:
            if waiting:
                yield bytes(waiting)
            raise SourceError(f"{self.name}: the file is damaged: {_reason(error)}") from None
        if waiting:
            yield bytes(waiting)

    def _converted(self, frame: av.AudioFrame | None) -> bytes:
        pieces = self._resampler.resample(frame)
        return b"".join(bytes(piece.planes[0])[: piece.samples * self.format.frame_bytes] for piece in pieces)


def _reason(error: Exception) -> str:
    if getattr(error, "errno", None) == errno.EINVAL:  # of a container that is not among those above
        return "a file of this kind is not read"
    return str(getattr(error, "strerror", None) or error).strip().rstrip(".").lower() or type(error).__name__
