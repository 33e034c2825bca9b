"""What a session has said, kept within bounds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from amanuensis.daemon.journal import Journal, JournalLimits
from amanuensis.stream.events import (
    Commit,
    EngineUse,
    Event,
    Final,
    Partial,
    Snapshot,
    SpeakerRevised,
    Speech,
    Stats,
    Word,
)

ENGINE = EngineUse("cpu", "cpu", "m")


def word(text: str) -> Word:
    """Return a word."""
    return Word(f" {text}", 0.0, 1.0, 0.5)


def final(utt: int) -> Final:
    """Return a final."""
    return Final(utt, "pause", "", 0.0, 1.0, ENGINE)


words = st.lists(st.builds(word, st.text("ab", max_size=3)), max_size=3).map(tuple)
events = st.lists(
    st.one_of(
        st.builds(Speech, st.booleans(), st.just(0.0)),
        st.builds(Partial, st.integers(0, 3), st.just(1), st.text(max_size=3), st.just(0.0), st.just(0.0)),
        st.builds(
            Commit, st.integers(0, 3), st.lists(st.builds(word, st.text("ab", max_size=3)), max_size=3).map(tuple)
        ),
        st.integers(0, 3).map(final),
        st.just(Stats(0, 0, 0, 0, 0, ENGINE)),
    ),
    max_size=40,
)


@given(events)
def test_durable_events_are_numbered_without_holes(told: list[Event]) -> None:
    """`seq` counts durable events from 1, and others have none."""
    journal = Journal(JournalLimits())
    entries = [journal.add(event) for event in told]
    assert [e.seq for e in entries if e.event.durable] == list(range(1, journal.last_seq + 1))
    assert all(e.seq is None for e in entries if not e.event.durable)


@given(events, st.integers(0, 50), st.integers(1, 10))
def test_replay_continues_or_starts_anew(told: list[Event], after_seq: int, kept: int) -> None:
    """A watcher that comes back gets exactly the durable events that it lacks, or a snapshot of everything."""
    journal = Journal(JournalLimits(events=kept))
    entries = [entry for entry in map(journal.add, told) if entry.seq is not None]
    replayed = [entry for entry in journal.replay(after_seq) if not isinstance(entry.event, Partial)]
    missed = [entry for entry in entries if entry.seq is not None and entry.seq > after_seq]
    if after_seq <= journal.last_seq and len(missed) <= kept:
        assert replayed == missed
    else:
        assert [type(entry.event) for entry in replayed] == [Snapshot]
        assert replayed[0].event == journal.snapshot()
        assert journal.snapshot().seq == journal.last_seq


def test_snapshot_is_bounded_and_newest() -> None:
    """A snapshot holds the newest words only; the export holds more."""
    journal = Journal(JournalLimits(words=5, snapshot_words=2))
    journal.add(Commit(0, tuple(word(str(k)) for k in range(4))))
    journal.add(Commit(1, tuple(word(str(k)) for k in range(4, 7))))
    assert journal.snapshot().text == "5 6"
    assert journal.snapshot().places == ((1, 1, 2),)
    assert [[w.text for w in words] for words in journal.utterances()] == [[" 2", " 3"], [" 4", " 5", " 6"]]
    assert journal.words_dropped == 2


def test_newest_partial_follows_once() -> None:
    """The partial of the open utterance comes last; one that a commit or final has overtaken does not come."""
    journal = Journal(JournalLimits())
    partial = Partial(0, 1, " a", 0.0, 1.0)
    journal.add(partial)
    assert journal.replay(None)[-1].event == partial
    journal.add(Commit(0, (word("a"),)))
    assert not any(isinstance(entry.event, Partial) for entry in journal.replay(None))
    journal.add(Partial(0, 2, " b", 0.0, 1.0))
    journal.add(final(0))
    assert not any(isinstance(entry.event, Partial) for entry in journal.replay(0))


def test_speakers_are_revised_in_what_is_kept() -> None:
    """A revision reaches the words by utterance and index, over several commits."""
    journal = Journal(JournalLimits())
    journal.add(Commit(0, (word("a"), word("b"))))
    journal.add(Commit(0, (word("c"),)))
    journal.add(SpeakerRevised(((0, 2, "B"), (0, 0, "A"), (9, 9, "X"))))
    assert [w.spk for w in journal.snapshot().words] == ["A", None, "B"]
