"""The header of a WAV stream, as its bytes come in."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import soundfile

from amanuensis.daemon.sources.wav_stream import MAX_HEADER_BYTES, HeaderError, parse_wav_header
from amanuensis.stream.formats import FormatError
from tests.fuzz.target import Target, check_line

SUBTYPES: Final = ("PCM_16", "FLOAT", "ULAW", "PCM_24", "PCM_U8")


def seeds() -> list[bytes]:
    """Return short files of several encodings, plain and extensible."""
    return [sound_file(kind, subtype) for kind in ("WAV", "WAVEX") for subtype in SUBTYPES]


def sound_file(kind: str, subtype: str, channels: int = 2) -> bytes:
    """Return a short file in a format of libsndfile's."""
    out = io.BytesIO()
    tone = np.sin(np.arange(400) / 5)[:, None] * np.ones(channels)
    soundfile.write(out, tone, 16_000, format=kind, subtype=subtype)
    return out.getvalue()


def prepare(folder: Path) -> Callable[[bytes], None]:
    """Return what reads one header."""
    return read


def read(data: bytes) -> None:
    """Read a header in pieces: what is found does not depend on how the bytes come."""
    found = _outcome(data)
    for end in {len(data) // 3, len(data) // 2, 12, 20, 36, 44, 45}:
        part = _outcome(data[:end])
        if part is not None and end <= len(data):
            assert part == found, f"{part} of {end} bytes, {found} of all"


def _outcome(head: bytes) -> object:
    try:
        header = parse_wav_header(head)
    except (HeaderError, FormatError) as error:
        check_line(error)
        return str(error)
    if header is not None:
        assert 12 < header.data_at <= MAX_HEADER_BYTES + 8
        assert header.data_at <= len(head)
    return header


TARGET: Final = Target(seeds, prepare)
