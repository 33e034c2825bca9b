"""What a speaker keeps until the server does."""

from __future__ import annotations

import json

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanuensis.daemon.outbox import Outbox, OutboxError
from amanuensis.stream.formats import AudioFormat

FORMAT = AudioFormat("s16le", 16000, 2)


def filled(framing: str = "msgpack") -> tuple[Outbox, list[str | bytes]]:
    """Return an outbox with three chunks, two orders behind the second, and its frames."""
    outbox = Outbox(FORMAT, framing)  # type: ignore[arg-type]  # one of the two
    frames: list[str | bytes] = [outbox.audio(bytes(40)), outbox.audio(bytes(80))]
    frames += [outbox.order("mark", id=1), outbox.order("flush", id=None), outbox.audio(bytes(4))]
    return outbox, frames


def test_chunks_are_numbered_and_say_where_they_begin() -> None:
    """`n` counts chunks, `at` counts samples of one channel, and what was skipped is in it."""
    outbox, frames = filled()
    outbox.skip(100)
    frames.append(outbox.audio(bytes(4)))
    maps = [msgpack.unpackb(frame) for frame in frames if isinstance(frame, bytes)]
    assert [(item["n"], item["at"]) for item in maps] == [(0, 0), (1, 10), (2, 30), (3, 131)]
    assert [json.loads(frame) for frame in frames if isinstance(frame, str)] == [
        {"type": "mark", "id": 1},
        {"type": "flush"},
    ]


def test_raw_frames_are_the_sound_itself() -> None:
    """With raw framing nothing is wrapped, and nothing can be skipped."""
    outbox, frames = filled("raw")
    assert frames[0] == bytes(40)
    with pytest.raises(ValueError, match="raw framing"):
        outbox.skip(1)


@pytest.mark.parametrize(("next_chunk", "controls", "rest"), [(0, 0, 0), (1, 0, 1), (2, 0, 2), (2, 2, 4), (3, 0, 5)])
def test_the_rest_is_sent_again(next_chunk: int, controls: int, rest: int) -> None:
    """What the server has not taken is sent again in order, however often it asks."""
    outbox, frames = filled()
    assert outbox.resume(next_chunk, controls) == frames[rest:]
    assert outbox.resume(next_chunk, controls) == frames[rest:]
    assert outbox.acked == next_chunk - 1


@pytest.mark.parametrize(
    ("next_chunk", "controls", "words"), [(4, 0, "wants chunk 4"), (0, 0, "has 1 to 2"), (2, 3, "not what went: 2")]
)
def test_a_server_that_contradicts_itself_is_an_error(next_chunk: int, controls: int, words: str) -> None:
    """A server that wants what it had acknowledged, or has taken what was never sent, is not believed."""
    outbox, _ = filled()
    outbox.acknowledged(0)
    with pytest.raises(OutboxError, match=words):
        outbox.resume(next_chunk, controls)


@given(st.lists(st.one_of(st.integers(0, 50), st.sampled_from(["order", "ack"])), max_size=60))
def test_memory_is_given_back(steps: list[int | str]) -> None:
    """After everything is acknowledged, only orders behind the newest chunk are kept."""
    outbox, behind = Outbox(FORMAT), 0
    for step in steps:
        if step == "order":
            outbox.order("flush")
            behind += 1
        elif step == "ack":
            outbox.acknowledged(outbox.next_chunk - 1)
        else:
            outbox.audio(bytes(4 * int(step)))
            behind = 0
    outbox.acknowledged(outbox.next_chunk - 1)
    assert len(outbox.resume(outbox.next_chunk, 0)) == behind
    assert bool(outbox.kept_bytes) == bool(behind)
