"""Meetings that are transcribed again: asked for in the index, done by a worker one after another, seen by all."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from amanuensis.daemon.meetings.model import OVER, HeardWord, MeetingError, Utterance
from amanuensis.daemon.meetings.store import Store, packed

JobState: TypeAlias = Literal["waiting", "running", "done", "failed", "cancelled"]
MAX_TRIES: Final = 5  # starts of a worker in a row that ended without a track
GIVEN_UP: Final = f"the process that did it ended {MAX_TRIES} times before a track was done"
JOB: Final = "meeting, model, state, done_ms, total_ms, why, settings"
GOES_ON: Final = "('waiting', 'running')"


class CancelledJobError(Exception):
    """Somebody has cancelled the job, or removed the meeting."""


@dataclass(frozen=True, slots=True)
class Job:
    """A meeting that is, or was, transcribed again.

    Attributes:
        meeting: its id.
        model: that does it.
        state: where it stands.
        done_ms: of the sound of all tracks.
        total_ms: of sound; 0 until that is known.
        why: it failed; else "".
        settings: of the engine, by dotted key.

    """

    meeting: str
    model: str
    state: JobState
    done_ms: float
    total_ms: float
    why: str
    settings: Mapping[str, Any]

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes."""
        return self.state not in ("waiting", "running")

    @property
    def is_news(self) -> bool:
        """Whether somebody who looks at the meeting should be told: it goes on, or has failed."""
        return self.state not in ("done", "cancelled")

    @property
    def share(self) -> float:
        """How much of it is done, 0 to 1."""
        return min(1.0, self.done_ms / self.total_ms) if self.total_ms else 0.0

    def line(self) -> str:
        """Say in words where it stands."""
        progress = f", {100 * self.share:.0f} %" if self.state == "running" else f": {self.why}" if self.why else ""
        return f"again by {self.model}: {self.state}{progress}"

    def to_map(self) -> dict[str, Any]:
        """Return it for programs."""
        facts = {"meeting": self.meeting, "model": self.model, "state": self.state, "why": self.why}
        return facts | {"done_ms": round(self.done_ms), "total_ms": round(self.total_ms)}


def ask(store: Store, name: str, model: str, settings: Mapping[str, Any]) -> Job:
    """Have a meeting transcribed again; a worker must be started.

    Raises:
        MeetingError: there is no such meeting, it is not over, or it is being transcribed again already.

    """
    meeting = store.find(name)
    if any(track.state not in OVER for track in meeting.tracks):
        raise MeetingError(f"meeting {meeting.id} is {meeting.state}: only one that is over can be transcribed again")
    with store.writing():
        before = find(store, meeting.id)
        if before is not None and not before.is_over:
            raise MeetingError(f"meeting {meeting.id} is being transcribed {before.line()}; cancel that first, or wait")
        _forget_tracks(store, meeting.id)
        row = (meeting.id, model, json.dumps(dict(settings)), time.time())
        store.query(
            "INSERT OR REPLACE INTO jobs (meeting, model, settings, state, asked_s) VALUES (?, ?, ?, 'waiting', ?)", row
        )
    return Job(meeting.id, model, "waiting", 0.0, 0.0, "", settings)


def find(store: Store, meeting: str) -> Job | None:
    """Return the newest job of a meeting."""
    return next(iter(_jobs(store, "WHERE meeting = ?", (meeting,))), None)


def every(store: Store) -> list[Job]:
    """Return all jobs, by the time when they were asked for."""
    return _jobs(store, "ORDER BY asked_s", ())


def has_work(store: Store) -> bool:
    """Whether a worker would find something to do."""
    return bool(store.query(f"SELECT 1 FROM jobs WHERE state IN {GOES_ON} LIMIT 1", ()))


def cancel(store: Store, name: str) -> Job:
    """Cancel the job of a meeting; its text stays as it is.

    Raises:
        MeetingError: there is no such meeting, or it is not being transcribed again.

    """
    meeting = store.find(name)
    with store.writing():
        job = find(store, meeting.id)
        if job is None or not job.is_news:
            raise MeetingError(f"meeting {meeting.id} is not being transcribed again: there is nothing to cancel")
        store.query("UPDATE jobs SET state = 'cancelled' WHERE meeting = ?", (meeting.id,))
        _forget_tracks(store, meeting.id)
    return job


# By the worker, of which there is one


def take_next(store: Store) -> Job | None:
    """Take the job that was asked for first; one that is running was left by a worker that was killed."""
    with store.writing():
        store.query(
            f"UPDATE jobs SET state = 'failed', why = ? WHERE state IN {GOES_ON} AND tries >= ?",
            (GIVEN_UP, MAX_TRIES),
        )
        job = next(iter(_jobs(store, f"WHERE state IN {GOES_ON} ORDER BY asked_s LIMIT 1", ())), None)
        if job is not None:
            store.query("UPDATE jobs SET state = 'running', tries = tries + 1 WHERE meeting = ?", (job.meeting,))
    return job


def advance(store: Store, meeting: str, done_ms: float, total_ms: float) -> None:
    """Say how much is done.

    Raises:
        CancelledJobError: nobody wants it any more.

    """
    with store.writing():
        _still_wanted(store, meeting)
        store.query("UPDATE jobs SET done_ms = ?, total_ms = ? WHERE meeting = ?", (done_ms, total_ms, meeting))


def kept_tracks(store: Store, meeting: str) -> set[str]:
    """Return the sessions of a meeting that its job has done already."""
    sql = "SELECT session FROM redone JOIN tracks USING (session) WHERE meeting = ?"
    return {session for (session,) in store.query(sql, (meeting,))}


def keep_track(store: Store, meeting: str, session: str, model: str, utterances: Sequence[Utterance]) -> None:
    """Keep the new text of a track until all are done.

    Raises:
        CancelledJobError: nobody wants it any more.

    """
    text = json.dumps([[one.utt, one.spk, packed(one.words)] for one in utterances], ensure_ascii=False)
    with store.writing():
        _still_wanted(store, meeting)
        store.query("INSERT OR REPLACE INTO redone VALUES (?, ?, ?)", (session, model, text))
        store.query("UPDATE jobs SET tries = 0 WHERE meeting = ?", (meeting,))


def finish(store: Store, meeting: str) -> None:
    """Put the new text of all tracks in the place of the old one.

    Raises:
        CancelledJobError: nobody wants it any more.

    """
    with store.writing():
        _still_wanted(store, meeting)
        sql = "SELECT session, redone.model, utterances FROM redone JOIN tracks USING (session) WHERE meeting = ?"
        for session, model, text in store.query(sql, (meeting,)):
            store.replace_utterances(session, (_unpacked(*row) for row in json.loads(text)))
            store.query("UPDATE tracks SET model = ? WHERE session = ?", (model, session))
        _forget_tracks(store, meeting)
        store.query("UPDATE jobs SET state = 'done', done_ms = total_ms, why = '' WHERE meeting = ?", (meeting,))


def fail(store: Store, meeting: str, why: str) -> None:
    """Say why a job cannot be done."""
    with store.writing():
        _forget_tracks(store, meeting)
        store.query("UPDATE jobs SET state = 'failed', why = ? WHERE meeting = ? AND state = 'running'", (why, meeting))


def _jobs(store: Store, rest: str, values: tuple[Any, ...]) -> list[Job]:
    rows = store.query(f"SELECT {JOB} FROM jobs {rest}", values)
    return [Job(*[*facts, json.loads(settings)]) for *facts, settings in rows]


def _still_wanted(store: Store, meeting: str) -> None:
    job = find(store, meeting)
    if job is None or job.state != "running":
        raise CancelledJobError


def _forget_tracks(store: Store, meeting: str) -> None:
    store.query("DELETE FROM redone WHERE session IN (SELECT session FROM tracks WHERE meeting = ?)", (meeting,))


def _unpacked(utt: int, spk: str | None, words: str) -> Utterance:
    return Utterance(utt, spk, tuple(HeardWord(*row) for row in json.loads(words)))
