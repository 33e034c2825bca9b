"""What a client of Deepgram's live API asks for in the query of `/v1/listen`. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from amanuensis.daemon.fields import nearest, show
from amanuensis.daemon.protocol import MAX_HOTWORD_CHARS, Options
from amanuensis.stream.config import MAX_HOTWORDS
from amanuensis.stream.formats import MAX_CHANNELS, MAX_RATE, MIN_RATE, AudioFormat, Encoding

MAX_FIELDS: Final = 256
ENCODINGS: Final[dict[str, Encoding]] = {"linear16": "s16le", "linear32": "f32le", "mulaw": "mulaw"}
LEAST_ENDPOINT_MS: Final = 250  # less would cut words: the daemon's own rules are as quick as can be
MAX_ENDPOINT_MS: Final = 60_000
UTTERANCE_END_MS: Final = (1000, 5000)  # as Deepgram documents it
READ: Final = frozenset(
    (
        *("encoding", "sample_rate", "channels", "multichannel", "interim_results", "endpointing"),
        *("utterance_end_ms", "vad_events", "language", "keyterm", "keywords", "diarize", "diarize_model"),
    )
)
# Always so here, or of no consequence for who asks.
LET_PASS: Final = frozenset(
    (
        *("model", "version", "tier", "punctuate", "smart_format", "filler_words"),
        *("no_delay", "tag", "extra", "mip_opt_out", "token", "vad_turnoff"),
        "diarize_version",
    )
)
# Deepgram does it, this server does not: whoever relies on it must know.
NOT_DONE: Final = frozenset(
    (
        *("redact", "replace", "search", "profanity_filter", "callback", "callback_method"),
        *("dictation", "numerals", "detect_entities", "detect_language", "language_hint", "sentiment"),
        *("summarize", "topics", "intents", "paragraphs", "utterances", "alternatives"),
    )
)


class ListenError(Exception):
    """The query asks for something that cannot be; the message names the parameter, its value and what is allowed."""


@dataclass(frozen=True, slots=True)
class ListenRequest:
    """A request to listen.

    Attributes:
        format: of the sound; None: a WAV header says it.
        multichannel: every channel is heard by itself.
        interim_results: what may still change is told too.
        has_endpoints: results at a pause say `speech_final`.
        utterance_end_ms: gap between words after which `UtteranceEnd` is told; None: it is not.
        vad_events: `SpeechStarted` is told.
        diarize: words carry their speaker, where it is known.
        options: of the session.
        warnings: parameters that have no effect.

    """

    format: AudioFormat | None
    multichannel: bool = False
    interim_results: bool = False
    has_endpoints: bool = True
    utterance_end_ms: int | None = None
    vad_events: bool = False
    diarize: bool = False
    options: Options = field(default_factory=Options)
    warnings: tuple[str, ...] = ()


class _Query:
    """The parameters of a query, each read as a type."""

    def __init__(self, path: str) -> None:
        query = urlsplit(path).query
        try:
            self.pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_FIELDS)
        except ValueError:
            raise ListenError(f"the query has more than {MAX_FIELDS} parameters") from None
        self._values = dict(self.pairs)

    def text(self, name: str) -> str | None:
        return self._values.get(name) or None

    def texts(self, name: str) -> list[str]:
        return [value for key, value in self.pairs if key == name and value.strip()]

    def flag(self, name: str) -> bool:
        value = (self._values.get(name) or "false").lower()
        if value not in ("true", "false"):
            raise ListenError(f"{name} is {show(value)}; it must be true or false")
        return value == "true"

    @property
    def diarize(self) -> bool:
        """Whether speakers are asked for; a model for it asks as well."""
        return self.flag("diarize") or self.text("diarize_model") is not None

    def number(self, name: str, low: int, high: int) -> int | None:
        value = self._values.get(name)
        if not value:
            return None
        if not (value.isascii() and value.isdigit() and len(value) < 9 and low <= int(value) <= high):
            raise ListenError(f"{name} is {show(value)}; it must be a whole number from {low} to {high}")
        return int(value)


def parse_listen(path: str) -> ListenRequest:
    """Read what is asked for.

    Args:
        path: of the request, with its query.

    Raises:
        ListenError: something cannot be.

    """
    query = _Query(path)
    endpointing = _endpointing(query)
    fmt = _format(query)
    interim_results = query.flag("interim_results")
    utterance_end_ms = query.number("utterance_end_ms", *UTTERANCE_END_MS)
    if utterance_end_ms is not None and not interim_results:
        raise ListenError("utterance_end_ms needs interim_results=true")
    return ListenRequest(
        format=fmt,
        multichannel=query.flag("multichannel"),
        interim_results=interim_results,
        has_endpoints=endpointing is not None,
        utterance_end_ms=utterance_end_ms,
        vad_events=query.flag("vad_events"),
        diarize=query.diarize,
        options=Options(_language(query), None, "", _hotwords(query), endpointing or None),
        warnings=tuple(_warnings(query)),
    )


def _format(query: _Query) -> AudioFormat | None:
    name = query.text("encoding")
    rate = query.number("sample_rate", MIN_RATE, MAX_RATE)
    channels = query.number("channels", 1, MAX_CHANNELS) or 1
    if name is None:
        return None
    if name not in ENCODINGS:
        allowed = ", ".join(ENCODINGS)
        raise ListenError(
            f"encoding is {show(name)}; it must be one of {allowed}, or left out for a stream with a WAV header"
        )
    if rate is None:
        raise ListenError(f"sample_rate is missing; encoding={name} needs one, such as sample_rate=16000")
    return AudioFormat(ENCODINGS[name], rate, channels)


def _endpointing(query: _Query) -> int | None:
    """Return the pause that ends speech, in ms; 0: the daemon's own rules; None: no pause does."""
    value = (query.text("endpointing") or "true").lower()
    if value in ("true", "false"):
        return 0 if value == "true" else None
    pause_ms = query.number("endpointing", 0, MAX_ENDPOINT_MS) or 0
    return pause_ms if pause_ms >= LEAST_ENDPOINT_MS else 0


def _language(query: _Query) -> str | None:
    """Return the code without its region; None, which "multi" asks for too: it is detected, or the daemon's own."""
    value = (query.text("language") or "multi").partition("-")[0].lower()
    if value == "multi":
        return None
    if not (value.isascii() and value.isalpha() and len(value) <= 3):
        raise ListenError(f"language is {show(query.text('language'))}; it must be a code such as en or en-US")
    return value


def _hotwords(query: _Query) -> tuple[str, ...]:
    """Return what is to be preferred; the weight behind a keyword (`word:2`) is left out."""
    words = tuple(query.texts("keyterm") + [word.partition(":")[0] for word in query.texts("keywords")])
    if len(words) > MAX_HOTWORDS or any(len(word) > MAX_HOTWORD_CHARS for word in words):
        allowed = f"at most {MAX_HOTWORDS} of {MAX_HOTWORD_CHARS} characters each"
        raise ListenError(f"keyterm and keywords: {len(words)} were given; {allowed} are allowed")
    return words


def _warnings(query: _Query) -> list[str]:
    found = []
    known = READ | LET_PASS | NOT_DONE
    for name, value in dict(query.pairs).items():
        if name in NOT_DONE and value.lower() != "false":
            found.append(f"{name} has no effect here")
        elif name not in known:
            found.append(f"unknown parameter {show(name)}{nearest(name, known)} has no effect")
    if query.diarize:
        found.append("diarize: speakers are told only where the session knows them")
    return found
