"""Framing: whatever happens to a log, its reader returns a prefix of what was written."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanuensis.daemon.spool.records import MAX_RECORD_BYTES, RecordError, RecordReader, encode_record

VALUES = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.binary()
RECORDS = st.dictionaries(st.text(max_size=8), VALUES | st.lists(VALUES, max_size=4) | st.text(), max_size=4)
LOGS = st.lists(RECORDS, min_size=1, max_size=6)


def read(log: bytes) -> tuple[list[dict[str, Any]], RecordReader]:
    """Return the records of a log, and its reader."""
    reader = RecordReader(io.BytesIO(log), len(log))
    return list(reader), reader


@given(LOGS)
def test_what_was_written_is_read(records: list[dict[str, Any]]) -> None:
    """A whole log gives back its records, and nothing is torn."""
    log = b"".join(map(encode_record, records))
    again, reader = read(log)
    assert (again, reader.torn, reader.good_bytes) == (records, "", len(log))


@given(LOGS, st.data())
def test_any_truncation_leaves_a_prefix(records: list[dict[str, Any]], data: st.DataObject) -> None:
    """A log that is cut anywhere gives the records before the cut, and says where it stopped."""
    log = b"".join(map(encode_record, records))
    cut = data.draw(st.integers(0, len(log)))
    again, reader = read(log[:cut])
    assert again == records[: len(again)]
    assert reader.good_bytes == sum(len(encode_record(record)) for record in again)
    assert bool(reader.torn) == (reader.good_bytes < cut)


@given(LOGS, st.data())
def test_any_bit_flip_leaves_a_prefix(records: list[dict[str, Any]], data: st.DataObject) -> None:
    """A log with a flipped bit gives the records before it and nothing of what it hit."""
    log = bytearray(b"".join(map(encode_record, records)))
    bit = data.draw(st.integers(0, 8 * len(log) - 1))
    log[bit // 8] ^= 1 << bit % 8
    again, reader = read(bytes(log))
    assert again == records[: len(again)]
    assert reader.good_bytes <= bit // 8
    assert reader.torn


@given(st.binary(max_size=200))
def test_anything_can_be_read(noise: bytes) -> None:
    """No bytes make the reader raise."""
    records, reader = read(noise)
    assert reader.torn or not noise
    assert records == [] or reader.good_bytes


@given(LOGS, st.integers(1, 64))
def test_zeros_at_the_end_are_no_records(records: list[dict[str, Any]], n_zeros: int) -> None:
    """What power loss leaves behind is cut off."""
    log = b"".join(map(encode_record, records))
    again, reader = read(log + bytes(n_zeros))
    assert (again, reader.good_bytes) == (records, len(log))


def test_a_claimed_length_takes_no_memory() -> None:
    """A length beyond the limit, or beyond the file, is refused before anything is read."""
    for length in (MAX_RECORD_BYTES + 1, 2**32 - 1, 100):
        _, reader = read(length.to_bytes(4, "little") + bytes(20))
        assert (reader.good_bytes, bool(reader.torn)) == (0, True)


def test_records_that_cannot_be_written_are_refused() -> None:
    """What msgpack has no form for, and what is too long, is refused in one line."""
    with pytest.raises(RecordError, match="cannot be packed"):
        encode_record({"x": object()})
    with pytest.raises(RecordError, match="it may have"):
        encode_record({"x": bytes(MAX_RECORD_BYTES)})


def test_a_rejected_record_is_cut_off_too() -> None:
    """A record whose content is wrong is as good as torn."""
    reader = RecordReader(io.BytesIO(encode_record({"a": 1}) + encode_record({"b": 2})), 100)
    for record in reader:
        if "b" in record:
            reader.reject("b is not known")
    assert reader.good_bytes == len(encode_record({"a": 1}))
    assert reader.torn.startswith("b is not known at byte")
