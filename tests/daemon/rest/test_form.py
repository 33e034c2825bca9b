"""The fields of a request for a transcription."""

from __future__ import annotations

import pytest

from amanuensis.daemon.rest.errors import RestError
from amanuensis.daemon.rest.form import parse_form


def test_fields_are_read() -> None:
    """Lists may be written with brackets, as the SDK does, or without."""
    asked = parse_form(
        [
            ("model", "whisper-1"),
            ("language", "en-GB"),
            ("prompt", "Ada"),
            ("response_format", "verbose_json"),
            ("timestamp_granularities[]", "word"),
            ("timestamp_granularities", "segment"),
        ],
        "transcribe",
    )
    assert (asked.model, asked.language, asked.prompt, asked.form) == ("whisper-1", "en", "Ada", "verbose_json")
    assert asked.granularities == {"word", "segment"}
    assert asked.warnings == ()


def test_without_fields_there_are_usual_ones() -> None:
    """JSON, segments, no stream."""
    asked = parse_form([], "translate")
    assert (asked.form, asked.granularities, asked.stream, asked.task) == ("json", {"segment"}, False, "translate")


def test_a_stream_has_no_subtitles() -> None:
    """The error names the field and what to do."""
    with pytest.raises(RestError, match="a stream has no response_format 'srt'; leave it out") as refused:
        parse_form([("stream", "true"), ("response_format", "srt")], "transcribe")
    assert refused.value.to_map()["error"]["param"] == "stream"
