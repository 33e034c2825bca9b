"""The messages of Deepgram's live API `/v1/listen`: one dataclass each.

Shapes after Deepgram's published API (`deepgram-sdk`, `listen/v1/types`). Times are seconds of submitted audio.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from amanuensis.daemon.fields import FieldError, Fields, show
from amanuensis.stream.config import MAX_HOTWORDS

DECIMALS: Final = 3
MAX_KEYTERM_CHARS: Final = 64
MAX_SHOWN: Final = 200  # characters of a message that is shown back


@dataclass(frozen=True, slots=True)
class ResultWord:
    """A word of a result; `text` is as it is shown, with its punctuation, `spaced` where a space stands before it."""

    text: str
    start_s: float
    end_s: float
    confidence: float
    speaker: int | None = None
    spaced: bool = True

    def to_map(self) -> dict[str, Any]:
        """Return the word as it goes over the wire; `word` is bare and in lower case."""
        bare = self.text.strip(".,;:!?\"'()[]…\u2013\u2014").lower() or self.text
        times = {"start": _seconds(self.start_s), "end": _seconds(self.end_s)}
        shown = {"confidence": round(self.confidence, 4), "punctuated_word": self.text}
        return {"word": bare} | times | shown | ({} if self.speaker is None else {"speaker": self.speaker})


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """What every result says of its request."""

    request_id: str
    model: str
    model_uuid: str
    version: str


@dataclass(frozen=True, slots=True)
class Results:
    """What was heard in a stretch of one channel."""

    facts: RequestFacts
    channel: tuple[int, int]  # index, of so many
    start_s: float
    end_s: float
    words: tuple[ResultWord, ...]
    is_final: bool
    speech_final: bool = False
    from_finalize: bool = False

    @property
    def transcript(self) -> str:
        """The words as one line."""
        return "".join(" " * word.spaced + word.text for word in self.words).strip()

    def to_map(self) -> dict[str, Any]:
        confidence = sum(word.confidence for word in self.words) / len(self.words) if self.words else 0.0
        best = {
            "transcript": self.transcript,
            "confidence": round(confidence, 4),
            "words": [word.to_map() for word in self.words],
        }
        facts = self.facts
        return {
            "type": "Results",
            "channel_index": list(self.channel),
            "duration": _seconds(max(0.0, self.end_s - self.start_s)),
            "start": _seconds(self.start_s),
            "is_final": self.is_final,
            "speech_final": self.speech_final,
            "from_finalize": self.from_finalize,
            "channel": {"alternatives": [best]},
            "metadata": {
                "request_id": facts.request_id,
                "model_info": {"name": facts.model, "version": facts.version, "arch": "whisper"},
                "model_uuid": facts.model_uuid,
            },
        }


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Somebody began to speak."""

    channel: tuple[int, int]
    at_s: float

    def to_map(self) -> dict[str, Any]:
        return {"type": "SpeechStarted", "channel": list(self.channel), "timestamp": _seconds(self.at_s)}


@dataclass(frozen=True, slots=True)
class UtteranceEnd:
    """No word has followed for as long as was asked for."""

    channel: tuple[int, int]
    last_word_end_s: float

    def to_map(self) -> dict[str, Any]:
        return {
            "type": "UtteranceEnd",
            "channel": list(self.channel),
            "last_word_end": _seconds(self.last_word_end_s),
        }


@dataclass(frozen=True, slots=True)
class Metadata:
    """The last message: what was submitted; `warnings` names parameters that had no effect."""

    request_id: str
    sha256: str
    created: str  # ISO 8601
    duration_s: float
    channels: int
    warnings: tuple[str, ...] = ()

    def to_map(self) -> dict[str, Any]:
        told = {"warnings": list(self.warnings)} if self.warnings else {}
        return {
            "type": "Metadata",
            "transaction_key": "deprecated",
            "request_id": self.request_id,
            "sha256": self.sha256,
            "created": self.created,
            "duration": _seconds(self.duration_s),
            "channels": self.channels,
        } | told


@dataclass(frozen=True, slots=True)
class DeepgramError:
    """A message of the client that could not be taken."""

    description: str
    message: str = ""  # of the client
    variant: str = "SchemaError"

    def to_map(self) -> dict[str, Any]:
        shown = {"message": self.message[:MAX_SHOWN]} if self.message else {}
        return {"type": "Error", "variant": self.variant, "description": self.description} | shown


@dataclass(frozen=True, slots=True)
class ConfigureSuccess:
    """What was asked for holds from now on; key terms are told where they are new."""

    request_id: str
    keyterms: tuple[str, ...] | None = None

    def to_map(self) -> dict[str, Any]:
        new = {} if self.keyterms is None else {"keyterms": list(self.keyterms)}
        return {"type": "ConfigureSuccess", "request_id": self.request_id} | new


ServerMessage: TypeAlias = Results | SpeechStarted | UtteranceEnd | Metadata | DeepgramError | ConfigureSuccess


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """The client is still there."""


@dataclass(frozen=True, slots=True)
class Finalize:
    """Make what was heard final now; the session goes on. None: every channel."""

    channel: int | None = None


@dataclass(frozen=True, slots=True)
class CloseStream:
    """No more sound comes."""


@dataclass(frozen=True, slots=True)
class Keyterms:
    """`Configure`: words to prefer from now on; None leaves them as they are. `ignored` names what else it asks for."""

    words: tuple[str, ...] | None = None
    ignored: tuple[str, ...] = ()


ClientMessage: TypeAlias = KeepAlive | Finalize | CloseStream | Keyterms


def encode(message: ServerMessage) -> str:
    """Return a message as a text frame."""
    return json.dumps(message.to_map(), ensure_ascii=False)


def parse(text: str) -> ClientMessage:
    """Read a text frame; fields that are not known are let pass, as Deepgram does.

    Raises:
        FieldError: it is no message that can be taken; says which are.

    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FieldError(f"text frame: not JSON: {error}") from None
    kind = values.get("type") if isinstance(values, dict) else None
    match kind:
        case "KeepAlive":
            return KeepAlive()
        case "CloseStream":
            return CloseStream()
        case "Finalize":
            fields = Fields("Finalize", values, tuple(map(str, values)))
            return Finalize(_channel(fields) if "channel" in fields else None)
        case "Configure":
            fields = Fields("Configure", values, tuple(map(str, values)))
            known = values.get("keyterms") is not None
            words = fields.texts("keyterms", MAX_HOTWORDS, MAX_KEYTERM_CHARS) if known else None
            return Keyterms(words, tuple(name for name in values if name not in ("type", "keyterms")))
    raise FieldError(f"type is {show(kind)}; it must be KeepAlive, Finalize, CloseStream or Configure")


def _channel(fields: Fields) -> int:
    """Read the channel to finalize."""
    try:
        return fields.integer("channel", 0, 255)
    except FieldError:
        raise fields.wrong("channel", "the number of a channel, from 0") from None


def _seconds(seconds: float) -> float:
    return round(seconds, DECIMALS)
