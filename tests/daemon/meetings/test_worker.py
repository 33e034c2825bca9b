"""The process that transcribes meetings again, with the real model."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

from amanuensis.daemon.meetings import jobs, worker
from amanuensis.daemon.meetings.library import Library
from tests.helpers.recorded_meetings import finish, library, recording_daemon, speak, track


async def recorded(folder: Path) -> Library:
    """Record a meeting of two tracks."""
    async with recording_daemon(folder) as address:
        for name, at in (("me", 0), ("them", 500)):
            async with track(address, name, id="monday", at=at) as client:
                await speak(client, 0, 1)
                await finish(client)
    return library(folder)


async def until(place: Library, *states: str) -> jobs.Job:
    """Wait until the job is in one of these states."""
    with place.open() as store:
        while (job := jobs.find(store, "monday")) is None or job.state not in states:
            await asyncio.sleep(0.02)
    return job


async def test_a_worker_that_is_killed_is_followed_by_another(tmp_path: Path) -> None:
    """The text stays as it was until the next one has done everything; that one ends by itself."""
    place = await recorded(tmp_path)
    with place.open() as store:
        before = store.record("monday").lines
        jobs.ask(store, "monday", "builtin", {"engine.model": "builtin", "engine.device": "cpu"})
        first = worker.start(place)
        await until(place, "running", "done", "failed")
        os.kill(first, signal.SIGKILL)
        while worker.is_at_work(place):
            await asyncio.sleep(0.02)
        (job,) = jobs.every(store)
        assert job.state == "done" or store.record("monday").lines == before
        os.utime(place.index.with_name(worker.LOG), (0, 0))  # else the first one could still be on its way
        worker.wake(place, store)
        done = await until(place, "done", "failed")
        assert (done.state, done.why) == ("done", "")
        assert {one.model for one in store.find("monday").tracks} == {"builtin"}
    while worker.is_at_work(place):
        await asyncio.sleep(0.02)


async def test_what_is_wrong_with_a_job_is_kept_with_it(tmp_path: Path) -> None:
    """A model that is gone, and sound that is gone; the worker goes on with the next."""
    place = await recorded(tmp_path)
    for settings, removed, message in (
        ({"engine.model": "gone.en"}, False, "model 'gone.en' is not installed"),
        ({"engine.model": "builtin"}, True, "the sound of track me is gone"),
    ):
        with place.open() as store:
            remove_sound(place, store.find("monday").tracks[0].session, really=removed)
            jobs.ask(store, "monday", "that", settings)
            await worker.work(place)
            job = jobs.find(store, "monday")
            assert job is not None
            assert (job.state, message in job.why) == ("failed", True), job.why
            assert len(store.record("monday").lines) == 2


def remove_sound(place: Library, session: str, *, really: bool) -> None:
    """Remove the folder of a session."""
    folder: Any = place.folder(session)
    for path in folder.iterdir() if really else ():
        path.unlink()
    if really:
        folder.rmdir()


async def test_there_is_one_worker(tmp_path: Path) -> None:
    """While there is one, another ends without doing anything."""
    place = await recorded(tmp_path)
    with place.open() as store, worker.at_work(place) as is_ours:
        jobs.ask(store, "monday", "builtin", {"engine.model": "builtin"})
        assert is_ours
        await worker.work(place)
        assert [job.state for job in jobs.every(store)] == ["waiting"]
