"""The fields of a request for a transcription. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, TypeVar, get_args

from amanuensis.daemon.fields import nearest, show
from amanuensis.daemon.rest.errors import RestError
from amanuensis.npu.window import Task
from amanuensis.stream.config import MAX_PROMPT_CHARS

Form: TypeAlias = Literal["json", "text", "srt", "verbose_json", "vtt"]
Granularity: TypeAlias = Literal["word", "segment"]
Choice = TypeVar("Choice", bound=str)
READ: Final = ("model", "language", "prompt", "response_format", "timestamp_granularities", "stream")
NO_EFFECT: Final = ("temperature", "include", "chunking_strategy", "known_speaker_names", "known_speaker_references")


@dataclass(frozen=True, slots=True)
class TranscriptionRequest:
    """What is asked for.

    Attributes:
        model: as the client calls it; there is one model, whatever this says.
        task: transcribe, or translate to English.
        language: code; None: detected, or the daemon's own.
        prompt: text that the speech is likely to follow.
        form: of the answer.
        granularities: what of a `verbose_json` has times.
        stream: words are told as they are found.
        warnings: fields that have no effect.

    """

    model: str
    task: Task
    language: str | None
    prompt: str
    form: Form
    granularities: frozenset[Granularity]
    stream: bool
    warnings: tuple[str, ...]


def parse_form(items: Iterable[tuple[str, str]], task: Task) -> TranscriptionRequest:
    """Read the fields of a form, without its file; names of lists may end in `[]`.

    Raises:
        RestError: a field cannot be.

    """
    pairs = [(name.removesuffix("[]"), value) for name, value in items]
    values = dict(pairs)
    form = _choice(values, "response_format", get_args(Form), "json")
    granularities: frozenset[Granularity] = frozenset(
        _choice({"timestamp_granularities": value}, "timestamp_granularities", get_args(Granularity), "segment")
        for name, value in pairs
        if name == "timestamp_granularities"
    )
    stream = _choice(values, "stream", ("true", "false"), "false") == "true"
    if stream and form not in ("json", "text"):
        raise RestError(400, f"stream: a stream has no response_format {form!r}; leave it out", param="stream")
    if len(values.get("prompt", "")) > MAX_PROMPT_CHARS:
        raise RestError(400, f"prompt is longer than {MAX_PROMPT_CHARS} characters", param="prompt")
    language = values.get("language", "").partition("-")[0].lower() or None
    return TranscriptionRequest(
        model=values.get("model", ""),
        task=task,
        language=language,
        prompt=values.get("prompt", ""),
        form=form,
        granularities=granularities or frozenset(("segment",)),
        stream=stream,
        warnings=tuple(_warnings(values)),
    )


def _choice(values: dict[str, str], name: str, allowed: tuple[Choice, ...], usual: Choice) -> Choice:
    value = values.get(name, usual).lower()
    for item in allowed:
        if item == value:
            return item
    raise RestError(400, f"{name} is {show(values[name])}; it must be one of {', '.join(allowed)}", param=name)


def _warnings(values: dict[str, str]) -> list[str]:
    unknown = [name for name in values if name not in READ + NO_EFFECT]
    found = [f"unknown field {show(name)}{nearest(name, READ)} has no effect" for name in unknown]
    return found + [f"{name} has no effect here" for name in NO_EFFECT if name in values]
