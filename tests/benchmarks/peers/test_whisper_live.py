"""Messages of WhisperLive's server, as it sent them for "good morning, what time is it? It is nine forty two ..."."""

from __future__ import annotations

from typing import Any

from amanuensis.benchmarks.peers.whisper_live import Segments


def message(*segments: tuple[str, str, str, bool]) -> dict[str, Any]:
    """A message with segments (start, end, text, completed)."""
    keys = ("start", "end", "text", "completed")
    return {"uid": "1", "segments": [dict(zip(keys, segment, strict=True)) for segment in segments]}


DONE = ("1.020", "2.020", " good morning what time is it", True)
RECORDED = (
    message(("1.000", "2.000", " good morning what", False)),
    message(("1.000", "2.440", " good morning what time is it", False)),
    message(DONE, ("3.740", "3.980", " it is nine", False)),
    message(DONE, ("2.040", "2.500", " i'm is it", True), ("4.700", "5.800", " it is nine forty two", False)),
)


def test_completed_segments_are_committed_once() -> None:
    """Each message repeats the last segments; only those that begin after the last committed one are new."""
    segments = Segments()
    assert [segments.read(one) for one in RECORDED] == [
        [("partial", " good morning what")],
        [("partial", " good morning what time is it")],
        [("commit", " good morning what time is it"), ("partial", " it is nine")],
        [("commit", " i'm is it"), ("partial", " it is nine forty two")],
    ]


def test_the_last_segment_stays_at_the_end() -> None:
    """Its client writes the last segment down although it was never completed."""
    segments = Segments()
    for one in RECORDED:
        segments.read(one)
    assert segments.close() == [("commit", " it is nine forty two")]
    assert Segments().close() == []


def test_the_same_message_again_says_nothing() -> None:
    """A client shows nothing new when nothing is new; messages without segments say nothing either."""
    segments = Segments()
    segments.read(RECORDED[2])
    assert segments.read(RECORDED[2]) == []
    assert segments.read({"uid": "1", "language": "en", "language_prob": 1.0}) == []
