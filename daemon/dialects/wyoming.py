"""Wyoming's speech-to-text as a state machine: its events in, what to do and what to answer out. Pure.

`transcribe` (may be left out), `audio-start`, `audio-chunk`..., `audio-stop` are one cycle; a connection may have many,
one after the other. Words are told as `transcript-chunk` as they are committed, never what may still change; the
`transcript` at the end has them all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final, TypeAlias

from amanuensis.daemon.dialects.wyoming_wire import WyomingError, WyomingEvent
from amanuensis.daemon.fields import show
from amanuensis.daemon.protocol import MAX_HOTWORD_CHARS, Options
from amanuensis.npu.engine.api import EngineInfo
from amanuensis.stream.config import MAX_HOTWORDS
from amanuensis.stream.events import Commit, Event
from amanuensis.stream.formats import AudioFormat, Encoding, FormatError

PROGRAM: Final = "amanuensis"
ENCODINGS: Final[dict[int, Encoding]] = {2: "s16le"}  # by bytes of a sample


@dataclass(frozen=True, slots=True)
class Begin:
    """A cycle begins: open a session."""

    format: AudioFormat
    options: Options


@dataclass(frozen=True, slots=True)
class Hear:
    """Sound for it."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Stop:
    """No more sound comes: answer with the transcript."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Send this."""

    event: WyomingEvent


Action: TypeAlias = Begin | Hear | Stop | Answer


class Cycles:
    """The client's half.

    Args:
        info: answer to `describe`.

    """

    def __init__(self, info: WyomingEvent) -> None:
        self._info = info
        self._options = Options()
        self._format: AudioFormat | None = None

    def take(self, event: WyomingEvent) -> Action | None:
        """Return what to do; None: nothing. Events of other kinds are let pass, as the protocol wants it.

        Raises:
            WyomingError: the event cannot be taken.

        """
        match event.type:
            case "describe":
                return Answer(self._info)
            case "ping":
                return Answer(WyomingEvent("pong", {"text": event.data.get("text")}))
            case "transcribe":
                self._options = _options(event.data)
            case "audio-start":
                return self._begin(_format(event))
            case "audio-chunk":
                return self._hear(event)
            case "audio-stop" if self._format is not None:
                self._format, self._options = None, Options()
                return Stop()
        return None

    def _begin(self, fmt: AudioFormat) -> Begin:
        if self._format is not None:
            raise WyomingError("bad_order", "audio-start came before the audio-stop of the cycle before it")
        self._format = fmt
        return Begin(fmt, self._options)

    def _hear(self, event: WyomingEvent) -> Hear | None:
        if self._format is None:
            raise WyomingError("bad_order", "audio-chunk came without an audio-start before it")
        if (fmt := _format(event)) != self._format:
            now, before = (f"{it.rate} Hz with {it.channels} channels" for it in (fmt, self._format))
            raise WyomingError("format_changed", f"audio-chunk is {now}, and audio-start said {before}")
        return Hear(event.payload) if event.payload else None


class Transcript:
    """The server's half of one cycle."""

    def __init__(self, language: str | None) -> None:
        self._language = language
        self._text = ""
        self._begun = False

    def tell(self, events: Iterable[Event]) -> list[WyomingEvent]:
        """Return what to send for these events of the session."""
        told = []
        for event in events:
            if isinstance(event, Commit) and event.words:
                text = "".join(word.text for word in event.words)
                text = text if self._text else text.lstrip()
                self._text += text
                told += [*self._begin(), WyomingEvent("transcript-chunk", {"text": text})]
        return told

    def end(self) -> list[WyomingEvent]:
        """Return what to send when all is final."""
        whole = WyomingEvent("transcript", {"text": self._text.strip()} | self._spoken())
        return [*self._begin(), whole, WyomingEvent("transcript-stop")]

    def _begin(self) -> list[WyomingEvent]:
        begun, self._begun = self._begun, True
        return [] if begun else [WyomingEvent("transcript-start", self._spoken())]

    def _spoken(self) -> dict[str, Any]:
        return {} if self._language is None else {"language": self._language}


def error_event(error: WyomingError) -> WyomingEvent:
    """Return what is sent for an error."""
    return WyomingEvent("error", {"text": str(error), "code": error.code})


def info_event(info: EngineInfo) -> WyomingEvent:
    """Return the answer to `describe`: one program with the one model that runs."""
    number = version(PROGRAM)
    languages = sorted(info.languages)
    about = {"installed": True, "version": number}
    model = {
        "name": info.model,
        "description": f"Whisper model {info.model}, encoder on {info.encoder}, decoder on {info.decoder}",
        "attribution": {"name": "OpenAI Whisper architecture", "url": "https://github.com/openai/whisper"},
        "languages": languages,
    } | about
    program = {
        "name": PROGRAM,
        "description": "Streaming transcription on this machine",
        "attribution": {"name": "Amanuensis", "url": ""},
        "models": [model],
        "supports_transcript_streaming": True,
    } | about
    others: dict[str, Any] = {kind: [] for kind in ("tts", "handle", "intent", "wake", "mic", "snd")}
    return WyomingEvent("info", {"asr": [program]} | others)


def _format(event: WyomingEvent) -> AudioFormat:
    values: dict[str, Any] = {name: event.data.get(name) for name in ("rate", "width", "channels")}
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int):
            raise WyomingError("bad_format", f"{event.type}: {name} is {show(value)}; it must be a whole number")
    if values["width"] not in ENCODINGS:
        raise WyomingError("bad_format", f"{event.type}: width is {values['width']}; it must be 2 (16-bit samples)")
    try:
        return AudioFormat(ENCODINGS[values["width"]], values["rate"], values["channels"])
    except FormatError as error:
        raise WyomingError("bad_format", f"{event.type}: {error}") from None


def _options(data: dict[str, Any]) -> Options:
    """Read a `transcribe`; the name of a model is let pass: there is one."""
    language = data.get("language")
    if language is not None and not isinstance(language, str):
        raise WyomingError("bad_language", f"transcribe: language is {show(language)}; it must be a code such as en")
    code = (language or "").partition("-")[0].partition("_")[0].lower()
    names = (*_names(data, "transcript_names"), *_names(data, "transcript_terms"))
    return Options(code or None, None, "", names[:MAX_HOTWORDS])


def _names(data: dict[str, Any], name: str) -> tuple[str, ...]:
    values = data.get(name) or []
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise WyomingError("bad_names", f"transcribe: {name} must be a list of texts")
    whole = [value.encode(errors="ignore").decode() for value in values]  # JSON may hold halves of characters
    return tuple(value for value in whole if value.strip() and len(value) <= MAX_HOTWORD_CHARS)
