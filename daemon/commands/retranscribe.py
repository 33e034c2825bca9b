"""`amanuensis meetings retranscribe`: a meeting transcribed again in the background, watched or cancelled."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from amanuensis.daemon.commands.common import complain, config_flags

if TYPE_CHECKING:
    from amanuensis.daemon.meetings.jobs import Job
    from amanuensis.daemon.meetings.library import Library
    from amanuensis.daemon.meetings.store import Store

LOOK_S: Final = 0.3


class JobError(Exception):
    """A meeting was not transcribed again; the message says why."""


def retranscribe(library: Library, store: Store, args: argparse.Namespace) -> dict[str, Any]:
    """Have a meeting transcribed again, or cancel that; return the facts, and say them in a line.

    Raises:
        JobError: it was waited for, and failed.

    """
    from amanuensis.daemon.meetings import jobs, worker

    if args.cancel:
        job = jobs.cancel(store, args.meeting)
        complain(f"{job.meeting}: cancelled; its text stays as it was")
        return {"meeting": job.meeting, "state": "cancelled"}
    job = jobs.ask(store, args.meeting, *wanted(args))
    worker.start(library)
    if not args.wait:
        complain(
            f"{job.meeting} is transcribed again by {job.model} in the background; `amanuensis meetings list` shows "
            "how far it is, and its text changes when all of it is done"
        )
        return job.to_map()
    return wait(library, store, job)


def wanted(args: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    """Return the name of the model that is wanted, and settings that a process elsewhere understands.

    Raises:
        amanuensis.npu.engine.api.EngineError: there is no such model.

    """
    from amanuensis.daemon.meetings.choice import chosen_model
    from amanuensis.daemon.pipeline import load

    config = load(args)
    model = chosen_model(config.engine.model)
    flags = {key: value for key, value in config_flags(args).items() if value is not None}
    return Path(model).name, flags | {"engine.model": model}


def wait(library: Library, store: Store, job: Job) -> dict[str, Any]:
    """Show how far a job is until it is over; a Ctrl-C leaves it to go on.

    Raises:
        JobError: it failed, or was cancelled.

    """
    from amanuensis.daemon.progress import progress_bar

    try:
        with progress_bar(sys.stderr) as bar, bar.task(job.model, 1.0):
            for seen in states(library, store, job.meeting):
                job = seen
                bar.advance(job.share)
    except KeyboardInterrupt:
        complain(f"{job.meeting} goes on in the background; to end it: amanuensis meetings retranscribe --cancel")
        raise
    if job.state != "done":
        raise JobError(f"meeting {job.meeting}: {job.line()}; its text stays as it was")
    words = sum(len(line.utterance.words) for line in store.record(job.meeting).lines)
    complain(f"{job.meeting}: {words} words by {job.model}")
    return job.to_map() | {"words": words}


def states(library: Library, store: Store, meeting: str) -> Iterator[Job]:
    """Yield where a job stands until it is over; a worker that was killed is started again.

    Raises:
        JobError: the meeting was removed.

    """
    from amanuensis.daemon.meetings import jobs, worker

    while (job := jobs.find(store, meeting)) is not None:
        yield job
        if job.is_over:
            return
        time.sleep(LOOK_S)
        worker.wake(library, store)
    raise JobError(f"meeting {meeting} was removed")
