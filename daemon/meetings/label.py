"""How a session says that it is a track of a meeting: `hello.meeting` (docs/protocol.md)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from amanuensis.daemon.fields import Fields

NAME: Final = re.compile(r"[0-9A-Za-z_-]{1,64}")
MAX_TITLE_CHARS: Final = 200
MAX_TRACK_CHARS: Final = 32
DISTURBING: Final = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
MAX_AT_MS: Final = 7 * 24 * 3_600_000


@dataclass(frozen=True, slots=True)
class MeetingLabel:
    """A track of a meeting.

    Attributes:
        id: of the meeting; None: the session begins one of its own name.
        title: None: it is known by its time.
        track: whose sound it is, such as `me` and `them`.
        at: where the session begins on the clock of the meeting, in ms; None: when it is opened.

    """

    id: str | None = None
    title: str | None = None
    track: str = "me"
    at: float | None = None


def read_label(values: Mapping[object, object]) -> MeetingLabel:
    """Read `hello.meeting`.

    Raises:
        FieldError: it is not as it should be.

    """
    fields = Fields("hello.meeting", values, ("id", "title", "track", "at"))
    name = fields.text("id", 64) if "id" in fields else None
    if name is not None and not NAME.fullmatch(name):
        raise fields.wrong("id", "1 to 64 of the characters 0-9 A-Z a-z _ -")
    return MeetingLabel(
        id=name,
        title=read_line(fields, "title", MAX_TITLE_CHARS, or_empty=True) if "title" in fields else None,
        track=read_line(fields, "track", MAX_TRACK_CHARS) if "track" in fields else "me",
        at=fields.number("at", 0, MAX_AT_MS) if "at" in fields else None,
    )


def read_line(fields: Fields, name: str, max_chars: int, *, or_empty: bool = False) -> str:
    """Read a name that people see, on one line.

    Raises:
        FieldError: it is empty, or would disturb what stands beside it.

    """
    line = as_line(fields.text(name, max_chars))
    if line is None or not (line or or_empty):
        raise fields.wrong(
            name, f"1 to {max_chars} characters, none of which controls a terminal or the way of writing"
        )
    return line


def as_line(text: str) -> str | None:
    """Return a text on one line; None: it has characters that control a terminal, or turn the text beside it round."""
    line = " ".join(text.split())
    return None if DISTURBING.search(line) else line
