"""The tables of the index of meetings: SQLite with a write-ahead log and FTS5."""

from __future__ import annotations

import sqlite3
from typing import Final

VERSION: Final = 1
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
CREATE VIRTUAL TABLE said USING fts5 (
    text, content='utterances', content_rowid='id', tokenize="unicode61 remove_diacritics 2"
);
CREATE TRIGGER said_more AFTER INSERT ON utterances BEGIN
    INSERT INTO said (rowid, text) VALUES (new.id, new.text);
END;
CREATE TRIGGER said_less AFTER DELETE ON utterances BEGIN
    INSERT INTO said (said, rowid, text) VALUES ('delete', old.id, old.text);
END;
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


def prepare(connection: sqlite3.Connection) -> None:
    """Make the tables where there are none.

    Raises:
        ValueError: the file has tables of another version.

    """
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = NORMAL")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == 0:
        connection.executescript(f"BEGIN IMMEDIATE; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;")
    elif version != VERSION:
        raise ValueError(f"it has version {version}; this program knows {VERSION}")
