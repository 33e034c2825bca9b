"""Where a session stands in what its speaker sends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanuensis.daemon.cursor import MAX_SKIP_S, Chunk, Cursor
from amanuensis.daemon.protocol import Audio, ProtocolError
from amanuensis.stream.formats import AudioFormat

STEREO = AudioFormat("s16le", 8000, 2)


@given(st.lists(st.tuples(st.binary(max_size=40), st.integers(0, 3)), max_size=20))
def test_every_chunk_is_taken_once_however_often_it_comes(chunks: list[tuple[bytes, int]]) -> None:
    """What is taken is what was sent, in order; chunks that come again change nothing, also behind newer ones."""
    cursor, taken = Cursor(STEREO), []
    for n, (data, again) in enumerate(chunks):
        for k in (n, *range(max(0, n - again), n + 1)):
            chunk = cursor.take(Audio(k, None, data))
            taken += [chunk] if chunk else []
    assert taken == [Chunk(n, 0, data) for n, (data, _) in enumerate(chunks)]
    assert cursor.next_chunk == len(chunks)
    assert cursor.position_bytes == sum(len(data) for data, _ in chunks)


def test_a_hole_that_is_declared_is_counted_in_bytes() -> None:
    """`at` counts samples of one channel; what lies between is missing, up to a minute of it."""
    cursor = Cursor(STEREO)
    cursor.take(Audio(0, 0, bytes(6)))  # a sample and a half
    assert cursor.take(Audio(1, 10, b"1234")) == Chunk(1, 34, b"1234")
    assert cursor.position_bytes == 44
    for at in (10, 11 + MAX_SKIP_S * 8000 + 1):
        with pytest.raises(ProtocolError, match="expected 11") as caught:
            cursor.take(Audio(2, at, b""))
        assert (caught.value.code, caught.value.close_code) == ("at_mismatch", 4400)
    assert cursor.next_chunk == 2


def test_a_chunk_begins_a_new_count_of_orders() -> None:
    """Orders are counted behind the newest chunk; a chunk that comes again is no new one."""
    cursor = Cursor(STEREO, controls=3)
    cursor.take(Audio(0, None, b""))
    assert cursor.controls == 0
    cursor.controls = 2
    cursor.take(Audio(0, None, b""))
    assert cursor.controls == 2
