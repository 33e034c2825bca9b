"""A transcript in the forms of OpenAI's REST API. Pure."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from amanuensis.daemon.outputs import Transcript, written
from amanuensis.daemon.rest.form import Granularity, TranscriptionRequest
from amanuensis.npu.window import Task
from amanuensis.stream.events import Word

JSON: Final = "application/json"
DECIMALS: Final = 3
LANGUAGES: Final = {  # OpenAI names languages in English words; others keep their code
    "en": "english", "de": "german", "fr": "french", "es": "spanish", "it": "italian", "pt": "portuguese",
    "nl": "dutch", "pl": "polish", "ru": "russian", "uk": "ukrainian", "tr": "turkish", "sv": "swedish",
    "da": "danish", "no": "norwegian", "fi": "finnish", "cs": "czech", "el": "greek", "hu": "hungarian",
    "ro": "romanian", "ar": "arabic", "he": "hebrew", "hi": "hindi", "zh": "chinese", "ja": "japanese",
    "ko": "korean", "vi": "vietnamese", "id": "indonesian", "th": "thai",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of a file."""

    transcript: Transcript
    language: str | None
    duration_s: float


def body(request: TranscriptionRequest, heard: Heard) -> tuple[str, str]:
    """Return content type and text of an answer."""
    transcript, by_word = heard.transcript, request.granularities == {"word"}
    match request.form:
        case "text":
            return "text/plain; charset=utf-8", transcript.text + "\n"
        case "srt":
            return "application/x-subrip; charset=utf-8", written("srt", transcript.utterances, word_times=by_word)
        case "vtt":
            return "text/vtt; charset=utf-8", written("vtt", transcript.utterances, word_times=by_word)
        case "verbose_json":
            return JSON, json.dumps(verbose(request.task, request.granularities, heard), ensure_ascii=False)
    return JSON, json.dumps({"text": transcript.text, "usage": _usage(heard)}, ensure_ascii=False)


def verbose(task: Task, granularities: frozenset[Granularity], heard: Heard) -> dict[str, Any]:
    """Return the answer with times; what this engine does not tell of a segment is null."""
    language = heard.language or ""
    facts: dict[str, Any] = {
        "task": task,
        "language": LANGUAGES.get(language, language),
        "duration": round(heard.duration_s, DECIMALS),
        "text": heard.transcript.text,
        "usage": _usage(heard),
    }
    utterances = [words for words in heard.transcript.utterances if words]
    if "segment" in granularities:
        facts["segments"] = [_segment(number, words) for number, words in enumerate(utterances)]
    if "word" in granularities:
        facts["words"] = [
            {"word": word.text.strip(), "start": _s(word.start_ms), "end": _s(word.end_ms)}
            for words in utterances
            for word in words
        ]
    return facts


def delta(text: str) -> str:
    """Return new words as a server-sent event."""
    return _event({"type": "transcript.text.delta", "delta": text})


def done(heard: Heard) -> str:
    """Return the last server-sent event of a transcription."""
    return _event({"type": "transcript.text.done", "text": heard.transcript.text, "usage": _usage(heard)})


def failed(error: dict[str, Any]) -> str:
    """Return an error as a server-sent event."""
    return _event(error)


def _event(facts: dict[str, Any]) -> str:
    return f"data: {json.dumps(facts, ensure_ascii=False)}\n\n"


def _segment(number: int, words: Sequence[Word]) -> dict[str, Any]:
    text = "".join(word.text for word in words)
    data = text.encode()
    return {
        "id": number,
        "seek": 0,
        "start": _s(words[0].start_ms),
        "end": _s(words[-1].end_ms),
        "text": text,
        "tokens": [],
        "temperature": None,
        "avg_logprob": round(sum(math.log(max(word.conf, 1e-9)) for word in words) / len(words), 4),
        "compression_ratio": round(len(data) / len(zlib.compress(data)), 4),
        "no_speech_prob": None,
    }


def _usage(heard: Heard) -> dict[str, Any]:
    return {"type": "duration", "seconds": math.ceil(heard.duration_s)}


def _s(ms: float) -> float:
    return round(ms / 1000, DECIMALS)
