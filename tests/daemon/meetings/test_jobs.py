"""Meetings that are transcribed again, in the index."""

from __future__ import annotations

import pytest

from amanuensis.daemon.meetings import jobs
from amanuensis.daemon.meetings.model import MeetingError
from amanuensis.daemon.meetings.search import search
from amanuensis.daemon.meetings.store import Store
from tests.daemon.meetings.conftest import Fill, utterance


def texts(store: Store) -> list[str]:
    """Return what the meeting says."""
    return [line.utterance.text for line in store.record("monday").lines]


def taken(store: Store) -> jobs.Job:
    """Return the job that a worker takes."""
    job = jobs.take_next(store)
    assert job is not None
    return job


@pytest.fixture
def asked(store: Store, fill: Fill) -> Store:
    """A meeting of two tracks that is to be transcribed again."""
    fill("aaa", [utterance("wreck a nice beach", spk="A")])
    fill("bbb", [utterance("as ever", 500)], track="them")
    jobs.ask(store, "monday", "base.en", {"engine.model": "base.en", "engine.threads": 1})
    return store


def test_the_text_changes_when_all_tracks_are_done(asked: Store) -> None:
    """At once, and in the search too; until then all is as it was."""
    assert taken(asked).settings == {"engine.model": "base.en", "engine.threads": 1}
    jobs.advance(asked, "monday", 500.0, 2000.0)
    jobs.keep_track(asked, "monday", "aaa", "base.en", [utterance("recognise speech", spk="A")])
    assert texts(asked) == ["wreck a nice beach", "as ever"]
    jobs.keep_track(asked, "monday", "bbb", "base.en", [])
    jobs.finish(asked, "monday")
    record = asked.record("monday")
    assert [(line.speaker, line.utterance.text) for line in record.lines] == [("me A", "recognise speech")]
    assert {track.model for track in record.meeting.tracks} == {"base.en"}
    assert (search(asked, "nice beach"), len(search(asked, "recognise speech"))) == ([], 1)
    (job,) = jobs.every(asked)
    assert (job.state, job.share, job.is_over, jobs.has_work(asked)) == ("done", 1.0, True, False)


def test_what_a_killed_worker_has_done_is_kept(asked: Store) -> None:
    """The next one takes the same job, and does only what is missing."""
    taken(asked)
    jobs.keep_track(asked, "monday", "aaa", "base.en", [utterance("recognise speech")])
    assert taken(asked).state == "running"
    assert jobs.kept_tracks(asked, "monday") == {"aaa"}


def test_a_job_that_kills_its_worker_is_given_up(asked: Store) -> None:
    """After five starts without a track; the old text stays, and it may be asked for anew."""
    for _ in range(jobs.MAX_TRIES):
        taken(asked)
    assert jobs.take_next(asked) is None
    job = jobs.find(asked, "monday")
    assert job is not None
    assert job.line() == "again by base.en: failed: the process that did it ended 5 times before a track was done"
    assert texts(asked) == ["wreck a nice beach", "as ever"]
    jobs.cancel(asked, "monday")  # now nobody is told any more
    jobs.ask(asked, "monday", "base.en", {})
    assert taken(asked).meeting == "monday"


def test_a_job_is_cancelled_at_any_time(asked: Store) -> None:
    """The worker learns it when it tells its progress, or when it is done; nothing of it is left."""
    taken(asked)
    jobs.keep_track(asked, "monday", "aaa", "base.en", [utterance("recognise speech")])
    jobs.cancel(asked, "mon")
    for step in (
        lambda: jobs.advance(asked, "monday", 1.0, 2.0),
        lambda: jobs.keep_track(asked, "monday", "bbb", "base.en", []),
        lambda: jobs.finish(asked, "monday"),
    ):
        with pytest.raises(jobs.CancelledJobError):
            step()
    assert (texts(asked)[0], jobs.kept_tracks(asked, "monday"), jobs.has_work(asked)) == (
        *("wreck a nice beach", set()),
        False,
    )
    with pytest.raises(MeetingError, match="nothing to cancel"):
        jobs.cancel(asked, "monday")


def test_a_meeting_that_is_removed_takes_its_job_along(asked: Store) -> None:
    """The worker is told as if it was cancelled."""
    taken(asked)
    asked.remove("monday")
    with pytest.raises(jobs.CancelledJobError):
        jobs.advance(asked, "monday", 1.0, 2.0)
    assert jobs.every(asked) == []


def test_only_a_meeting_that_is_over_is_transcribed_again_and_once_at_a_time(asked: Store, fill: Fill) -> None:
    """Others are refused in one line."""
    with pytest.raises(MeetingError, match=r"monday is being transcribed again by base.en: waiting; cancel that first"):
        jobs.ask(asked, "monday", "tiny.en", {})
    fill("ccc", meeting="tuesday", state="recording")
    with pytest.raises(MeetingError, match="tuesday is recording: only one that is over"):
        jobs.ask(asked, "tuesday", "tiny.en", {})
    with pytest.raises(MeetingError, match="no meeting 'never'"):
        jobs.ask(asked, "never", "tiny.en", {})


def test_jobs_are_done_in_the_order_in_which_they_were_asked_for(asked: Store, fill: Fill) -> None:
    """One after another."""
    fill("ccc", meeting="tuesday")
    jobs.ask(asked, "tuesday", "tiny.en", {})
    assert taken(asked).meeting == "monday"
    jobs.fail(asked, "monday", "no disk")
    assert taken(asked).meeting == "tuesday"
    assert [(job.meeting, job.state, job.why) for job in jobs.every(asked)] == [
        ("monday", "failed", "no disk"),
        ("tuesday", "running", ""),
    ]
