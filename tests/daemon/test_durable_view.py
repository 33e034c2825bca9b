"""What a client knows of a session for good."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanuensis.daemon.durable_view import DurableView, ViewError
from amanuensis.daemon.journal import Entry, Journal, JournalLimits
from amanuensis.daemon.wire import wire_map
from amanuensis.stream.events import Commit, SpeakerRevised, Word


def commit(seq: int, *texts: str) -> dict[str, Any]:
    """Return a commit of words."""
    return {"type": "commit", "seq": seq, "utt": 0, "words": [{"text": text} for text in texts]}


def snapshot(seq: int, first: int, *texts: str) -> dict[str, Any]:
    """Return a snapshot of words of one utterance."""
    places = [{"utt": 0, "i": first, "n": len(texts)}]
    return commit(seq, *texts) | {"type": "snapshot", "first": first, "places": places}


def test_events_that_come_again_change_nothing() -> None:
    """A durable event counts once; one that has no number always passes."""
    view = DurableView()
    taken = [view.take(event) for event in (commit(1, " a"), commit(1, " a"), {"type": "partial"}, commit(2, " b"))]
    assert taken == [True, False, True, True]
    assert (view.text, view.seq, view.committed) == ("a b", 2, 2)


def test_a_hole_is_an_error() -> None:
    """A server that leaves a durable event out, or has forgotten some, is found out."""
    view = DurableView()
    view.take(commit(1, " a"))
    with pytest.raises(ViewError, match="event 4 came after event 1: the server has left 2 out"):
        view.take(commit(4, " b"))
    with pytest.raises(ViewError, match="up to 0; it had told event 1"):
        view.take(snapshot(0, 0))


@pytest.mark.parametrize(
    ("first", "texts", "text", "untold"),
    [
        (0, (" a", " b", " c"), "a b c", 0),
        (1, (" b", " c"), "a b c", 0),
        (2, (" c", " d"), "a b c d", 0),
        (5, (" f",), "a b f", 3),
    ],
)
def test_a_snapshot_is_joined_to_what_is_known(first: int, texts: tuple[str, ...], text: str, untold: int) -> None:
    """Words of a snapshot that are known are not taken twice; those that are in none of the two are counted."""
    view = DurableView()
    view.take(commit(1, " a", " b"))
    view.take(snapshot(9, first, *texts))
    assert (view.text, view.untold, view.seq) == (text, untold, 9)
    assert view.committed == first + len(texts)


def test_who_comes_late_begins_with_a_snapshot() -> None:
    """The first snapshot says how much was said before."""
    view = DurableView()
    view.take(snapshot(7, 40, " x"))
    view.take(commit(8, " y"))
    assert (view.text, view.committed, view.untold) == ("x y", 42, 40)


def test_a_speaker_is_put_right() -> None:
    """By utterance and index, over commits, also where a snapshot told the first words of the utterance."""
    view = DurableView()
    view.take(snapshot(3, 0, " s"))
    for event in (commit(4, " a", " b"), commit(5, " c"), commit(6, " d") | {"utt": 1}):
        view.take(event)
    revised = [(0, 0, "A"), (0, 3, "B"), (1, 0, "C"), (9, 0, "D")]
    words = [{"utt": utt, "i": i, "spk": spk} for utt, i, spk in revised]
    view.take({"type": "speaker_revised", "seq": 7, "words": words})
    assert [word.get("spk") for word in view.words] == ["A", None, None, "B", "C"]


def wire(entry: Entry) -> dict[str, Any]:
    """Return an entry of a journal as it is sent."""
    return wire_map(entry.event, entry.seq)


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("commit"), st.integers(1, 3)),
        st.tuples(st.just("final"), st.just(0)),
        st.tuples(st.just("revise"), st.integers(0, 30)),
        st.tuples(st.just("come back"), st.just(0)),
    ),
    max_size=40,
)


@given(EVENTS, st.integers(0, 5), st.integers(0, 20))
def test_whoever_comes_late_or_back_knows_who_spoke(events: list[tuple[str, int]], ring: int, snapshot: int) -> None:
    """With a ring and a snapshot too short for what was missed, every word that is known has the server's speaker."""
    journal = Journal(JournalLimits(events=ring, snapshot_words=snapshot))
    view = DurableView()
    utt = n = 0
    for what, number in [*events, ("come back", 0)]:
        if what == "commit":
            words = tuple(Word(f" {utt}.{n + k}", 0.0, 1.0, 0.5, "A") for k in range(number))
            journal.add(Commit(utt, words))
            n += number
        elif what == "final":
            utt, n = utt + 1, 0
        elif what == "revise":
            said = list(journal.said())[-1 - number :]
            journal.add(SpeakerRevised(tuple((u, i, f"{word.spk}+") for u, i, word in said)))
        else:
            for entry in journal.replay(view.seq if view.seq else None):
                view.take(wire(entry))
    truth = {word.text: word.spk for _, _, word in journal.said()}
    newest = [word.text for _, _, word in journal.said()][-snapshot:] if snapshot else []
    known = {word["text"]: word.get("spk") for word in view.words}
    assert {text: known.get(text) for text in newest} == {text: truth[text] for text in newest}
    assert view.committed == len(truth)
