"""The header of a WAV stream that comes through a pipe, where nobody can seek.

Format after "Multimedia Programming Interface and Data Specifications 1.0" (RIFF) and RFC 2361 (codec numbers).
The length of the data is not believed: programs that write into a pipe do not know it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from amanuensis.stream.formats import AudioFormat, Encoding

MAX_HEADER_BYTES: Final = 65_536  # tags and cue lists may stand before the sound
RIFF_BYTES: Final = 12
CHUNK_BYTES: Final = 8
FMT_BYTES: Final = 16
EXTENSIBLE: Final = 0xFFFE  # the codec is then the first two bytes of a GUID at offset 24
ENCODINGS: Final[dict[tuple[int, int], Encoding]] = {(1, 16): "s16le", (3, 32): "f32le", (7, 8): "mulaw"}


@dataclass(frozen=True, slots=True)
class WavHeader:
    """What the header says; `format` is None for codecs that are not plain streams for us (24 bit and others)."""

    format: AudioFormat | None
    data_at: int  # offset of the first sample in the stream


class HeaderError(ValueError):
    """The stream is not a WAV stream that can be read."""


def parse_wav_header(head: bytes) -> WavHeader | None:
    """Read a WAV header from the beginning of a stream.

    Returns:
        the header, or None when more bytes are needed.

    Raises:
        HeaderError: no WAV header can come of these bytes.
        amanuensis.stream.formats.FormatError: rate or channels are out of bounds.

    """
    if len(head) >= RIFF_BYTES and (head[:4] != b"RIFF" or head[8:12] != b"WAVE"):
        raise HeaderError("no RIFF/WAVE header")
    at, layout = RIFF_BYTES, b""
    while len(head) >= at + CHUNK_BYTES:
        name, size = struct.unpack_from("<4sI", head, at)
        at += CHUNK_BYTES
        if name == b"data":
            return WavHeader(_format_of(layout), at)
        if name == b"fmt ":
            layout = head[at : at + size]
        at += size + (size & 1)  # chunks are padded to an even length
        if at > MAX_HEADER_BYTES:
            raise HeaderError(f"no sound within the first {MAX_HEADER_BYTES} bytes")
    return None


def _format_of(layout: bytes) -> AudioFormat | None:
    if len(layout) < FMT_BYTES:
        raise HeaderError("no format chunk before the sound")
    codec, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", layout)
    if codec == EXTENSIBLE and len(layout) >= 26:
        codec = struct.unpack_from("<H", layout, 24)[0]
    encoding = ENCODINGS.get((codec, bits))
    return AudioFormat(encoding, rate, channels) if encoding else None
