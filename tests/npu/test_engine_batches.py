"""Windows of several streams that an engine process does at once."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from amanuensis.npu.engine.api import EngineError
from amanuensis.npu.engine.process import SupervisedEngine
from amanuensis.npu.window import DecodeOptions
from tests.helpers.engine_desk import DIE, FAIL, REFUSE, WAIT, Desk, Starter, expected, job, kill, submit, until


async def waiting(engine: SupervisedEngine, *numbers: int) -> None:
    """Wait until jobs were sent to the process, in this order, behind the one that runs."""
    sent = engine._desk.schedule._sent
    await until(lambda: tuple(ticket.job.prompt[0] for ticket in sent.values())[1:] == numbers)


async def test_windows_that_wait_are_done_at_once(start: Starter, desk: Desk) -> None:
    """While one window runs the others gather; then as many as the device takes go together, each answered its own."""
    engine = await start("batching")
    first = submit(engine, job(1, WAIT))
    await desk.running(1)
    others = [submit(engine, job(number), deadline_s=number) for number in (2, 3, 4, 5)]
    await waiting(engine, 2, 3, 4)
    desk.release()
    answers = await asyncio.gather(first, *others)
    assert [answer.tokens for answer in answers] == [expected(number) for number in range(1, 6)]
    assert desk.batches()[0] == "2+3+4"


async def test_a_wrong_window_spoils_no_other(start: Starter, desk: Desk) -> None:
    """Errors of one window of a batch are its own; a fault of the code is told to those that were not answered."""
    engine = await start("batching")
    first = submit(engine, job(1, WAIT))
    await desk.running(1)
    refused, done = submit(engine, job(2, REFUSE), deadline_s=2), submit(engine, job(3), deadline_s=3)
    await waiting(engine, 2, 3)
    desk.release()
    await first
    with pytest.raises(EngineError, match="token 3 is not allowed"):
        await refused
    assert (await done).tokens == expected(3)
    first = submit(engine, job(4, WAIT))
    await desk.running(4)
    failed, done = submit(engine, job(5, FAIL), deadline_s=5), submit(engine, job(6), deadline_s=6)
    await waiting(engine, 5, 6)
    desk.release()
    await first
    with pytest.raises(EngineError, match="ZeroDivisionError: by nothing"):
        await failed
    assert (await done).tokens == expected(6)


async def test_windows_with_beams_are_done_alone(start: Starter, desk: Desk) -> None:
    """A search with several beams is no part of a batch."""
    engine = await start("batching")
    first = submit(engine, job(1, WAIT))
    await desk.running(1)
    beams = replace(job(3), options=DecodeOptions(beam_size=5))
    others = [submit(engine, work, deadline_s=work.prompt[0]) for work in (job(2), beams, job(4))]
    await waiting(engine, 2, 3, 4)
    desk.release()
    await asyncio.gather(first, *others)
    assert (desk.started(), desk.batches()) == ([1, 2, 3, 4], [])


async def test_a_window_that_kills_takes_no_other_along(start: Starter, desk: Desk) -> None:
    """After a crash with several at hand each is done alone, so that only the one that kills is given up."""
    engine = await start("batching")
    first = submit(engine, job(1, WAIT))
    await desk.running(1)
    others = [submit(engine, job(number, DIE if number == 3 else ()), deadline_s=number) for number in (2, 3, 4)]
    await waiting(engine, 2, 3, 4)
    desk.release()
    assert (await first).tokens == expected(1)
    with pytest.raises(EngineError, match="died 2 times at this window"):
        await others[1]
    assert (await others[0]).tokens == expected(2)
    assert (await others[2]).tokens == expected(4)
    assert desk.batches() == ["2+3+4"]


async def test_a_killed_process_loses_no_window_of_a_batch(start: Starter, desk: Desk) -> None:
    """Windows that were done at once are all done again, whoever was answered stays answered."""
    engine = await start("batching")
    first = submit(engine, job(1, WAIT))
    await desk.running(1)
    others = [submit(engine, job(number, WAIT if number == 2 else ()), deadline_s=number) for number in (2, 3, 4)]
    await waiting(engine, 2, 3, 4)
    desk.release()
    await first
    await desk.running(2)
    answered = [await others[1], await others[2]]  # the last of a batch is done first
    kill(engine)
    await desk.running(2, times=2)
    desk.release()
    assert (await others[0]).tokens == expected(2)
    assert [answer.tokens for answer in answered] == [expected(3), expected(4)]
    assert [desk.started().count(number) for number in (2, 3, 4)] == [2, 1, 1]
