"""What a client knows of a session for good."""

from __future__ import annotations

from typing import Any

import pytest

from amanuensis.daemon.durable_view import DurableView, ViewError


def commit(seq: int, *texts: str) -> dict[str, Any]:
    """Return a commit of words."""
    return {"type": "commit", "seq": seq, "utt": 0, "words": [{"text": text} for text in texts]}


def snapshot(seq: int, first: int, *texts: str) -> dict[str, Any]:
    """Return a snapshot of words."""
    return commit(seq, *texts) | {"type": "snapshot", "first": first}


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
    """By utterance and index, over commits, but for words that only a snapshot told of."""
    view = DurableView()
    view.take(snapshot(3, 0, " s"))
    for event in (commit(4, " a", " b"), commit(5, " c"), commit(6, " d") | {"utt": 1}):
        view.take(event)
    revised = [{"utt": 0, "i": 2, "spk": "B"}, {"utt": 1, "i": 0, "spk": "C"}, {"utt": 9, "i": 0, "spk": "D"}]
    view.take({"type": "speaker_revised", "seq": 7, "words": revised})
    assert [word.get("spk") for word in view.words] == [None, None, None, "B", "C"]
