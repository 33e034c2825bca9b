"""The client's half of the native protocol `amanuensis.v1`: messages as they come, strictly read (docs/protocol.md).

Pure: bytes and strings in, dataclasses out; `ProtocolError` says what to answer. The server's half is `daemon/wire.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias, get_args

import msgpack

from amanuensis.daemon.fields import FieldError, Fields, show
from amanuensis.daemon.meetings.label import MeetingLabel, read_label
from amanuensis.npu.window import Task
from amanuensis.stream.config import MAX_HOTWORDS, MAX_PROMPT_CHARS, MAX_SPEAKERS
from amanuensis.stream.formats import MAX_CHANNELS, MAX_RATE, MIN_RATE, AudioFormat, Encoding

PROTO: Final = "amanuensis.v1"  # subprotocol name and value of hello.proto
Role = Literal["speak", "watch"]
Framing = Literal["msgpack", "raw"]
EventEncoding = Literal["json", "msgpack"]
Wanted = Literal["partial", "words", "stats", "proof"]
Label: TypeAlias = str | int

MAX_HELLO_BYTES: Final = 4096  # all that is read before a client is known
MAX_HOTWORD_CHARS: Final = 64
MAX_LABEL_CHARS: Final = 64
MAX_SECRET_CHARS: Final = 512
MAX_SESSION_CHARS: Final = 64
MAX_LANG_CHARS: Final = 8
MAX_NOTE_CHARS: Final = 2000
MAX_WHY_CHARS: Final = 64
MAX_SKIPPED: Final = MAX_RATE * 4 * 3600  # samples: four hours at any rate
MAX_COUNT: Final = 2**53 - 1  # whole numbers that JSON carries exactly
DEFAULT_WANTED: Final[frozenset[str]] = frozenset(get_args(Wanted)) - {"proof"}


class ProtocolError(Exception):
    """A message that cannot be taken.

    Attributes:
        code: short name for programs.
        close_code: WebSocket close code when the connection cannot go on; None when it can.

    """

    def __init__(self, code: str, message: str, close_code: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.close_code = close_code


@dataclass(frozen=True, slots=True)
class Options:
    """How a session is transcribed; None and empty mean the server's defaults.

    `silence_ms` ends an utterance whatever its text looks like; the native hello does not set it. `speakers` says how
    many there are (0: they are not told apart), `max_speakers` how many at most.
    """

    lang: str | None = None
    task: Task | None = None
    prompt: str = ""
    hotwords: tuple[str, ...] = ()
    silence_ms: int | None = None
    speakers: int | None = None
    max_speakers: int | None = None


@dataclass(frozen=True, slots=True)
class Hello:
    """The first message of every connection.

    `session`, `resume_token` and `after_seq` are for coming back to a session; a watcher may name its session here too.
    """

    role: Role
    audio: AudioFormat | None = None  # None for a watcher
    framing: Framing = "msgpack"
    options: Options = field(default_factory=Options)
    want: frozenset[str] = DEFAULT_WANTED
    events: EventEncoding = "json"
    auth: str | None = field(default=None, repr=False)
    session: str | None = None
    resume_token: str | None = field(default=None, repr=False)
    after_seq: int | None = None
    record: bool = False
    meeting: MeetingLabel | None = None  # the session is a track of it, and recorded


@dataclass(frozen=True, slots=True)
class Audio:
    """A chunk of sound: its number from 0, its first sample (None: implied), its bytes."""

    n: int | None
    at: int | None
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Flush:
    """Make all pending words final now."""

    id: Label | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """Answer once everything before it is final."""

    id: Label


@dataclass(frozen=True, slots=True)
class Note:
    """Keep a text with the session, at a media time in ms (None: now); without text it is a mark."""

    id: Label
    text: str = ""
    at: float | None = None


@dataclass(frozen=True, slots=True)
class Skip:
    """So many samples of each channel were not captured on purpose, or lost: they become a gap."""

    samples: int
    why: str


@dataclass(frozen=True, slots=True)
class Configure:
    """Change what can change in a session; None leaves a value as it is."""

    lang: str | None = None
    prompt: str | None = None
    hotwords: tuple[str, ...] | None = None
    want: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Ping:
    """Asks for a `pong`."""

    id: Label | None = None


@dataclass(frozen=True, slots=True)
class End:
    """No more audio."""


ClientMessage: TypeAlias = Hello | Audio | Flush | Mark | Note | Skip | Configure | Ping | End

HELLO_FIELDS: Final = (
    *("type", "proto", "role", "audio", "lang", "task", "prompt", "hotwords", "want", "events", "auth"),
    *("session", "resume_token", "after_seq", "record", "meeting", "speakers", "max_speakers"),
)
SPEAKER_ONLY: Final = (
    *("audio", "lang", "task", "prompt", "hotwords", "resume_token", "record", "meeting"),
    *("speakers", "max_speakers"),
)


def parse_text(text: str) -> ClientMessage:
    """Parse a text frame.

    Raises:
        ProtocolError: `bad_message`, or for a hello `bad_hello` (close 4400) or `unsupported_encoding`.

    """
    values = _json_object(text)
    kind = values.get("type")
    try:
        if kind == "hello":
            return _hello(values)
        parser = _PARSERS.get(kind) if isinstance(kind, str) else None
        if parser is None:
            names = ", ".join(("hello", *_PARSERS))
            raise FieldError(f"message: type is {show(kind)}; it must be one of {names}")
        return parser(values)
    except FieldError as error:
        code, close_code = ("bad_hello", 4400) if kind == "hello" else ("bad_message", None)
        raise ProtocolError(code, str(error), close_code) from None


def parse_binary(data: bytes, framing: Framing) -> Audio:
    """Parse a binary frame: bare PCM with raw framing, else a msgpack map.

    Raises:
        ProtocolError: `bad_message`.

    """
    if framing == "raw":
        return Audio(None, None, data)
    try:
        values = msgpack.unpackb(data, raw=False, strict_map_key=False, max_map_len=8, max_array_len=0, max_ext_len=0)
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        # The decoder's errors are ValueErrors or UnpackExceptions, some without text; a map as a key is a TypeError.
        why = str(error) or type(error).__name__
        raise ProtocolError("bad_message", f"binary frame: not a msgpack map {{t, n, at, d}}: {why}") from None
    if not isinstance(values, dict):
        raise ProtocolError("bad_message", f"binary frame: a msgpack {type(values).__name__}; it must be a map")
    try:
        fields = Fields("audio", values, ("t", "n", "at", "d"))
        fields.choice("t", ("a",))
        at = fields.integer("at", 0, MAX_COUNT) if "at" in fields else None
        return Audio(fields.integer("n", 0, MAX_COUNT), at, fields.data("d"))
    except FieldError as error:
        raise ProtocolError("bad_message", str(error)) from None


def _json_object(text: str) -> dict[object, object]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("bad_message", f"text frame: not JSON: {error}") from None
    if not isinstance(values, dict):
        raise ProtocolError("bad_message", f"text frame: JSON {show(values)}; it must be an object with a type")
    return values


def _hello(values: dict[object, object]) -> Hello:
    fields = Fields("hello", values, HELLO_FIELDS)
    fields.choice("proto", (PROTO,))
    role: Role = fields.choice("role", get_args(Role))
    if role == "watch":
        for name in SPEAKER_ONLY:
            if name in fields:
                raise FieldError(f"hello: {name} is for role speak; a watcher leaves it out")
    meeting = read_label(fields.mapping("meeting")) if "meeting" in fields else None
    return Hello(
        role=role,
        audio=_audio(_audio_fields(fields)) if role == "speak" else None,
        framing=_framing(_audio_fields(fields)) if role == "speak" else "msgpack",
        options=_options(fields),
        want=fields.choices("want", get_args(Wanted)) if "want" in fields else DEFAULT_WANTED,
        events=fields.choice("events", get_args(EventEncoding)) if "events" in fields else "json",
        auth=fields.secret("auth", MAX_SECRET_CHARS) if "auth" in fields else None,
        session=fields.text("session", MAX_SESSION_CHARS) if "session" in fields else None,
        resume_token=fields.secret("resume_token", MAX_SECRET_CHARS) if "resume_token" in fields else None,
        after_seq=fields.integer("after_seq", 0, MAX_COUNT) if "after_seq" in fields else None,
        record=meeting is not None or ("record" in fields and fields.flag("record")),
        meeting=meeting,
    )


def _audio_fields(hello: Fields) -> Fields:
    return Fields("hello.audio", hello.mapping("audio"), ("enc", "rate", "ch", "framing"))


def _audio(fields: Fields) -> AudioFormat:
    encodings: tuple[Encoding, ...] = get_args(Encoding)
    if fields.choice("enc", (*encodings, "opus")) == "opus":
        message = "hello.audio: enc 'opus' is not taken by this server; send one of " + ", ".join(encodings)
        raise ProtocolError("unsupported_encoding", message, 4400)
    rate, channels = fields.integer("rate", MIN_RATE, MAX_RATE), fields.integer("ch", 1, MAX_CHANNELS)
    return AudioFormat(fields.choice("enc", encodings), rate, channels)


def _framing(fields: Fields) -> Framing:
    framings: tuple[Framing, ...] = get_args(Framing)
    return fields.choice("framing", framings) if "framing" in fields else "msgpack"


def _options(fields: Fields) -> Options:
    tasks: tuple[Task, ...] = get_args(Task)
    return Options(
        lang=_lang(fields),
        task=fields.choice("task", tasks) if "task" in fields else None,
        prompt=fields.text("prompt", MAX_PROMPT_CHARS) if "prompt" in fields else "",
        hotwords=_hotwords(fields) or (),
        speakers=fields.integer("speakers", 0, MAX_SPEAKERS) if "speakers" in fields else None,
        max_speakers=fields.integer("max_speakers", 1, MAX_SPEAKERS) if "max_speakers" in fields else None,
    )


def _lang(fields: Fields) -> str | None:
    if "lang" not in fields:
        return None
    lang = fields.text("lang", MAX_LANG_CHARS)
    if not lang.isascii() or not lang.isalpha() or not lang.islower():
        raise fields.wrong("lang", "a language code such as en or de")
    return lang


def _hotwords(fields: Fields) -> tuple[str, ...] | None:
    return fields.texts("hotwords", MAX_HOTWORDS, MAX_HOTWORD_CHARS) if "hotwords" in fields else None


def _flush(values: dict[object, object]) -> Flush:
    fields = Fields("flush", values, ("type", "id"))
    return Flush(fields.label("id", MAX_LABEL_CHARS) if "id" in fields else None)


def _mark(values: dict[object, object]) -> Mark:
    return Mark(Fields("mark", values, ("type", "id")).label("id", MAX_LABEL_CHARS))


def _note(values: dict[object, object]) -> Note:
    fields = Fields("note", values, ("type", "id", "text", "at"))
    return Note(
        id=fields.label("id", MAX_LABEL_CHARS),
        text=fields.text("text", MAX_NOTE_CHARS) if "text" in fields else "",
        at=fields.number("at", 0, MAX_COUNT) if "at" in fields else None,
    )


def _skip(values: dict[object, object]) -> Skip:
    fields = Fields("skip", values, ("type", "samples", "why"))
    return Skip(fields.integer("samples", 1, MAX_SKIPPED), fields.text("why", MAX_WHY_CHARS))


def _configure(values: dict[object, object]) -> Configure:
    fields = Fields("config", values, ("type", "lang", "prompt", "hotwords", "want"))
    return Configure(
        lang=_lang(fields),
        prompt=fields.text("prompt", MAX_PROMPT_CHARS) if "prompt" in fields else None,
        hotwords=_hotwords(fields),
        want=fields.choices("want", get_args(Wanted)) if "want" in fields else None,
    )


def _ping(values: dict[object, object]) -> Ping:
    fields = Fields("ping", values, ("type", "id"))
    return Ping(fields.label("id", MAX_LABEL_CHARS) if "id" in fields else None)


def _end(values: dict[object, object]) -> End:
    Fields("end", values, ("type",))
    return End()


_PARSERS: Final[Mapping[str, Callable[[dict[object, object]], ClientMessage]]] = {
    "flush": _flush,
    "mark": _mark,
    "note": _note,
    "skip": _skip,
    "config": _configure,
    "ping": _ping,
    "end": _end,
}
