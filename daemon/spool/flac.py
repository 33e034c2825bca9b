"""A closed segment of raw sound as FLAC, read back before it counts: 16 bits of s16le and mulaw, 24 bits of f32le.

Where FLAC has no form for a rate, the same is a WAV file. Files are named by the first sample in them, so that holes
in a recording show: they lie between files.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile
from numpy.typing import NDArray

from amanuensis.daemon.spool.audio_log import PREFIX as RAW
from amanuensis.daemon.spool.audio_log import SEGMENT_S
from amanuensis.daemon.spool.audio_log import SUFFIX as RAW_SUFFIX
from amanuensis.daemon.spool.audio_reader import read_entries
from amanuensis.daemon.spool.log_file import FILE_MODE, UNFINISHED, explained, reading
from amanuensis.stream.formats import MULAW_TABLE, AudioFormat

PREFIX: Final = "sound-"
FLAC: Final = ".flac"
WAV: Final = ".wav"
FLAC_RATES: Final = 65_535  # Hz; above it FLAC has only multiples of ten
Samples = NDArray[np.signedinteger[Any]]


class FlacError(Exception):
    """Sound cannot be had as FLAC; the message says why."""


def convert(segment: Path, fmt: AudioFormat) -> int:
    """Write a segment's sound as files of at most 10 s beside it, those that are not there; return their bytes.

    An incomplete sample frame at its end is left out: it stands at the head of the next segment, or was cut by a loss.

    Raises:
        FlacError: it does not read back; the raw segment is all there is.
        SpoolError: the disk did not take it.

    """
    first, data = _sound(segment, fmt.frame_bytes)
    n_bytes = 0
    step = round(SEGMENT_S * fmt.rate) * fmt.frame_bytes
    for start in range(0, len(data) - fmt.frame_bytes + 1, step):
        piece = data[start : start + step]
        whole = len(piece) - len(piece) % fmt.frame_bytes
        target = segment.with_name(f"{PREFIX}{first + start // fmt.frame_bytes:015d}{suffix_of(fmt.rate)}")
        n_bytes += 0 if target.exists() else _write(target, samples_of(piece[:whole], fmt), fmt.rate)
    return n_bytes


def settle(folder: Path, fmt: AudioFormat) -> int:
    """Write all that is still raw in a recording that nobody goes on with as files of sound; it takes their place.

    Returns:
        By how many bytes the folder has grown.

    Raises:
        FlacError: something does not read back; what follows stays raw.
        SpoolError: the disk did not take it; the same.

    """
    grown = 0
    for segment in sorted(folder.glob(f"{RAW}*{RAW_SUFFIX}")):
        grown += convert(segment, fmt)
        try:
            grown -= segment.stat().st_size
            segment.unlink()
        except OSError as error:
            raise explained(segment, error) from None
    return grown


def suffix_of(rate: int) -> str:
    """Return what the names of files of sound end in."""
    return FLAC if rate <= FLAC_RATES or rate % 10 == 0 else WAV


def samples_of(data: bytes, fmt: AudioFormat) -> Samples:
    """Return raw sound as whole numbers [n, channels]: int16, or int32 with 24 bits that count for f32le."""
    raw = np.frombuffer(data, fmt.dtype).reshape(-1, fmt.channels)
    if fmt.encoding == "s16le":
        return raw.astype(np.int16)
    if fmt.encoding == "mulaw":
        return np.rint(MULAW_TABLE[raw] * 32768).astype(np.int16)
    finite = np.nan_to_num(raw.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    scaled = np.clip(np.rint(finite * 2**23), -(2**23), 2**23 - 1)
    return np.left_shift(scaled.astype(np.int32), 8)


def _sound(segment: Path, frame_bytes: int) -> tuple[int, bytes]:
    """Return the first sample of a segment, and its sound."""
    first = 0
    pieces: list[bytes] = []
    with reading(segment) as reader:
        for entry in read_entries(reader):
            if entry.data:
                first = first if pieces else (entry.before.position + entry.lost) // frame_bytes
                pieces.append(entry.data)
    return first, b"".join(pieces)


def _write(target: Path, samples: Samples, rate: int) -> int:
    encoded = _encoded(samples, rate)
    path = target.with_name(target.name + UNFINISHED)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            file.write(encoded)
            os.fsync(descriptor)
        if path.read_bytes() != encoded:
            raise FlacError(f"{path}: the disk does not give back what it was given")
        path.replace(target)
    except OSError as error:
        raise explained(path, error) from None
    finally:
        path.unlink(missing_ok=True)
    return len(encoded)


def _encoded(samples: Samples, rate: int) -> bytes:
    """Return a file, decoded once to see that it holds the samples."""
    subtype = "PCM_16" if samples.dtype == np.int16 else "PCM_24"
    memory = io.BytesIO()  # libsndfile would hide from us why a disk did not take it
    try:
        soundfile.write(memory, samples, rate, subtype, format=suffix_of(rate)[1:].upper())
        memory.seek(0)
        again, _ = soundfile.read(memory, dtype=samples.dtype.name, always_2d=True)
    except soundfile.LibsndfileError as error:
        raise FlacError(f"{rate} Hz: {error.error_string}") from None
    if not np.array_equal(again, samples):
        raise FlacError(f"{rate} Hz: it does not read back as it was written")
    return memory.getvalue()


def sound_files(folder: Path) -> Iterator[tuple[int, Path]]:
    """Yield the first sample and the path of each file of sound of a recording, in order."""
    for path in sorted((*folder.glob(f"{PREFIX}*{FLAC}"), *folder.glob(f"{PREFIX}*{WAV}"))):
        yield int(path.stem.removeprefix(PREFIX)), path
