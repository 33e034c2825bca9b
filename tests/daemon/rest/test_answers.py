"""A transcript in the forms of OpenAI's API, against fixtures."""

from __future__ import annotations

import json
from pathlib import Path

from amanuensis.daemon.outputs import Transcript
from amanuensis.daemon.rest import answers
from amanuensis.daemon.rest.answers import Heard
from amanuensis.daemon.rest.form import parse_form
from amanuensis.stream.events import Commit, Word

GOLDEN = Path(__file__).parents[2] / "data" / "dialects" / "openai.jsonl"


def heard() -> Heard:
    """Return two utterances."""
    transcript = Transcript()
    transcript.add(Commit(0, (Word(" Grüezi", 100, 600, 0.9), Word(" mitenand.", 620, 1100, 0.8))))
    transcript.add(Commit(1, (Word(" So.", 3000, 3300, 0.7),)))
    return Heard(transcript, "de", 4.2)


def test_answers_are_those_of_the_fixture() -> None:
    """The bodies and events are as they were when they were checked against the SDK."""
    forms = [
        [("response_format", form), ("timestamp_granularities", "word"), ("timestamp_granularities", "segment")]
        for form in ("json", "text", "srt", "vtt", "verbose_json")
    ]
    told = [answers.body(parse_form(fields, "transcribe"), heard())[1] for fields in forms]
    told += [answers.delta("Grüezi"), answers.done(heard())]
    assert told == [json.loads(line) for line in GOLDEN.read_text(encoding="utf-8").splitlines()]


def test_subtitles_have_times_of_words_where_those_alone_are_asked_for() -> None:
    """A cue a word in SRT, a timestamp before each word in WebVTT."""

    def told(form: str) -> str:
        fields = [("response_format", form), ("timestamp_granularities[]", "word")]
        return answers.body(parse_form(fields, "transcribe"), heard())[1]

    assert told("srt").count(" --> ") == 3
    assert "Grüezi <00:00:00.620>mitenand." in told("vtt")


def test_silence_is_an_answer_too() -> None:
    """A file in which nobody speaks has no segments and an empty text."""
    nothing = Heard(Transcript(), None, 3.0)
    facts = answers.verbose("transcribe", frozenset(("segment",)), nothing)
    assert (facts["text"], facts["segments"], facts["language"], facts["duration"]) == ("", [], "", 3.0)
