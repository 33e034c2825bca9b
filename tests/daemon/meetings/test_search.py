"""Finding what was said."""

from __future__ import annotations

import pytest

from amanuensis.daemon.meetings.model import MeetingError
from amanuensis.daemon.meetings.search import search
from amanuensis.daemon.meetings.store import Store
from tests.daemon.meetings.conftest import Fill, utterance


def test_a_phrase_is_found_with_its_place(store: Store, fill: Fill) -> None:
    """Words in a row, whatever their case and accents; the newest comes first."""
    fill("aaa", [utterance("we meet at the Café tomorrow", 700)], offset_ms=1000)
    fill("bbb", [utterance("the cafe is closed")], meeting="tuesday", track="them")
    hits = search(store, "THE café")
    assert [(hit.meeting, hit.speaker, hit.at_ms) for hit in hits] == [("tuesday", "them", 0), ("monday", "me", 1700)]
    assert search(store, "cafe the") == []
    assert len(search(store, "cafe", limit=1)) == 1


@pytest.mark.parametrize("phrase", ['"', "a OR b", "text:*", "NEAR(", "don't", 'say "yes"'])
def test_signs_of_the_query_language_are_words(store: Store, fill: Fill, phrase: str) -> None:
    """Whatever is typed is looked for, or refused in one line."""
    fill("aaa", [utterance(phrase.replace('"', " ") or "-")] if any(map(str.isalnum, phrase)) else [])
    if any(map(str.isalnum, phrase)):
        assert len(search(store, phrase)) == 1
    else:
        with pytest.raises(MeetingError, match="cannot be looked for: give words"):
            search(store, phrase)
