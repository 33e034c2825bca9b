"""Client messages: what is taken, and what is refused with which words."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanuensis.daemon.meetings.label import MeetingLabel
from amanuensis.daemon.protocol import (
    Audio,
    Configure,
    End,
    Flush,
    Hello,
    Mark,
    Note,
    Options,
    Ping,
    ProtocolError,
    Skip,
    parse_binary,
    parse_text,
)
from amanuensis.stream.formats import AudioFormat
from tests.helpers.protocol_cases import CLIENT_BINARY, CLIENT_TEXT, FOLDER, HELLO

PARSED = {
    "hello_speak": Hello("speak", AudioFormat("s16le", 16000, 1)),
    "hello_speak_all": Hello(
        role="speak",
        audio=AudioFormat("f32le", 48000, 2),
        framing="raw",
        options=Options("en", "transcribe", "Minutes of the meeting.", ("Amanuensis", "xclbin")),
        want=frozenset({"partial", "words"}),
        events="msgpack",
        auth="0123456789abcdef",
    ),
    "hello_again": Hello(
        role="speak",
        audio=AudioFormat("s16le", 16000, 1),
        session="4f0c2e9a71d3",
        resume_token="c2VjcmV0LXRva2VuLTEyMw",
        after_seq=12,
    ),
    "hello_watch": Hello("watch", session="4f0c2e9a71d3", after_seq=12),
    "hello_meeting": Hello(
        role="speak",
        audio=AudioFormat("s16le", 16000, 1),
        record=True,
        meeting=MeetingLabel("monday", "Weekly", "them", 12.5),
    ),
    "note": Note("n-1", "Kim sends the minutes", 1600.5),
    "note_bare": Note(2),
    "skip": Skip(16000, "paused"),
    "flush": Flush("f-1"),
    "flush_bare": Flush(),
    "mark": Mark(3),
    "config": Configure("en", "", (), frozenset({"words"})),
    "ping": Ping("p"),
    "end": End(),
}


@pytest.mark.parametrize("name", CLIENT_TEXT)
def test_golden_text_messages_are_parsed(name: str) -> None:
    """Every golden text message gives the dataclass that stands for it."""
    text = (FOLDER / "client" / f"{name}.json").read_text(encoding="utf-8")
    assert parse_text(text) == PARSED[name]


@pytest.mark.parametrize("name", CLIENT_BINARY)
def test_golden_audio_frames_are_parsed(name: str) -> None:
    """Every golden binary message gives its chunk."""
    fields = CLIENT_BINARY[name]
    audio = parse_binary((FOLDER / "client" / f"{name}.msgpack").read_bytes(), "msgpack")
    assert audio == Audio(fields["n"], fields.get("at"), fields["d"])


def test_every_fixture_has_its_case() -> None:
    """No golden client file is left that no test reads."""
    assert {path.name for path in (FOLDER / "client").iterdir()} == {
        *(f"{name}.json" for name in CLIENT_TEXT),
        *(f"{name}.msgpack" for name in CLIENT_BINARY),
    }


def test_raw_framing_is_bare_sound() -> None:
    """With raw framing a binary frame is the sound itself."""
    assert parse_binary(b"\x81\x00", "raw") == Audio(None, None, b"\x81\x00")


def hello(**changes: Any) -> str:
    """Return a hello with fields changed, and without those set to "-"."""
    return json.dumps({name: value for name, value in (HELLO | changes).items() if value != "-"})


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("", "bad_message", "not JSON"),
        ("[" * 100_000, "bad_message", "not JSON"),
        ("[1]", "bad_message", "must be an object"),
        ("{}", "bad_message", "type is None"),
        ('{"type": 3}', "bad_message", "type is 3"),
        ('{"type": ["end"]}', "bad_message", "must be one of hello, flush"),
        ('{"type": "halt"}', "bad_message", "'halt'"),
        ('{"type": "end", "now": 1}', "bad_message", "unknown field 'now'"),
        ('{"type": "mark"}', "bad_message", "id is missing"),
        ('{"type": "mark", "id": 1.5}', "bad_message", "id is 1.5"),
        ('{"type": "mark", "id": true}', "bad_message", "id is True"),
        ('{"type": "mark", "id": 9007199254740993}', "bad_message", "below 2^53"),
        ('{"type": "mark", "id": "\\ud800"}', "bad_message", "id is"),
        ('{"type": "flush", "id": "' + "x" * 65 + '"}', "bad_message", "at most 64 characters"),
        ('{"type": "config", "hotwords": [1]}', "bad_message", "hotwords is [1]"),
        ('{"type": "config", "want": ["commit"]}', "bad_message", "partial, words, stats, proof"),
        ('{"type": "config", "lang": "English"}', "bad_message", "a language code"),
        (hello(proto="amanuensis.v2"), "bad_hello", "proto is 'amanuensis.v2'; it must be one of amanuensis.v1"),
        (hello(role="listen"), "bad_hello", "role is 'listen'; it must be one of speak, watch"),
        (hello(role="watch"), "bad_hello", "audio is for role speak"),
        (hello(meeting={"id": "no/slash"}), "bad_hello", "hello.meeting: id is 'no/slash'; it must be 1 to 64 of"),
        (hello(meeting={"track": "\n"}), "bad_hello", "1 to 32 characters, none of which"),
        (hello(meeting={"name": "x"}), "bad_hello", "hello.meeting: unknown field 'name'"),
        ('{"type": "note", "id": 1, "at": -1}', "bad_message", "note: at is -1; it must be a number from 0 to"),
        ('{"type": "skip", "samples": 0, "why": "x"}', "bad_message", "skip: samples is 0; it must be a whole number"),
        (hello(audio="-"), "bad_hello", "audio is missing"),
        (hello(audio={"enc": "s16le", "rate": 16000}), "bad_hello", "hello.audio: ch is missing"),
        (
            hello(audio={"enc": "s16le", "rate": 4000, "ch": 1}),
            "bad_hello",
            "rate is 4000; it must be a whole number from 8000",
        ),
        (hello(audio={"enc": "s16le", "rate": "16000", "ch": 1}), "bad_hello", "rate is '16000'"),
        (hello(audio={"enc": "s16le", "rate": 16000, "ch": 9}), "bad_hello", "ch is 9"),
        (hello(audio={"enc": "mp3", "rate": 16000, "ch": 1}), "bad_hello", "enc is 'mp3'"),
        (hello(audio={"enc": "opus", "rate": 48000, "ch": 1}), "unsupported_encoding", "opus"),
        (hello(audio={"enc": "s16le", "rate": 16000, "ch": 1, "framing": "wav"}), "bad_hello", "framing is 'wav'"),
        (hello(audoi={}), "bad_hello", "unknown field 'audoi' (did you mean 'audio'?)"),
        (hello(want="partial"), "bad_hello", "want is 'partial'"),
        (hello(events="xml"), "bad_hello", "json, msgpack"),
        (hello(prompt="x" * 1001), "bad_hello", "at most 1000 characters"),
        (hello(hotwords=["x"] * 101), "bad_hello", "at most 100 strings"),
        (hello(after_seq=-1), "bad_hello", "after_seq is -1"),
        (hello(task="sing"), "bad_hello", "transcribe, translate"),
    ],
)
def test_wrong_text_messages_are_named(text: str, code: str, words: str) -> None:
    """A wrong message is refused with its field, its value and what is allowed."""
    with pytest.raises(ProtocolError) as caught:
        parse_text(text)
    assert caught.value.code == code
    assert words in str(caught.value)
    assert len(str(caught.value)) < 400
    assert caught.value.close_code == (None if code == "bad_message" else 4400)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not a msgpack map"),
        (b"\xc1", "not a msgpack map"),
        (b"\xdf\xff\xff\xff\xff", "not a msgpack map"),
        (msgpack.packb([1]), "not a msgpack map"),
        (msgpack.packb(5), "it must be a map"),
        (msgpack.packb({"t": "a", "n": 0, "d": b""}) + b"\x00", "not a msgpack map"),
        (msgpack.packb({"t": "b", "n": 0, "d": b""}), "t is 'b'"),
        (msgpack.packb({"t": "a", "d": b""}), "n is missing"),
        (msgpack.packb({"t": "a", "n": -1, "d": b""}), "n is -1"),
        (msgpack.packb({"t": "a", "n": 0, "d": "text"}), "never a list of numbers"),
        (msgpack.packb({"t": "a", "n": 0, "at": 1.0, "d": b""}), "at is 1.0"),
        (msgpack.packb({"t": "a", "n": 0, "d": b"", "x": 1}), "unknown field 'x'"),
        (msgpack.packb({0: 1}), "unknown field 0"),
    ],
)
def test_wrong_audio_frames_are_named(data: bytes, words: str) -> None:
    """A binary frame that is no chunk is refused, whatever is in it."""
    with pytest.raises(ProtocolError) as caught:
        parse_binary(data, "msgpack")
    assert caught.value.code == "bad_message"
    assert words in str(caught.value)


def test_no_error_repeats_a_secret() -> None:
    """A token that is refused for its length is not told to the log of anybody."""
    with pytest.raises(ProtocolError) as caught:
        parse_text(hello(auth="geheim" * 100))
    assert "geheim" not in str(caught.value)
    assert "geheim" not in repr(Hello("watch", auth="geheim", resume_token="geheim"))


@given(st.text(max_size=200) | st.from_type(dict).map(str))
def test_any_text_is_a_message_or_an_error(text: str) -> None:
    """No text makes the parser fail in another way."""
    with pytest.raises(ProtocolError):
        parse_text(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.sampled_from(["hello", "flush", "mark", "config", "ping", "end"]),
    st.dictionaries(
        st.sampled_from(["proto", "role", "audio", "lang", "prompt", "hotwords", "want", "id", "events", "x"]),
        json_values,
    ),
)
def test_any_fields_are_a_message_or_an_error(kind: str, fields: dict[str, Any]) -> None:
    """No value of a known field makes the parser fail in another way."""
    with contextlib.suppress(ProtocolError):
        parse_text(json.dumps(fields | {"type": kind}))


@given(st.binary(max_size=64))
def test_any_bytes_are_a_chunk_or_an_error(data: bytes) -> None:
    """No bytes make the parser fail in another way."""
    with contextlib.suppress(ProtocolError):
        assert isinstance(parse_binary(data, "msgpack"), Audio)


def test_documentation_names_every_field(repository: Path) -> None:
    """The specification has a row for each message, with all of its fields."""
    rows = (repository / "docs" / "protocol.md").read_text(encoding="utf-8").splitlines()
    for message in CLIENT_TEXT.values():
        row = next(row for row in rows if row.startswith(f"| `{message['type']}` |"))
        for name in message.keys() - {"type"}:
            assert f"`{name}`" in row or f"`{name}?`" in row
