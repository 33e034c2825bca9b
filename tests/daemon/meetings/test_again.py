"""Who speaks in a text that was made anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from amanuensis.daemon.config import Config
from amanuensis.daemon.meetings.again import transcribe_again, with_speakers
from amanuensis.daemon.meetings.model import Utterance
from amanuensis.daemon.pipeline import open_pipeline
from amanuensis.daemon.sources.choose import InputRequest, open_source
from tests.daemon.meetings.conftest import utterance


def test_who_spoke_at_that_time_speaks_again() -> None:
    """New utterances are cut where the speaker changed before; words outside go with the nearest one before."""
    before = [utterance("one two", 0, "A"), utterance("three four", 1000, "B", utt=1)]
    heard = [utterance("won too", 0).words + utterance("tree", 1050).words, utterance("late", 5000).words]
    again = [(one.utt, one.spk, one.text) for one in with_speakers(heard, before)]
    assert again == [(0, "A", "won too"), (0, "B", "tree"), (1, "B", "late")]


def test_where_nobody_was_told_apart_nobody_is() -> None:
    """Nor where nothing was said before."""
    heard = [utterance("one two").words]
    assert [one.spk for one in with_speakers(heard, [utterance("won too")])] == [None]
    assert [one.spk for one in with_speakers(heard, [])] == [None]


@pytest.mark.parametrize(
    ("before", "one_voice", "expected"),
    [([], False, {"A", "B"}), ([], True, {None}), ([utterance("good morning", 0, "Kim")], False, {"Kim"})],
)
async def test_voices_are_told_apart_where_they_were_not(
    repository: Path, before: list[Utterance], one_voice: bool, expected: set[str | None]
) -> None:
    """In a conversation of two whom nobody knows; not in the track of one person, nor against what is known."""
    request = InputRequest(f"file:{repository / 'daemon/data/demo.flac'}", None, speed=0.0)
    async with open_pipeline(Config()) as pipeline, open_source(request, print) as source:
        again = await transcribe_again(source, before, pipeline, lambda _: None, one_voice=one_voice)
    assert {one.spk for one in again} == expected
    assert again[0].text.startswith("Good morning")
