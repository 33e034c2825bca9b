"""What clients of other systems send: Deepgram's query and messages, Wyoming's frames, the fields of OpenAI's form.

The first byte of an input says whose it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

from amanuensis.daemon.dialects.deepgram_messages import parse
from amanuensis.daemon.dialects.deepgram_request import ListenError, parse_listen
from amanuensis.daemon.dialects.wyoming import Cycles, info_event
from amanuensis.daemon.dialects.wyoming_wire import WyomingError, encode, parse_event, parse_header
from amanuensis.daemon.fields import FieldError
from amanuensis.daemon.rest.errors import RestError
from amanuensis.daemon.rest.form import parse_form
from tests.fuzz.target import Target, check_line
from tests.helpers.tone_engine import INFO

SOUND: Final = {"rate": 16000, "width": 2, "channels": 1}
QUERY: Final = (
    b"encoding=linear16&sample_rate=16000&channels=2&multichannel=true&interim_results=true&utterance_end_ms=1000"
    b"&endpointing=300&language=en-US&keyterm=Ada&keywords=Turing:2&redact=pci"
)


def seeds() -> list[bytes]:
    """Return one of each."""
    messages = [
        {"type": "KeepAlive"},
        {"type": "Finalize", "channel": 1},
        {"type": "CloseStream"},
        {"type": "Configure", "keyterms": ["Ada"]},
    ]
    events = [
        {"type": "transcribe", "data": {"language": "en_US", "transcript_names": ["Ada"]}},
        {"type": "audio-start", "data": SOUND},
        {"type": "audio-chunk", "data": SOUND, "payload_length": 0},
        {"type": "audio-stop", "data_length": 2},
        {"type": "describe"},
        {"type": "ping", "data": {"text": "x"}},
    ]
    stream = b"\n".join(json.dumps(event).encode() for event in events)
    form = b"model=tones&language=en&response_format=verbose_json&timestamp_granularities[]=word&stream=false&prompt=x"
    return [
        b"\0" + QUERY,
        *(b"\1" + json.dumps(message).encode() for message in messages),
        b"\2" + stream,
        b"\3" + form,
    ]


def prepare(folder: Path) -> Callable[[bytes], None]:
    """Return what reads one input."""
    return read


def read(data: bytes) -> None:
    """Read an input; what cannot be taken is refused in one line."""
    if data:
        content = data[1:]
        try:
            (_query, _message, _frames, _form)[data[0] % 4](content)
        except (ListenError, FieldError, WyomingError, RestError) as error:
            check_line(error)


def _query(data: bytes) -> None:
    request = parse_listen("/v1/listen?" + data.decode("latin-1"))
    assert len(request.options.hotwords) <= 100
    for warning in request.warnings:
        check_line(ValueError(warning))


def _message(data: bytes) -> None:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return  # the WebSocket layer lets only valid UTF-8 through as text
    parse(text)


def _frames(data: bytes) -> None:
    cycles = Cycles(info_event(INFO))
    for line in data.split(b"\n"):
        event = parse_event(parse_header(line), b"{}", b"1234")
        again = parse_header(encode(event).partition(b"\n")[0])
        assert again.type == event.type
        cycles.take(event)


def _form(data: bytes) -> None:
    pairs = [pair.partition("=")[::2] for pair in data.decode("latin-1").split("&")]
    request = parse_form([(name, value) for name, value in pairs], "transcribe")
    for warning in request.warnings:
        check_line(ValueError(warning))


TARGET: Final = Target(seeds, prepare)
