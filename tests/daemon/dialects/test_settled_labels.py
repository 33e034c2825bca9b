"""Commits held until their speakers are settled."""

from __future__ import annotations

import math

from amanuensis.daemon.dialects.settled_labels import SettledLabels
from amanuensis.stream.events import Commit, EngineUse, Event, Final, Gap, Marked, Partial, SpeakerRevised, Turn, Word

ENGINE = EngineUse("cpu", "cpu", "m")


def commit(utt: int, *starts: float, spk: str | None = "A") -> Commit:
    """Return a commit of words of 300 ms."""
    return Commit(utt, tuple(Word(f" {start:g}", start, start + 300, 0.9, spk) for start in starts))


def final(utt: int) -> Final:
    """Return the end of an utterance."""
    return Final(utt, "pause", "", 0, 0, ENGINE)


def kept(events: list[Event]) -> list[Event]:
    """Return all but what may still change."""
    return [event for event in events if not isinstance(event, Partial)]


def test_a_commit_waits_for_its_label_and_is_shown_meanwhile() -> None:
    """What comes behind it waits too; when the label is settled all is told in order, with the speaker of then."""
    labels = SettledLabels()
    (shown,) = labels.take([commit(0, 0, 400)], 100)
    assert isinstance(shown, Partial)
    assert shown.text == " 0 400"
    assert kept(labels.take([SpeakerRevised(((0, 1, "B"),)), final(0)], 300)) == []
    told = kept(labels.take([], 1000))
    assert [type(event) for event in told] == [Commit, Final]
    assert [word.spk for word in told[0].words] == ["A", "B"]  # type: ignore[attr-defined]
    assert len(labels) == 0


def test_a_partial_goes_on_behind_what_is_held() -> None:
    """Nothing that was seen vanishes from the screen; without anything held it passes as it is."""
    labels = SettledLabels()
    partial = Partial(0, 1, " more", 900, 1200)
    labels.take([commit(0, 0)], 0)
    (shown,) = labels.take([partial], 0)
    assert isinstance(shown, Partial)
    assert (shown.text, shown.start_ms, shown.end_ms) == (" 0 more", 0, 1200)
    assert labels.take([], 0) == []
    assert [type(event) for event in labels.take([], 500)] == [Commit]
    assert labels.take([partial], 500) == [partial]


def test_a_mark_is_answered_without_delay() -> None:
    """Who asked for all that was said gets it, with the labels as they are."""
    labels = SettledLabels()
    labels.take([commit(0, 0), final(0)], 0)
    told = kept(labels.take([Marked("m", 900), commit(1, 2000)], 0))
    assert [type(event) for event in told] == [Commit, Final, Marked]
    assert len(labels) == 1


def test_words_are_counted_over_commits_and_utterances() -> None:
    """A revision finds its word by utterance and index, whichever commit it came in."""
    labels = SettledLabels()
    labels.take([commit(0, 0, 400), commit(0, 800), final(0), commit(1, 1200)], 0)
    told = labels.take([SpeakerRevised(((0, 2, "C"), (1, 0, "D"), (5, 0, "E")))], math.inf)
    assert [word.spk for event in told if isinstance(event, Commit) for word in event.words] == ["A", "A", "C", "D"]


def test_everything_is_settled_where_nobody_is_told_apart() -> None:
    """Events pass in order."""
    events: list[Event] = [Turn(0, "A", 0, True), commit(0, 0, spk=None), Gap(0, 1, "lost"), final(0)]
    assert SettledLabels().take(events, math.inf) == events
