"""The tables of the index of meetings: SQLite with a write-ahead log and FTS5."""

from __future__ import annotations

import sqlite3
from typing import Final

from amanuensis.daemon.meetings import said

VERSION: Final = 2
TABLES: Final = """
CREATE TABLE meetings (
    id TEXT PRIMARY KEY, title TEXT NOT NULL DEFAULT '', opened_s REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE tracks (
    session TEXT PRIMARY KEY, meeting TEXT NOT NULL REFERENCES meetings ON DELETE CASCADE,
    name TEXT NOT NULL, offset_ms REAL NOT NULL, duration_ms REAL NOT NULL, rate INTEGER NOT NULL,
    model TEXT NOT NULL, state TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX tracks_of ON tracks (meeting);
-- Times of utterances, words, remarks and holes are of their session: its offset may become better known.
CREATE TABLE utterances (
    id INTEGER PRIMARY KEY, session TEXT NOT NULL REFERENCES tracks ON DELETE CASCADE,
    utt INTEGER NOT NULL, spk TEXT, text TEXT NOT NULL, words TEXT NOT NULL  -- [[text, from, to, conf], ...]
);
CREATE INDEX utterances_of ON utterances (session);
CREATE TABLE remarks (
    session TEXT NOT NULL REFERENCES tracks ON DELETE CASCADE, id TEXT NOT NULL, at_ms REAL NOT NULL,
    text TEXT NOT NULL, PRIMARY KEY (session, id)
) WITHOUT ROWID;
CREATE TABLE holes (
    session TEXT NOT NULL REFERENCES tracks ON DELETE CASCADE, from_ms REAL NOT NULL, to_ms REAL NOT NULL,
    why TEXT NOT NULL
);
CREATE INDEX holes_of ON holes (session);
CREATE TABLE removed (session TEXT PRIMARY KEY) WITHOUT ROWID;  -- whose sound is to go, or has gone
CREATE TABLE speakers (
    meeting TEXT NOT NULL REFERENCES meetings ON DELETE CASCADE, track TEXT NOT NULL,
    spk TEXT NOT NULL,  -- '': of a track in which nobody is told apart
    name TEXT NOT NULL, PRIMARY KEY (meeting, track, spk)
) WITHOUT ROWID;
"""
ADDED_BY_2: Final = """
-- What is looked for (phrase.py); kept in step by store.py. Neither text nor lengths are stored again.
CREATE VIRTUAL TABLE said_words USING fts5 (
    words, content='', columnsize=0, prefix='2 3', tokenize="ascii tokenchars '+'"
);
CREATE VIRTUAL TABLE said_pairs USING fts5 (pairs, content='', columnsize=0, tokenize="ascii tokenchars '+'");
CREATE TABLE jobs (  -- meetings that are transcribed again (jobs.py)
    meeting TEXT PRIMARY KEY REFERENCES meetings ON DELETE CASCADE, model TEXT NOT NULL,
    settings TEXT NOT NULL,  -- of the engine, by key: JSON
    state TEXT NOT NULL, asked_s REAL NOT NULL, done_ms REAL NOT NULL DEFAULT 0, total_ms REAL NOT NULL DEFAULT 0,
    tries INTEGER NOT NULL DEFAULT 0, why TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE TABLE redone (  -- tracks that such a job has done; they wait for the others
    session TEXT PRIMARY KEY REFERENCES tracks ON DELETE CASCADE, model TEXT NOT NULL, utterances TEXT NOT NULL
) WITHOUT ROWID;
"""
FROM_1: Final = """
DROP TRIGGER said_more;
DROP TRIGGER said_less;
DROP TABLE said;
"""


def prepare(connection: sqlite3.Connection) -> None:
    """Make the tables where there are none.

    Raises:
        ValueError: the file has tables of another version.

    """
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = NORMAL")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version not in (0, 1, VERSION):
        raise ValueError(f"it has version {version}; this program knows {VERSION}")
    if version != VERSION:
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            _run(connection, (FROM_1 if version == 1 else TABLES) + ADDED_BY_2)
            for (session,) in connection.execute("SELECT session FROM tracks").fetchall():
                said.add_session(connection, session)
            connection.execute(f"PRAGMA user_version = {VERSION}")


def _run(connection: sqlite3.Connection, script: str) -> None:
    """Run statements in the transaction that is open; `executescript` would commit it."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""
