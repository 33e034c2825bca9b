"""The index of meetings: made from recordings and, all but titles and names given later, to be had from them again."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from amanuensis.daemon.fields import is_utf8
from amanuensis.daemon.meetings import said
from amanuensis.daemon.meetings.model import (
    HeardWord,
    Hole,
    Line,
    Meeting,
    MeetingError,
    Record,
    Remark,
    Track,
    TrackState,
    Utterance,
)
from amanuensis.daemon.meetings.schema import prepare

BUSY_S: Final = 10.0  # another process writes
FOLDER_MODE: Final = 0o700
FILE_MODE: Final = 0o600
IF_BROKEN: Final = "move it away: the recordings have all of it but titles, names and text that were given later"
TRACK: Final = "session, name, offset_ms, duration_ms, rate, model, state"


class Store:
    """The index, open; of one thread at a time.

    Args:
        path: of the file; made, with its folder, when it is not there.

    Raises:
        MeetingError: it cannot be used.

    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._explained():
            path.parent.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
            path.touch(FILE_MODE)
            self._db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
            try:
                with _alone(path.parent):
                    prepare(self._db)
            except BaseException:
                self._db.close()
                raise

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    # Written by recorders

    def begin(self, meeting: str, title: str | None, opened_s: float, track: Track) -> None:
        """Take note of a track that is recorded; a meeting that is not known begins with it."""
        with self.writing():
            row = (meeting, title or "", opened_s)
            self._db.execute("INSERT INTO meetings VALUES (?, ?, ?) ON CONFLICT DO NOTHING", row)
            if title:
                self._db.execute("UPDATE meetings SET title = ? WHERE id = ? AND title = ''", (title, meeting))
            facts = (track.session, meeting, track.name, track.offset_ms, track.duration_ms, track.rate)
            self._db.execute(
                "INSERT INTO tracks VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (session) DO UPDATE SET "
                "duration_ms = excluded.duration_ms, state = excluded.state",
                (*facts, track.model, track.state),
            )

    def fill(
        self, session: str, utterances: Iterable[Utterance], remarks: Iterable[Remark], holes: Iterable[Hole]
    ) -> None:
        """Put what was said in a session, and beside it, in the place of what was there."""
        with self.writing():
            self.replace_utterances(session, utterances)
            self._db.execute("DELETE FROM remarks WHERE session = ?", (session,))
            self._db.execute("DELETE FROM holes WHERE session = ?", (session,))
            rows = [(session, remark.id, remark.at_ms, remark.text) for remark in remarks]
            self._db.executemany("INSERT OR IGNORE INTO remarks VALUES (?, ?, ?, ?)", rows)
            gaps = [(session, hole.start_ms, hole.end_ms, hole.why) for hole in holes]
            self._db.executemany("INSERT INTO holes VALUES (?, ?, ?, ?)", gaps)

    def replace_utterances(self, session: str, utterances: Iterable[Utterance]) -> None:
        """Put the text of a session in the place of what was there; while `writing`."""
        said.remove_session(self._db, session)
        self._db.execute("DELETE FROM utterances WHERE session = ?", (session,))
        rows = ((session, one.utt, one.spk, one.text, packed(one.words)) for one in utterances if one.words)
        self._db.executemany("INSERT INTO utterances (session, utt, spk, text, words) VALUES (?, ?, ?, ?, ?)", rows)
        said.add_session(self._db, session)

    # Read

    def states(self) -> dict[str, TrackState]:
        """Return the state of each session that is known."""
        return dict(self._db.execute("SELECT session, state FROM tracks"))

    def removed(self) -> set[str]:
        """Return the sessions whose meetings were removed."""
        return {session for (session,) in self._db.execute("SELECT session FROM removed")}

    def opened_s(self, meeting: str) -> float | None:
        """Return when a meeting began, in seconds since the epoch, if it is known."""
        row = self._db.execute("SELECT opened_s FROM meetings WHERE id = ?", (meeting,)).fetchone()
        return None if row is None else float(row[0])

    def meetings(self, limit: int = -1) -> list[Meeting]:
        """Return the meetings, newest first."""
        rows = self._db.execute("SELECT id, title, opened_s FROM meetings ORDER BY opened_s DESC, id LIMIT ?", (limit,))
        return [self._meeting(*row) for row in rows.fetchall()]

    def find(self, name: str) -> Meeting:
        """Return the meeting of this id or of the only id that begins so; `latest` is the newest.

        Raises:
            MeetingError: there is none, or more than one.

        """
        if name == "latest":
            found = self.meetings(1)
        elif not is_utf8(name):
            found = []
        else:
            row = self._db.execute("SELECT id, title, opened_s FROM meetings WHERE id = ?", (name,)).fetchone()
            begins = "SELECT id, title, opened_s FROM meetings WHERE substr(id, 1, ?) = ? LIMIT 2"
            rows = [row] if row else self._db.execute(begins, (len(name), name)).fetchall()
            found = [self._meeting(*row) for row in rows] if name else []
        if not found:
            raise MeetingError(f"no meeting {name!r}: see `amanuensis meetings list`")
        if len(found) > 1:
            raise MeetingError(f"more than one meeting begins with {name!r}: {found[0].id}, {found[1].id}; say more")
        return found[0]

    def record(self, name: str) -> Record:
        """Return all of a meeting, in the order in which it was said.

        Raises:
            MeetingError: as `find`.

        """
        meeting = self.find(name)
        names = self._names(meeting.id)
        lines = [line for track in meeting.tracks for line in self._lines(track, names)]
        remarks = [remark for track in meeting.tracks for remark in self._remarks(track)]
        holes = [(track.name, hole) for track in meeting.tracks for hole in self._holes(track)]
        return Record(
            meeting,
            tuple(sorted(lines, key=lambda line: line.start_ms)),
            tuple(sorted(remarks, key=lambda remark: remark.at_ms)),
            tuple(sorted(holes, key=lambda pair: pair[1].start_ms)),
        )

    def speaker(self, meeting: str, track: str, spk: str | None) -> str:
        """Return what a speaker is called."""
        return _speaker(self._names(meeting), track, spk)

    def query(self, sql: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """Return the rows of a question of another module."""
        with self._explained():
            return self._db.execute(sql, values).fetchall()

    def rows(self, sql: str, values: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of such a question as they are found."""
        with self._explained():
            yield from self._db.execute(sql, values)

    def utterances(self, session: str) -> Iterator[Utterance]:
        """Yield what was said in a session, on its own clock."""
        sql = "SELECT utt, spk, words FROM utterances WHERE session = ? ORDER BY id"
        for utt, spk, words in self._db.execute(sql, (session,)):
            yield Utterance(utt, spk, _unpacked(words))

    # Changed by people

    def rename(self, name: str, title: str) -> None:
        """Give a meeting a title."""
        with self.writing():
            self._db.execute("UPDATE meetings SET title = ? WHERE id = ?", (title, self.find(name).id))

    def rename_speaker(self, name: str, speaker: str, to: str) -> str:
        """Call a speaker by a name: TRACK, TRACK:SPEAKER, or a name given before; return which that is.

        Raises:
            MeetingError: there is no such meeting or speaker.

        """
        meeting = self.find(name)
        known = self._speakers(meeting)
        names = self._names(meeting.id)
        matches = [key for key in known if _key(*key) == speaker]
        matches = matches or [key for key in known if _speaker(names, *key) == speaker]
        if not matches:
            there = ", ".join(_key(*key) for key in known) or "nobody"
            raise MeetingError(f"no speaker {speaker!r} in meeting {meeting.id}; there is: {there}")
        with self.writing():
            for track, spk in matches:
                row = (meeting.id, track, spk or "", to)
                self._db.execute("INSERT OR REPLACE INTO speakers VALUES (?, ?, ?, ?)", row)
        return ", ".join(_key(*key) for key in matches)

    def remove(self, name: str) -> Meeting:
        """Forget a meeting; its recordings are another matter."""
        meeting = self.find(name)
        with self.writing():
            for track in meeting.tracks:
                said.remove_session(self._db, track.session)
                self._db.execute("DELETE FROM utterances WHERE session = ?", (track.session,))
                self._db.execute("INSERT OR IGNORE INTO removed VALUES (?)", (track.session,))
            self._db.execute("DELETE FROM meetings WHERE id = ?", (meeting.id,))
        return meeting

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Write while inside, all of it or nothing."""
        with self._explained():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    # Inside

    def _meeting(self, name: str, title: str, opened_s: float) -> Meeting:
        rows = self._db.execute(f"SELECT {TRACK} FROM tracks WHERE meeting = ? ORDER BY offset_ms, name", (name,))
        return Meeting(name, title, opened_s, tuple(Track(*row) for row in rows))

    def _names(self, meeting: str) -> dict[tuple[str, str], str]:
        rows = self._db.execute("SELECT track, spk, name FROM speakers WHERE meeting = ?", (meeting,))
        return {(track, spk): name for track, spk, name in rows}

    def _speakers(self, meeting: Meeting) -> list[tuple[str, str | None]]:
        found: dict[tuple[str, str | None], None] = {}
        for track in meeting.tracks:
            sql = "SELECT DISTINCT spk FROM utterances WHERE session = ? ORDER BY spk"
            found.update({(track.name, spk): None for (spk,) in self._db.execute(sql, (track.session,))})
        return list(found)

    def _lines(self, track: Track, names: dict[tuple[str, str], str]) -> Iterator[Line]:
        for said_here in self.utterances(track.session):
            words = tuple(word.later(track.offset_ms) for word in said_here.words)
            speaker = _speaker(names, track.name, said_here.spk)
            yield Line(track.name, speaker, track.session, replace(said_here, words=words))

    def _remarks(self, track: Track) -> Iterator[Remark]:
        sql = "SELECT id, at_ms, text FROM remarks WHERE session = ?"
        for label, at_ms, text in self._db.execute(sql, (track.session,)):
            yield Remark(label, at_ms + track.offset_ms, text)

    def _holes(self, track: Track) -> Iterator[Hole]:
        sql = "SELECT from_ms, to_ms, why FROM holes WHERE session = ?"
        for start_ms, end_ms, why in self._db.execute(sql, (track.session,)):
            yield Hole(start_ms + track.offset_ms, end_ms + track.offset_ms, why)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, ValueError) as error:
            broken = isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
            advice = f"; {IF_BROKEN}" if broken else ""
            raise MeetingError(f"{self.path}: the index of meetings cannot be used: {error}{advice}") from None


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep others from the same at the same time: the tables are made once."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def packed(words: tuple[HeardWord, ...]) -> str:
    """Return words as the index has them."""
    rows = [[word.text, round(word.start_ms), round(word.end_ms), round(word.conf, 3)] for word in words]
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":"))


def _unpacked(packed: str) -> tuple[HeardWord, ...]:
    return tuple(HeardWord(*row) for row in json.loads(packed))


def _key(track: str, spk: str | None) -> str:
    return track if spk is None else f"{track}:{spk}"


def _speaker(names: dict[tuple[str, str], str], track: str, spk: str | None) -> str:
    return names.get((track, spk or "")) or (track if spk is None else f"{track} {spk}")
