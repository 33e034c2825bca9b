"""The driver between one stream and the engine."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from amanuensis.daemon.pump import RESTARTED, Pump
from amanuensis.npu.engine.api import EngineError, EngineLostError, PoisonWindowError, SupersededError
from amanuensis.npu.window import DeviceWork, WindowJob, WindowResult
from amanuensis.stream.config import StreamConfig
from amanuensis.stream.events import Commit, Event, Final, Gap, Marked, Warning  # noqa: A004
from amanuensis.stream.formats import AudioFormat
from amanuensis.stream.session import StreamSession, Ticket
from tests.helpers.daemon_client import cut, pcm
from tests.helpers.held_engine import HeldEngine
from tests.helpers.tone_engine import INFO, ToneEngine, ToneTokenizer, say, spell

WORDS = [0, 1, 2, 3, 4, 5]
SOUND = pcm(say(WORDS))


def made(engine: ToneEngine, **options: Any) -> Pump:
    """Return a pump over a fresh session."""
    session = StreamSession(StreamConfig(), AudioFormat(), ToneTokenizer(), INFO)
    return Pump(session, engine, engine.open_stream(), **options)


async def run(pump: Pump, data: bytes = SOUND) -> list[Event]:
    """Feed sound as fast as there is room, and return all events."""

    async def feed() -> None:
        for piece in cut(data, [3200]):
            pump.feed(piece)
            await pump.room()
        pump.end()

    feeding = asyncio.create_task(feed())
    events = [event async for event in pump.events()]
    await feeding
    return events


def text(events: list[Event]) -> str:
    """Return the committed text."""
    return "".join(word.text for event in events if isinstance(event, Commit) for word in event.words).strip()


class Odd(ToneEngine):
    """An engine that does something else with its first jobs."""

    __slots__ = ("first", "odd")

    def __init__(self, odd: Any, first: int = 1) -> None:
        super().__init__()
        self.odd, self.first = odd, first

    async def decode(self, stream: int, job: WindowJob, deadline_s: float) -> WindowResult:
        result = await ToneEngine.decode(self, stream, job, deadline_s)
        if self.jobs > self.first:
            return result
        answer = self.odd(result) if callable(self.odd) else self.odd
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]


class Stuck(ToneEngine):
    """An engine that never answers."""

    __slots__ = ("cancelled", "started")

    def __init__(self) -> None:
        super().__init__()
        self.started, self.cancelled = asyncio.Event(), asyncio.Event()

    async def decode(self, stream: int, job: WindowJob, deadline_s: float) -> WindowResult:
        self.started.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()
        raise AssertionError


async def test_sound_becomes_events_in_order() -> None:
    """All words come, the last event is the final, and nothing is left in the engine."""
    answers: list[float] = []
    pump = made(ToneEngine(), on_answer=answers.append)
    events = await run(pump)
    assert text(events) == spell(WORDS)
    assert isinstance(events[-1], Final)
    assert len(answers) > 3
    assert pump.compute_ms == 2.0 * len(answers)
    assert pump.used is not None


async def test_finals_have_the_earlier_deadline() -> None:
    """A final window is due before a tick that was submitted at the same time."""
    deadlines: list[tuple[bool, float]] = []

    class Watched(ToneEngine):
        __slots__ = ()

        async def decode(self, stream: int, job: WindowJob, deadline_s: float) -> WindowResult:
            deadlines.append((len(job.options.temperatures) > 1, deadline_s))
            return await ToneEngine.decode(self, stream, job, deadline_s)

    await run(made(Watched(), clock=lambda: 100.0))
    assert {100.1, 100.5} == {deadline for _, deadline in deadlines}
    assert all((deadline == 100.1) == is_final for is_final, deadline in deadlines)


async def test_superseded_job_costs_nothing() -> None:
    """A window that was replaced by a newer one loses no word."""
    assert text(await run(made(Odd(SupersededError("newer"))))) == spell(WORDS)


async def test_failed_job_is_tried_again() -> None:
    """A window that the engine could not do is told and done again."""
    events = await run(made(Odd(EngineError("a hiccup"))))
    assert text(events) == spell(WORDS)
    assert [event.code for event in events if isinstance(event, Warning)] == ["engine_failed"]


async def test_window_that_kills_the_engine_is_a_gap_at_once() -> None:
    """A poison window is not tried again: its gap is told at once, and who keeps such windows gets it."""
    kept: list[tuple[Ticket, str]] = []
    pump = made(Odd(PoisonWindowError(2, "killed by SIGSEGV")))
    pump.on_poison = lambda ticket, error: kept.append((ticket, error.why))
    events = await run(pump)
    gaps = [event for event in events if isinstance(event, Gap)]
    assert ["killed by SIGSEGV" in gap.why for gap in gaps] == [True]
    assert not any(isinstance(event, Warning) for event in events)
    ((ticket, why),) = kept
    assert (why, ticket.job.features.shape[0]) == ("killed by SIGSEGV", INFO.n_mels)
    assert ticket.audio_start_ms <= gaps[0].start_ms < gaps[0].end_ms <= ticket.audio_end_ms


async def test_lost_engine_leaves_a_gap() -> None:
    """Sound that no engine can take becomes a gap, and the stream comes to its end."""
    events = await run(made(ToneEngine(fail_with=EngineLostError("gone"))))
    assert {event.why for event in events if isinstance(event, Gap)} == {"gone"}


async def test_restart_of_the_engine_is_told_once() -> None:
    """A stream whose window was at the engine when it was restarted is told, before the window's words."""

    def restarted(result: WindowResult) -> WindowResult:
        engine.restarts += 1
        return result

    engine = Odd(restarted)
    events = await run(made(engine))
    assert text(events) == spell(WORDS)
    assert [event.code for event in events if isinstance(event, Warning)] == ["engine_restarted"]
    assert events.index(next(event for event in events if isinstance(event, Warning))) < events.index(
        next(event for event in events if isinstance(event, Commit))
    )


async def test_restart_of_an_engine_that_held_nothing_is_not_told() -> None:
    """A restart while no window of the stream was at the engine does not concern it."""
    engine = ToneEngine()
    pump = made(engine)
    engine.restarts += 1
    assert not any(isinstance(event, Warning) for event in await run(pump))


async def test_restart_is_told_while_the_window_waits() -> None:
    """The news does not wait for the answer, which may take as long as the model takes to load."""
    engine = Stuck()
    pump = made(engine)
    reader = asyncio.create_task(_first(pump, Warning))
    pump.feed(SOUND)
    await engine.started.wait()
    engine.restarts += 1
    pump.feed(SOUND)
    assert await reader == Warning("engine_restarted", RESTARTED)
    await pump.aclose()


async def test_fault_is_raised_and_does_not_hang() -> None:
    """An answer that makes no sense ends the stream with its exception; a source that still feeds is not troubled."""
    pump = made(
        Odd(
            lambda result: replace(result, tokens=(99,), frames=(1,), starts_ms=(20,), ends_ms=(40,), logprobs=(-0.1,)),
            first=99,
        )
    )
    with pytest.raises(IndexError):
        await run(pump)
    pump.feed(SOUND)
    pump.end()
    await pump.room()


async def test_a_source_that_is_held_back_goes_on_at_the_low_water_mark() -> None:
    """Above the high water mark a source waits until half of it is left, not until there is just room again."""
    engine = HeldEngine()
    pipeline = StreamSession(StreamConfig(), AudioFormat(), ToneTokenizer(), engine.info)
    pump = Pump(pipeline, engine, engine.open_stream(), 2000)
    reader = asyncio.create_task(anext(pump.steps()))
    for piece in cut(pcm(say([0, 1, 2, 3, 4, 5, 6] * 2)), [16_000]):
        pump.feed(piece)
        if pump.session.lag_ms > 2000:
            break
        await pump.room()
    waiting = asyncio.create_task(pump.room())
    for _ in range(20):
        await asyncio.sleep(0)
    assert not waiting.done()
    engine.go.set()
    await waiting
    assert pump.session.lag_ms <= 1000
    await reader
    await pump.aclose()


async def test_source_that_breaks_the_order_is_told_by_events() -> None:
    """Sound after `end` is a fault of the program: it does not pass in silence."""
    pump = made(ToneEngine())
    pump.feed(SOUND)
    pump.end()
    pump.feed(SOUND)
    with pytest.raises(ValueError, match="after the end"):
        [event async for event in pump.events()]


async def test_fault_of_the_engine_is_raised() -> None:
    """An exception that no engine should raise is not swallowed."""
    with pytest.raises(ZeroDivisionError):
        await run(made(Odd(ZeroDivisionError())))


async def test_marks_are_counted_until_answered() -> None:
    """`waiting_marks` goes up with marks and flushes that have a name, and down with their answers."""
    pump = made(ToneEngine())
    pump.feed(SOUND)
    pump.mark("a")
    pump.flush("b")
    pump.flush()
    assert pump.waiting_marks == 2
    pump.end()
    marked = [event.id async for event in pump.events() if isinstance(event, Marked)]
    assert (marked, pump.waiting_marks) == (["a", "b"], 0)


async def test_skipped_sound_is_a_gap() -> None:
    """What the source lost is told once, with its times."""
    pump = made(ToneEngine())
    pump.feed(SOUND)
    pump.skip(16000, "lost")
    pump.end()
    gaps = [event for event in [event async for event in pump.events()] if isinstance(event, Gap)]
    start_ms = len(SOUND) / 32
    assert gaps == [Gap(start_ms, start_ms + 1000, "lost")]
    assert pump.session.ledger.totals().gap == 16000


async def test_closing_takes_jobs_back() -> None:
    """When nobody reads the events any more the jobs in the engine are cancelled, and `room` waits for nothing."""
    engine = Stuck()
    pump = made(engine, max_backlog_ms=100)
    reader = asyncio.create_task(_first(pump, Final))
    pump.feed(SOUND)
    waiter = asyncio.create_task(pump.room())
    await engine.started.wait()
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)
    await pump.aclose()
    await waiter
    assert engine.cancelled.is_set()


async def _first(pump: Pump, kind: type[Event]) -> Event:
    return await anext(event async for event in pump.events() if isinstance(event, kind))


async def test_a_device_that_fails_is_told_once_each_way() -> None:
    """A watcher learns why the CPU took over and that the device is back, and no word is lost."""
    failed = {2: "it hung", 3: "it hung", 4: "gone"}
    on_host = {5: "Select (error 1)", 6: "Select (error 1)"}

    class Failing(ToneEngine):
        async def decode(self, stream: int, job: WindowJob, deadline_s: float) -> WindowResult:
            result = await ToneEngine.decode(self, stream, job, deadline_s)
            work = DeviceWork(1, 64, 64, 2.0, "modelled")
            where = {"fallback": failed.get(self.jobs, ""), "on_host": on_host.get(self.jobs, "")}
            return replace(result, encode_work=work, **where)

    engine = Failing()
    pump = made(engine)
    events = await run(pump)
    told = [(event.code, event.message.partition(": ")[2]) for event in events if isinstance(event, Warning)]
    assert told == [
        ("device_replaced", "it hung"),
        ("device_replaced", "gone"),
        ("device_back", ""),
        ("operators_replaced", "Select (error 1)"),
    ]
    assert text(events) == spell(WORDS)
    assert pump.work == DeviceWork(engine.jobs, 64 * engine.jobs, 64 * engine.jobs, 2.0 * engine.jobs, "modelled")
    (final,) = [event for event in events if isinstance(event, Final)]
    assert final.engine.work == pump.work


async def test_a_voice_wakes_the_engine() -> None:
    """The engine hears of the voice before it gets the first window."""
    engine = ToneEngine()
    pump = made(engine)
    await run(pump)
    assert engine.wakes == 1
