"""The words of utterances in the index in which phrases are looked for, kept in step session by session."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from itertools import chain, islice

from amanuensis.daemon.meetings.phrase import REACH, pairs, runs, words_of


def add_session(db: sqlite3.Connection, session: str) -> None:
    """Have the utterances of a session found; none of them is yet."""
    for number, words, two in list(_entries(db, session)):
        db.execute("INSERT INTO said_words (rowid, words) VALUES (?, ?)", (number, words))
        db.execute("INSERT INTO said_pairs (rowid, pairs) VALUES (?, ?)", (number, two))


def remove_session(db: sqlite3.Connection, session: str) -> None:
    """Have the utterances of a session found no more; before they are changed or removed."""
    for number, words, two in list(_entries(db, session)):
        db.execute("INSERT INTO said_words (said_words, rowid, words) VALUES ('delete', ?, ?)", (number, words))
        db.execute("INSERT INTO said_pairs (said_pairs, rowid, pairs) VALUES ('delete', ?, ?)", (number, two))


def _entries(db: sqlite3.Connection, session: str) -> Iterator[tuple[int, str, str]]:
    """Yield number, words and pairs of each utterance, as the index has them."""
    sql = "SELECT id, words FROM utterances WHERE session = ? ORDER BY id"
    rows = [(number, _words(packed)) for number, packed in db.execute(sql, (session,))]
    for at, (number, words) in enumerate(rows):
        # Of at most so many utterances: those without a word are rare.
        further = chain.from_iterable(said for _, said in rows[at + 1 : at + 1 + 2 * REACH])
        after = list(islice(further, REACH))
        yield number, " ".join(words), " ".join((*pairs(words, after), *runs(words, after)))


def _words(packed: str) -> list[str]:
    return words_of("".join(text for text, *_ in json.loads(packed)))
