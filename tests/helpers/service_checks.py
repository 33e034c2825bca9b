"""What must hold of counted streams after everything went wrong, seen from outside alone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from amanuensis.stream.config import LONGEST_WINDOW_S
from tests.helpers.counted_check import Gap, Reading, Verdict, judge
from tests.helpers.counting_clients import CountingSpeaker, Told, Watcher
from tests.helpers.service_chaos import NUMBERS, Outcome, counted_stream, suffer
from tests.helpers.service_faults import draw_schedule
from tests.helpers.spoken_numbers import RATE, Counted

SAID_BY_FAULTS = ("Traceback", "stopped by a fault", "was never retrieved", "never awaited")  # in the daemons' log

EXACT = Reading(frozenset(range(NUMBERS)), ())  # of every `counted_stream` that is not disturbed: tested


@dataclass
class Session:
    """One session of a schedule, and what became of it."""

    speaker: CountingSpeaker
    watcher: Watcher
    stream: Counted
    ledger: dict[str, int] | None
    verdict: Verdict

    @property
    def gaps(self) -> list[Gap]:
        """The gaps that were reported."""
        return gaps_of(self.speaker.told)

    @property
    def unaccounted(self) -> int:
        """Source samples that were sent and have no fate, or that have one and were never sent."""
        n_samples = len(self.stream.sound)
        if self.ledger is None:
            return n_samples
        ledger = self.ledger
        fates = ledger["transcribed"] + ledger["silence"] + ledger["gap"]
        return max(abs(fates - n_samples), abs(ledger["received"] - n_samples), ledger["unsettled"])


@dataclass
class Judged:
    """A schedule and what is wrong with its outcome, in words."""

    outcome: Outcome
    sessions: list[Session] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def gaps_of(told: Told) -> list[Gap]:
    """Return the reported gaps in source samples."""
    return [Gap(round(gap["from"] * RATE / 1000), round(gap["to"] * RATE / 1000)) for gap in told.of("gap")]


def judged(outcome: Outcome, undisturbed: list[Reading]) -> Judged:
    """Judge every session of a schedule against the undisturbed readings of its streams."""
    found = Judged(outcome)
    if outcome.hung or outcome.died is not None:
        found.problems.append("hangs" if outcome.hung else f"a daemon has ended by itself, with status {outcome.died}")
        return found
    for n, (speaker, stream) in enumerate(zip(outcome.speakers, outcome.streams, strict=True)):
        watcher = next(watcher for watcher in outcome.watchers if watcher.session == speaker.session)
        verdict = judge(speaker.told.text, gaps_of(speaker.told), stream, undisturbed[n])
        session = Session(speaker, watcher, stream, outcome.ledgers[n], verdict)
        found.sessions.append(session)
        found.problems += [f"session {n}: {problem}" for problem in problems_of(session, outcome)]
    found.problems += [f"exit status {status} after SIGTERM" for status in outcome.rough_ends]
    found.problems += [line for line in outcome.log.splitlines() if any(text in line for text in SAID_BY_FAULTS)]
    if outcome.settled_s is not None:
        sent_s = sum(len(stream.sound) for stream in outcome.streams) / RATE
        if abs(outcome.settled_s - sent_s) > 1 / RATE:
            found.problems.append(f"{sent_s} s were sent, and the metrics tell the fate of {outcome.settled_s}")
    return found


def problems_of(session: Session, outcome: Outcome) -> Iterator[str]:
    """Say what is wrong with a session."""
    verdict, told = session.verdict, session.speaker.told
    yield from (f"number {value} is lost: {told.text}" for value in verdict.lost)
    yield from (f"{word!r} is said once too often: {told.text}" for word in verdict.duplicated)
    if session.unaccounted:
        yield f"{session.unaccounted} of {len(session.stream.sound)} samples are unaccounted: {session.ledger}"
    for comer in (session.speaker, session.watcher):
        yield from comer.told.broken
        yield from [comer.failure] * bool(comer.failure)
        yield from [f"ended with {comer.told.reason!r}"] * (comer.told.reason != "end")
    if session.watcher.told.events != told.events:
        yield f"a watcher knows {len(session.watcher.told.events)} events, the speaker {len(told.events)}"
    gap_samples = sum(gap.stop - gap.start for gap in session.gaps)
    if session.ledger is not None and gap_samples != session.ledger["gap"]:
        yield f"gaps of {gap_samples} samples were reported, the ledger has {session.ledger['gap']}"
    if gap_samples > (outcome.dead_s + LONGEST_WINDOW_S) * RATE:
        yield f"gaps of {gap_samples / RATE:.2f} s; nothing was there for {outcome.dead_s:.2f} s: {told.of('gap')}"
    finals = "".join(event["text"] for event in told.of("final")).split()
    if finals != told.text.split():
        yield f"finals say {finals}, commits {told.text.split()}"


async def suffer_together(model: Path, seeds: Iterable[int], folder: Path) -> list[Judged]:
    """Have a service suffer each seed's schedule, all at the same time."""

    async def one(seed: int) -> Judged:
        own = folder / str(seed)
        own.mkdir()
        streams = [counted_stream(seed), counted_stream(seed + 1)]
        outcome = await suffer(model, draw_schedule(seed), streams, own)
        return judged(outcome, [EXACT] * len(outcome.streams))

    async with asyncio.TaskGroup() as tasks:
        found = [tasks.create_task(one(seed)) for seed in seeds]
    return [task.result() for task in found]


def told_of(found: Iterable[Judged]) -> str:
    """Return all problems, for the message of an assertion."""
    return "\n".join(f"seed {one.outcome.schedule.seed}: {problem}" for one in found for problem in one.problems)
