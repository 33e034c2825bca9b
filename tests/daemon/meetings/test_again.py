"""Who speaks in a text that was made anew."""

from __future__ import annotations

from amanuensis.daemon.meetings.again import with_speakers
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
