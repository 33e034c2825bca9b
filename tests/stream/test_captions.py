"""Words to events."""

from __future__ import annotations

from amanuensis.stream.captions import CaptionWriter
from amanuensis.stream.events import Commit, Final, Partial
from tests.helpers.words import words

SECOND = 16_000


def test_a_final_joins_its_commits() -> None:
    """The text of a final is the text of its commits, and the next utterance has the next number."""
    writer = CaptionWriter(30 * SECOND)
    events = writer.commit(words("turn on")) + writer.commit(words("the light", 1.0)) + writer.final("pause")
    assert [type(event) for event in events] == [Commit, Commit, Final]
    final = events[-1]
    assert isinstance(final, Final)
    assert (final.utt, final.text, final.reason) == (0, " turn on the light", "pause")
    assert (final.start_ms, final.end_ms) == (0, 1700)
    assert writer.commit(words("again", 3.0))[0].utt == 1  # type: ignore[attr-defined]


def test_partials_are_numbered_and_not_repeated() -> None:
    """The same text is not sent twice, and revisions count up within an utterance."""
    writer = CaptionWriter(30 * SECOND)
    first = writer.partial(words("a b"))
    assert [(e.rev, e.text) for e in first if isinstance(e, Partial)] == [(1, " a b")]
    assert writer.partial(words("a b")) == []
    assert [e.rev for e in writer.partial(words("b")) if isinstance(e, Partial)] == [2]
    writer.commit(words("b"))
    writer.final("pause")
    assert [(e.utt, e.rev) for e in writer.partial(words("c")) if isinstance(e, Partial)] == [(1, 1)]


def test_an_empty_utterance_takes_its_partial_back() -> None:
    """An utterance in which nothing was committed has no final; its partial is emptied."""
    writer = CaptionWriter(30 * SECOND)
    assert writer.final("pause") == []
    writer.partial(words("ghost"))
    events = writer.final("pause")
    assert [e.text for e in events if isinstance(e, Partial)] == [""]
    assert len(events) == 1


def test_long_utterances_are_closed() -> None:
    """After half the length a sentence end closes, after all of it any word."""
    writer = CaptionWriter(4 * SECOND)
    assert len(writer.commit(words("a b. c", step_s=0.5))) == 1
    closed = writer.commit(words("d e.", 2.0, 0.5))
    assert isinstance(closed[-1], Final)
    assert closed[-1].reason == "length"
    assert isinstance(writer.commit(words("f g h i j k l m n", 4.0, 0.5))[-1], Final)


def test_nothing_to_commit_makes_no_event() -> None:
    """No words, no commit."""
    assert CaptionWriter(SECOND * 9).commit([]) == []


def test_a_writer_goes_on_from_its_state() -> None:
    """Another writer goes on with the utterance, its text and its number, and shows what it hears even if it is old."""
    writer = CaptionWriter(30 * SECOND)
    writer.commit(words("turn on"))
    writer.partial(words("the", 1.0))
    again = CaptionWriter(30 * SECOND, writer.state())
    assert (again.end, again.wrote_words) == (writer.end, True)
    (partial,) = again.partial(words("the", 1.0))
    assert isinstance(partial, Partial)
    assert partial.rev > 100  # no client has seen so many
    again.commit(words("the light", 1.0))
    (final,) = again.final("pause")
    assert isinstance(final, Final)
    assert (final.utt, final.text) == (0, " turn on the light")
    assert [e.rev for e in again.partial(words("c", 2.0)) if isinstance(e, Partial)] == [1]


def test_a_partial_that_is_heard_no_more_is_taken_back_after_a_restart() -> None:
    """The first partial of a writer that goes on is shown even when it is empty."""
    assert [e.text for e in CaptionWriter(SECOND * 9, CaptionWriter(SECOND).state()).partial([])] == [""]  # type: ignore[attr-defined]
