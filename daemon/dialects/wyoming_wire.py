"""The frames of Wyoming: a line of JSON, then data (JSON), then payload. Pure.

After the protocol's own description (github.com/OHF-Voice/wyoming, README). Everything is bounded: who sends a length
beyond the bounds, or what is no frame, cannot be followed any more.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

from amanuensis.daemon.fields import show

VERSION: Final = "1.8.0"  # of the protocol's reference implementation whose events are spoken
MAX_LINE_BYTES: Final = 65_536
MAX_DATA_BYTES: Final = 65_536
MAX_PAYLOAD_BYTES: Final = 2**20  # half a minute of sound


class WyomingError(Exception):
    """What came is no frame, or no event that can be taken; the connection is over.

    Attributes:
        code: short name for programs.

    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class WyomingEvent:
    """One event, either way."""

    type: str
    data: dict[str, Any] = field(default_factory=dict)
    payload: bytes = b""


@dataclass(frozen=True, slots=True)
class Header:
    """The line of a frame, and what follows it."""

    type: str
    data: dict[str, Any]
    data_bytes: int
    payload_bytes: int


def parse_header(line: bytes) -> Header:
    """Read the line of a frame.

    Raises:
        WyomingError: it is none.

    """
    values = _object(line, "the line of a frame")
    kind, data = values.get("type"), values.get("data", {})
    if not isinstance(kind, str) or not isinstance(data, dict):
        message = f"frame: type is {show(kind)}, data {show(data)}; they must be text and an object"
        raise WyomingError("bad_frame", message)
    return Header(
        kind, data, _length(values, "data_length", MAX_DATA_BYTES), _length(values, "payload_length", MAX_PAYLOAD_BYTES)
    )


def parse_event(header: Header, data: bytes, payload: bytes) -> WyomingEvent:
    """Put a frame together.

    Raises:
        WyomingError: its data is no JSON object.

    """
    more = _object(data, "the data of a frame") if data else {}
    return WyomingEvent(header.type, header.data | more, payload)


def encode(event: WyomingEvent) -> bytes:
    """Return an event as a frame."""
    data = json.dumps(event.data, ensure_ascii=False).encode(errors="replace") if event.data else b""
    header: dict[str, Any] = {"type": event.type, "version": VERSION}
    if data:
        header["data_length"] = len(data)
    if event.payload:
        header["payload_length"] = len(event.payload)
    return json.dumps(header).encode() + b"\n" + data + event.payload


def _object(text: bytes, what: str) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WyomingError("bad_frame", f"{what} is no JSON: {error}") from None
    if not isinstance(values, dict):
        raise WyomingError("bad_frame", f"{what} is {show(values)}; it must be an object")
    return values


def _length(values: dict[str, Any], name: str, most: int) -> int:
    value = values.get(name) or 0
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise WyomingError("bad_frame", f"frame: {name} is {show(value)}; it must be 0 to {most}")
    return value
