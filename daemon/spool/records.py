"""Framing of append-only logs: length, CRC32, msgpack map; a reader that stops at the first torn or wrong record.

A record is `<length u32><crc u32><payload>`, little-endian. The CRC covers the length and the payload, so that a run
of zeros, as power loss leaves it at the end of a file, is no record. Reading never raises because of what is in a file.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, Final, TypeAlias

import msgpack

Record: TypeAlias = dict[str, Any]

HEAD: Final = struct.Struct("<II")
LENGTH: Final = struct.Struct("<I")
MAX_RECORD_BYTES: Final = (
    2**26 + 2**16
)  # the largest message that `limits.message_bytes` allows, and what is told of it


class RecordError(ValueError):
    """A record cannot be written: it is too large, or holds what msgpack has no form for."""


def encode_record(record: Record) -> bytes:
    """Return a record as the bytes that are appended.

    Raises:
        RecordError: it is longer than `MAX_RECORD_BYTES`, or cannot be packed.

    """
    try:
        payload: bytes = msgpack.packb(record)
    except (TypeError, ValueError, OverflowError) as error:
        raise RecordError(f"a record cannot be packed: {error}") from None
    if len(payload) > MAX_RECORD_BYTES:
        raise RecordError(f"a record has {len(payload)} bytes; it may have {MAX_RECORD_BYTES}")
    return HEAD.pack(len(payload), _crc(payload)) + payload


class RecordReader:
    """Reads the records of one log, one at a time.

    Args:
        file: opened for reading, at its start.
        size: bytes to read at most, as a file may still grow.

    Attributes:
        good_bytes: where the last good record ended.
        torn: why reading stopped before `size`; empty when it did not.

    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self._last_start = 0
        self.good_bytes = 0
        self.torn = ""

    def __iter__(self) -> Iterator[Record]:
        while self.good_bytes < self._size:
            try:
                n_bytes, record = self._next()
            except _TornError as torn:
                self._stop(str(torn))
                return
            self._last_start = self.good_bytes
            self.good_bytes += n_bytes
            yield record

    def reject(self, why: str) -> None:
        """Take the record that was read last for a wrong one; read nothing more."""
        self.good_bytes = self._last_start
        self._stop(why)
        self._size = self.good_bytes

    def _stop(self, why: str) -> None:
        self.torn = f"{why} at byte {self.good_bytes} of {self._size}"

    def _next(self) -> tuple[int, Record]:
        """Return the bytes and the content of the record at `good_bytes`."""
        rest = self._size - self.good_bytes
        head = self._file.read(HEAD.size) if rest >= HEAD.size else b""
        if len(head) < HEAD.size:
            raise _TornError("the last record is cut off")
        length, crc = HEAD.unpack(head)
        if length > MAX_RECORD_BYTES:
            raise _TornError(f"a record claims {length} bytes")
        payload = self._file.read(length) if length <= rest - HEAD.size else b""
        if len(payload) < length:
            raise _TornError("the last record is cut off")
        if _crc(payload) != crc:
            raise _TornError("a record has a wrong checksum")
        return HEAD.size + length, _unpack(payload)


class _TornError(Exception):
    """Why there is no record."""


def _crc(payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(LENGTH.pack(len(payload))))


def _unpack(payload: bytes) -> Record:
    try:
        record = msgpack.unpackb(payload)
    except (ValueError, TypeError, RecursionError):
        record = None
    if isinstance(record, dict) and all(isinstance(name, str) for name in record):
        return record
    raise _TornError("a record is not a map with names")
