"""The index of meetings."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from amanuensis.daemon.meetings import jobs
from amanuensis.daemon.meetings.model import Hole, MeetingError, Remark
from amanuensis.daemon.meetings.search import search
from amanuensis.daemon.meetings.store import Store
from tests.daemon.meetings.conftest import Fill, utterance


def test_tracks_are_told_in_the_order_of_the_meeting(store: Store, fill: Fill) -> None:
    """Words, notes and gaps of each session are moved to the clock of the meeting, and never change their track."""
    fill("aaa", [utterance("good morning", 100), utterance("so do I", 5000, utt=1)], remarks=[Remark("1", 200, "late")])
    fill("bbb", [utterance("hello", 0, "A")], track="them", offset_ms=1000, holes=[Hole(3000, 4000, "paused")])
    record = store.record("monday")
    assert [(line.track, line.speaker, line.start_ms, line.utterance.text) for line in record.lines] == [
        ("me", "me", 100, "good morning"),
        ("them", "them A", 1000, "hello"),
        ("me", "me", 5000, "so do I"),
    ]
    assert record.remarks == (Remark("1", 200, "late"),)
    assert record.holes == (("them", Hole(4000, 5000, "paused")),)


def test_a_meeting_is_found_by_a_beginning_of_its_id(store: Store, fill: Fill) -> None:
    """What is not there, or not clear, is said in one line."""
    fill("aaa", meeting="4f0c", opened_s=1.0)
    fill("bbb", meeting="4f77", opened_s=2.0)
    assert store.find("4f0").id == "4f0c"
    assert store.find("latest").id == "4f77"
    for name, message in (
        ("4f", "more than one meeting begins with '4f'"),
        ("x", "no meeting 'x'"),
        ("\udcff", "no meeting '.udcff'"),
        ("%", "no meeting"),
    ):
        with pytest.raises(MeetingError, match=message):
            store.find(name)


def test_a_speaker_keeps_the_name_that_was_given(store: Store, fill: Fill) -> None:
    """Whole tracks and single voices are renamed, by key or by the name before; other speakers stay."""
    fill("aaa", [utterance("hello")])
    fill("bbb", [utterance("yes", 500, "A"), utterance("no", 900, "B", 1)], track="them")
    assert store.rename_speaker("monday", "them:A", "Kim") == "them:A"
    assert store.rename_speaker("monday", "me", "Alex") == "me"
    assert store.rename_speaker("monday", "Kim", "Kim Lee") == "them:A"
    assert [line.speaker for line in store.record("monday").lines] == ["Alex", "Kim Lee", "them B"]
    store.rename_speaker("monday", "them:B", "me")
    assert store.rename_speaker("monday", "me", "Alexa") == "me"  # the track, not who is called so
    with pytest.raises(MeetingError, match="no speaker 'C' in meeting monday; there is: me, them:A, them:B"):
        store.rename_speaker("monday", "C", "Chris")


def test_a_removed_meeting_is_not_found(store: Store, fill: Fill) -> None:
    """Neither by its name nor by what was said; others stay."""
    fill("aaa", [utterance("the secret plan")])
    fill("bbb", [utterance("the public plan")], meeting="tuesday")
    assert store.remove("monday").id == "monday"
    assert [hit.meeting for hit in search(store, "plan")] == ["tuesday"]
    assert [meeting.id for meeting in store.meetings()] == ["tuesday"]


def test_a_change_that_fails_changes_nothing(store: Store, fill: Fill) -> None:
    """The words before stay when the new ones cannot be had to the end."""
    fill("aaa", [utterance("as before")])

    def broken() -> object:
        yield utterance("half")
        raise RuntimeError("the engine is lost")

    with pytest.raises(RuntimeError, match="the engine is lost"):
        store.fill("aaa", broken(), (), ())  # type: ignore[arg-type]
    assert [line.utterance.text for line in store.record("monday").lines] == ["as before"]


def test_only_the_owner_may_read_the_index(store: Store) -> None:
    """It holds what people said."""
    assert (store.path.stat().st_mode & 0o777, store.path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_the_first_ones_may_come_at_the_same_time(tmp_path: Path) -> None:
    """The tables are made once, whoever opens the index first."""
    path = tmp_path / "meetings.db"

    def count(_: int) -> int:
        with Store(path) as store:
            return len(store.meetings())

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(count, range(8))) == [0] * 8


@pytest.mark.parametrize("damage", ["text", "version"])
def test_a_file_that_is_no_index_is_named(tmp_path: Path, damage: str) -> None:
    """It is left as it is."""
    path = tmp_path / "meetings.db"
    if damage == "text":
        path.write_text("this is not a database, but a text that is long enough to be taken for one " * 9)
    else:
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    advice = "not a database; move it away" if damage == "text" else "version 99"
    with pytest.raises(MeetingError, match=rf"meetings\.db: the index of meetings cannot be used: .*{advice}"):
        Store(path)
    assert damage == "version" or path.read_bytes() == before


def test_an_index_of_the_first_version_is_taken_over(store: Store, fill: Fill) -> None:
    """With all that is in it; phrases are found as in a new one."""
    fill("aaa", [utterance("the quarterly", utt=0), utterance("budget", 500, utt=1)])
    store.rename_speaker("monday", "me", "Kim")
    with sqlite3.connect(store.path) as connection:
        connection.executescript(FIRST_VERSION)
    with Store(store.path) as again:
        assert [line.speaker for line in again.record("monday").lines] == ["Kim", "Kim"]
        assert [hit.text for hit in search(again, "quarterly budget")] == ["the quarterly budget"]
        assert jobs.ask(again, "monday", "base.en", {}).state == "waiting"
        again.remove("monday")
        assert search(again, "budget") == []


FIRST_VERSION = """
DROP TABLE jobs;
DROP TABLE redone;
DROP TABLE said_words;
DROP TABLE said_pairs;
CREATE VIRTUAL TABLE said USING fts5 (
    text, content='utterances', content_rowid='id', tokenize="unicode61 remove_diacritics 2"
);
INSERT INTO said (said) VALUES ('rebuild');
CREATE TRIGGER said_more AFTER INSERT ON utterances BEGIN
    INSERT INTO said (rowid, text) VALUES (new.id, new.text);
END;
CREATE TRIGGER said_less AFTER DELETE ON utterances BEGIN
    INSERT INTO said (said, rowid, text) VALUES ('delete', old.id, old.text);
END;
PRAGMA user_version = 1;
"""
