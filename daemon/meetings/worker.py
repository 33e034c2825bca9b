"""The process that transcribes meetings again, behind everything else: it outlives the terminal and the daemon.

There is one for an index, by a lock; it ends when nothing is left to do. Where it is killed, the next command or daemon
starts another, which goes on with the track that was not done.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from amanuensis.daemon.config import Config, load_config
from amanuensis.daemon.meetings import jobs
from amanuensis.daemon.meetings.again import transcribe_again
from amanuensis.daemon.meetings.library import Library
from amanuensis.daemon.meetings.model import MeetingError, Track, Utterance
from amanuensis.daemon.meetings.sound import RecordedSound
from amanuensis.daemon.meetings.store import FILE_MODE, Store
from amanuensis.daemon.pipeline import Pipeline, open_pipeline
from amanuensis.daemon.session_config import OWN_TRACK

log = logging.getLogger(__name__)

NICE: Final = 10  # who transcribes again can wait for those who speak now
LOCK: Final = "worker.lock"
LOG: Final = "worker.log"  # of the newest worker
TRIES: Final = 20  # who looks whether there is a worker holds the lock for a moment
TRY_S: Final = 0.05
START_S: Final = 10.0  # a worker that was started is at work by then
TELL_S: Final = 0.5  # progress is told so often


def start(library: Library) -> int:
    """Start a worker in a session of its own, and return its process id; where there is one already it ends by itself.

    Raises:
        MeetingError: it cannot be started.

    """
    words = [sys.executable, "-m", "amanuensis.daemon.meetings.worker", str(library.recordings), str(library.index)]
    how, nothing = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, subprocess.DEVNULL
    try:
        with os.fdopen(os.open(library.index.with_name(LOG), how, FILE_MODE), "wb") as told:
            process = subprocess.Popen(words, stdin=nothing, stdout=nothing, stderr=told, start_new_session=True)
    except OSError as error:
        raise MeetingError(f"the process that transcribes again cannot be started: {error}") from None
    threading.Thread(target=process.wait, daemon=True).start()  # a daemon must not collect dead children
    return process.pid


def wake(library: Library, store: Store) -> None:
    """Start a worker if there is something to do, none does it, and none was started just now."""
    if jobs.has_work(store) and not is_at_work(library) and not _was_started(library):
        start(library)


def _was_started(library: Library) -> bool:
    """Whether a worker may still be on its way: its log is that new."""
    with contextlib.suppress(OSError):
        return 0 <= time.time() - library.index.with_name(LOG).stat().st_mtime < START_S
    return False


def is_at_work(library: Library) -> bool:
    """Whether there is a worker."""
    with at_work(library) as is_ours:
        return not is_ours


@contextlib.contextmanager
def at_work(library: Library) -> Iterator[bool]:
    """Try to be the worker of an index while inside; yield whether that is so."""
    how = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(library.index.with_name(LOCK), how, FILE_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(descriptor)


async def work(library: Library) -> None:
    """Do all jobs, unless another process does."""
    for _ in range(TRIES):
        with at_work(library) as is_ours, library.open() as store:
            while is_ours and (job := jobs.take_next(store)) is not None:
                await _do(library, store, job)
            if not jobs.has_work(store):
                return
        time.sleep(TRY_S)


async def _do(library: Library, store: Store, job: jobs.Job) -> None:
    """Do a job; whatever is wrong with it is kept with it."""
    try:
        config, _ = load_config(job.settings)
        async with open_pipeline(_patient(config)) as pipeline:
            await _Again(library, store, job, pipeline).run()
    except jobs.CancelledJobError:
        log.info("meeting %s: cancelled", job.meeting)
    except Exception as error:
        known = type(error).__module__.startswith("amanuensis.")
        log.error("meeting %s: %s", job.meeting, error, exc_info=None if known else error)
        jobs.fail(store, job.meeting, " ".join(str(error).split()) or type(error).__name__)


def _patient(config: Config) -> Config:
    """Return settings for a single stream; the engine is as nice as this process."""
    return replace(config, limits=replace(config.limits, sessions=1), engine=replace(config.engine, nice=0))


class _Again:
    """One job that is being done."""

    def __init__(self, library: Library, store: Store, job: jobs.Job, pipeline: Pipeline) -> None:
        self._library = library
        self._store = store
        self._meeting = store.find(job.meeting)
        self._pipeline = pipeline
        self._done_ms = 0.0  # of the tracks that are done
        self._total_ms = sum(track.duration_ms for track in self._meeting.tracks)
        self._told_s = 0.0

    async def run(self) -> None:
        kept = jobs.kept_tracks(self._store, self._meeting.id)
        for track in self._meeting.tracks:
            if track.session not in kept:
                await self._transcribe(track)
            self._done_ms += track.duration_ms
        jobs.finish(self._store, self._meeting.id)

    async def _transcribe(self, track: Track) -> None:
        self._tell(0.0, now=True)
        utterances = await self._heard(track) if track.duration_ms else []
        model = self._pipeline.engine.info.model
        jobs.keep_track(self._store, self._meeting.id, track.session, model, utterances)

    async def _heard(self, track: Track) -> list[Utterance]:
        folder = self._library.folder(track.session)
        if folder is None:
            raise MeetingError(f"meeting {self._meeting.id}: the sound of track {track.name} is gone")
        before = list(self._store.utterances(track.session))
        one_voice = track.name == OWN_TRACK
        return await transcribe_again(RecordedSound(folder), before, self._pipeline, self._tell, one_voice=one_voice)

    def _tell(self, done_ms: float, *, now: bool = False) -> None:
        if now or time.monotonic() - self._told_s >= TELL_S:
            self._told_s = time.monotonic()
            jobs.advance(self._store, self._meeting.id, self._done_ms + done_ms, self._total_ms)


def main(words: Sequence[str]) -> int:
    """Work; arguments: folder of the recordings, file of the index."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    os.nice(NICE)
    recordings, index = words
    asyncio.run(work(Library(Path(recordings), Path(index))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
