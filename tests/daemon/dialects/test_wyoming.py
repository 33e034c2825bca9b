"""Wyoming's cycles and words as a state machine, and its frames."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from amanuensis.daemon.dialects.wyoming import Answer, Begin, Cycles, Hear, Stop, Transcript, error_event, info_event
from amanuensis.daemon.dialects.wyoming_wire import (
    MAX_PAYLOAD_BYTES,
    WyomingError,
    WyomingEvent,
    encode,
    parse_event,
    parse_header,
)
from amanuensis.stream.events import Commit, Partial, Word
from amanuensis.stream.formats import AudioFormat
from tests.helpers.tone_engine import INFO

SOUND = {"rate": 16000, "width": 2, "channels": 1}
GOLDEN = Path(__file__).parents[2] / "data" / "dialects" / "wyoming.jsonl"


def commit(*texts: str) -> Commit:
    """Return words that are committed together."""
    return Commit(0, tuple(Word(text, 0, 1, 0.9) for text in texts))


def test_a_cycle_is_begun_heard_and_stopped() -> None:
    """What `transcribe` asks for counts for the cycle after it, and for no other."""
    cycles = Cycles(info_event(INFO))
    asked = {"language": "en_US", "name": "any", "transcript_names": ["Ada"], "transcript_terms": ["daemon"]}
    assert cycles.take(WyomingEvent("transcribe", asked)) is None
    begin = cycles.take(WyomingEvent("audio-start", SOUND))
    assert isinstance(begin, Begin)
    assert begin.format == AudioFormat("s16le", 16000, 1)
    assert (begin.options.lang, begin.options.hotwords) == ("en", ("Ada", "daemon"))
    assert cycles.take(WyomingEvent("audio-chunk", SOUND, b"12")) == Hear(b"12")
    assert cycles.take(WyomingEvent("audio-stop")) == Stop()
    begin = cycles.take(WyomingEvent("audio-start", SOUND))
    assert isinstance(begin, Begin)
    assert begin.options.lang is None


def test_events_of_other_kinds_are_let_pass() -> None:
    """A voice assistant sends more than is meant for us; a stop without a start is nothing."""
    cycles = Cycles(info_event(INFO))
    for kind in ("synthesize", "voice-stopped", "select-program", "audio-stop"):
        assert cycles.take(WyomingEvent(kind)) is None


def test_questions_are_answered() -> None:
    """`describe` and `ping`."""
    info = info_event(INFO)
    cycles = Cycles(info)
    assert cycles.take(WyomingEvent("describe")) == Answer(info)
    assert cycles.take(WyomingEvent("ping", {"text": "x"})) == Answer(WyomingEvent("pong", {"text": "x"}))


@pytest.mark.parametrize(
    ("events", "says"),
    [
        ([("audio-chunk", SOUND)], "without an audio-start"),
        ([("audio-start", SOUND), ("audio-start", SOUND)], "before the audio-stop"),
        (
            [("audio-start", SOUND), ("audio-chunk", SOUND | {"rate": 8000})],
            "is 8000 Hz with 1 channels, and",
        ),
        ([("audio-start", SOUND | {"width": 4})], "width is 4; it must be 2"),
        ([("audio-start", SOUND | {"rate": 1})], "audio rate 1 is not supported"),
        ([("audio-start", {"rate": 16000})], "width is None; it must be a whole number"),
        ([("transcribe", {"language": 7})], "language is 7"),
        ([("transcribe", {"transcript_names": "Ada"})], "must be a list of texts"),
    ],
)
def test_what_cannot_be_is_refused(events: list[tuple[str, dict[str, Any]]], says: str) -> None:
    """The error names the event, the value and what is allowed."""
    cycles = Cycles(info_event(INFO))
    *before, (kind, data) = events
    for each in before:
        cycles.take(WyomingEvent(*each))
    with pytest.raises(WyomingError, match=says):
        cycles.take(WyomingEvent(kind, data, b"12"))


def test_chunks_are_what_was_committed_and_the_transcript_is_their_sum() -> None:
    """What may still change is never told; chunks put together are the transcript."""
    transcript = Transcript("en")
    told = transcript.tell([Partial(0, 1, " hel", 0, 1), commit(" Hello"), commit(" there", ".")]) + transcript.end()
    assert [event.type for event in told] == [
        *("transcript-start", "transcript-chunk", "transcript-chunk", "transcript", "transcript-stop")
    ]
    chunks = "".join(event.data["text"] for event in told if event.type == "transcript-chunk")
    assert chunks == told[-2].data["text"] == "Hello there."


def test_a_transcript_of_nothing_is_told_too() -> None:
    """A client that waits for `transcript` gets it, empty."""
    assert [event.type for event in Transcript(None).end()] == ["transcript-start", "transcript", "transcript-stop"]


def test_frames_are_those_of_the_fixture() -> None:
    """The bytes on the wire are as they were when they were checked against the client library."""
    events = [*Transcript("en").tell([commit(" Grüezi")]), *Transcript(None).end()]
    events.append(error_event(WyomingError("full", "no room")))
    events.append(WyomingEvent("audio-chunk", SOUND, b"1234"))
    frames = [encode(event) for event in events]
    assert [frame.decode() for frame in frames] == [json.loads(line) for line in GOLDEN.read_text().splitlines()]


def test_frames_are_read_as_they_are_written() -> None:
    """Data may stand in the line, behind it, or both."""
    header = parse_header(b'{"type": "x", "data": {"a": 1}, "data_length": 8, "payload_length": 2}\n')
    assert (header.data_bytes, header.payload_bytes) == (8, 2)
    assert parse_event(header, b'{"b": 2}', b"pp") == WyomingEvent("x", {"a": 1, "b": 2}, b"pp")


@pytest.mark.parametrize(
    "line",
    [
        b"GET / HTTP/1.1\r\n",
        b"[]\n",
        b'{"type": 7}\n',
        b'{"type": "x", "data": []}\n',
        b'{"type": "x", "payload_length": -1}\n',
        b'{"type": "x", "payload_length": true}\n',
        b'{"type": "x", "payload_length": %d}\n' % (MAX_PAYLOAD_BYTES + 1),
        b'{"type": "x", "data_length": "7"}\n',
        b"[" * 60_000 + b"\n",
    ],
)
def test_what_is_no_frame_is_refused(line: bytes) -> None:
    """A length beyond the bounds is never waited for."""
    with pytest.raises(WyomingError, match="frame"):
        parse_header(line)
