"""The supervised engine with real child processes that are killed, stopped, hung and misled."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from amanuensis.npu.engine.api import (
    EngineBusyError,
    EngineError,
    EngineLostError,
    SupersededError,
)
from amanuensis.npu.window import DecodeOptions
from amanuensis.stream.session import MAX_ATTEMPTS
from tests.helpers.engine_desk import (
    DIE,
    FAIL,
    HELPERS,
    REFUSE,
    WAIT,
    Desk,
    Starter,
    expected,
    job,
    kill,
    submit,
    until,
)


async def died(process: int) -> None:
    """Wait until the process of a pidfd is dead, and close the pidfd."""
    poll = select.poll()
    poll.register(process, select.POLLIN)
    await until(lambda: bool(poll.poll(0)))
    os.close(process)


async def test_features_and_answers_travel(start: Starter) -> None:
    """Features of any length arrive as they were sent, and the answer goes to who asked."""
    engine = await start()
    assert engine.info.model == "steered"
    lengths = [1, 20, 2999, 3000]
    answers = await asyncio.gather(*(submit(engine, job(k + 1, n_frames=n)) for k, n in enumerate(lengths)))
    assert [answer.tokens for answer in answers] == [expected(k + 1, n) for k, n in enumerate(lengths)]
    stats = engine.stats()
    assert (stats.encodes, stats.decodes, stats.restarts, stats.queued) == ({"cpu": 4}, {"cpu": 4}, 0, 0)
    assert stats.busy_s == pytest.approx(4 * 0.003)


async def test_earliest_deadline_first(start: Starter, desk: Desk) -> None:
    """Whatever the order of asking, waiting jobs are started by deadline, also past one that was sent ahead."""
    engine = await start()
    tasks = [submit(engine, job(100, WAIT))]
    await desk.running(100)
    for number in (5, 3, 4, 1, 2):
        tasks.append(submit(engine, job(number), deadline_s=number))
        await asyncio.sleep(0)
    await until(lambda: [ticket.job.prompt[0] for ticket in engine._desk.schedule.tickets()[:2]] == [100, 1])
    desk.release()
    await asyncio.gather(*tasks)
    assert desk.started() == [100, 1, 2, 3, 4, 5]


async def test_newer_window_supersedes_waiting_one(start: Starter, desk: Desk) -> None:
    """Of several windows of a stream only the newest is done, whether the older wait here or at the engine."""
    engine = await start()
    first = submit(engine, job(1, WAIT))
    await desk.running(1)
    stream = engine.open_stream()
    older = []
    for number in (2, 3, 4):
        older.append(submit(engine, job(number), stream=stream))
        await asyncio.sleep(0)
    newest = submit(engine, job(5), stream=stream)
    for task in older:
        with pytest.raises(SupersededError):
            await task
    desk.release()
    assert (await first).tokens == expected(1)
    assert (await newest).tokens == expected(5)
    assert desk.started() == [1, 5]
    assert engine.stats().superseded == 3


async def test_running_window_is_answered_beside_a_newer_one(start: Starter, desk: Desk) -> None:
    """A window that is already running is not superseded."""
    engine = await start()
    stream = engine.open_stream()
    running = submit(engine, job(1, WAIT), stream=stream)
    await desk.running(1)
    newer = submit(engine, job(2), stream=stream)
    await asyncio.sleep(0)
    desk.release()
    assert (await running).tokens == expected(1)
    assert (await newer).tokens == expected(2)


async def test_killed_engine_is_replaced_and_nobody_notices(start: Starter, desk: Desk) -> None:
    """After kill -9 with jobs running and waiting, all of them are answered by the next process."""
    engine = await start()
    tasks = [submit(engine, job(k, WAIT if k == 1 else ())) for k in range(1, 9)]
    await desk.running(1)
    kill(engine)
    await desk.running(1, times=2)
    desk.release()
    answers = await asyncio.gather(*tasks)
    assert [answer.tokens for answer in answers] == [expected(k) for k in range(1, 9)]
    assert engine.stats().restarts == 1


async def test_stopped_engine_is_replaced(start: Starter, desk: Desk) -> None:
    """A process that gives no sign of life is killed and its jobs are done by another."""
    engine = await start(beat_s=0.02, silent_beats=25, restarts=None)
    kill(engine, signal.SIGSTOP)
    assert (await submit(engine, job(1))).tokens == expected(1)
    assert engine.stats().restarts >= 1


async def test_engine_is_lost_after_too_many_crashes(start: Starter, desk: Desk) -> None:
    """Beyond the limit of restarts in a row every job fails, now and later, with the reason."""
    engine = await start(restarts=2, job_crashes=100)
    tasks = [submit(engine, job(1, WAIT)), submit(engine, job(2))]
    for k in range(3):
        await desk.running(1, times=k + 1)
        kill(engine)
    for task in tasks:
        with pytest.raises(EngineLostError, match=r"died 3 times in a row; last: killed by SIGKILL"):
            await task
    with pytest.raises(EngineLostError):
        await submit(engine, job(3))
    assert engine.stats().restarts == 2
    assert engine.stats().lost.startswith("the engine died 3 times in a row")


async def test_crash_while_loading_again(start: Starter) -> None:
    """A model that cannot be loaded any more uses up the restarts and is told as the reason."""
    engine = await start("crashing_later", restarts=1)
    task = submit(engine, job(1, DIE))
    with pytest.raises(EngineLostError, match="2 times in a row"):
        await task


async def test_answers_between_crashes_reset_the_count(start: Starter, desk: Desk) -> None:
    """Crashes with answers between them are never too many."""
    engine = await start(restarts=1)
    for number in range(1, 4):
        task = submit(engine, job(number, WAIT))
        await desk.running(number)
        kill(engine)
        await desk.running(number, times=2)
        desk.release()
        assert (await task).tokens == expected(number)
    assert engine.stats().restarts == 3


async def test_window_that_kills_the_engine_is_given_up(start: Starter) -> None:
    """A job that was running in several crashes fails alone; the others are answered."""
    engine = await start(job_crashes=2)
    poison = submit(engine, job(1, DIE), deadline_s=0.0)
    others = [submit(engine, job(k), deadline_s=1.0) for k in range(2, 6)]
    with pytest.raises(EngineError, match="died 2 times at this window; last: killed by SIGKILL"):
        await poison
    assert [answer.tokens for answer in await asyncio.gather(*others)] == [expected(k) for k in range(2, 6)]


async def test_window_that_kills_the_engine_may_be_tried_again(start: Starter) -> None:
    """The attempts that a stream makes at one window do not use up the restarts: the next window is answered."""
    engine = await start()
    for _ in range(MAX_ATTEMPTS):
        with pytest.raises(EngineError, match="at this window"):
            await submit(engine, job(1, DIE))
    assert (await submit(engine, job(2))).tokens == expected(2)
    assert engine.stats().lost == ""


async def test_hung_window(start: Starter) -> None:
    """A window that takes longer than allowed ends its process and is given up when it did so too often."""
    engine = await start(beat_s=0.02, job_limit_s=0.2, job_crashes=2)
    with pytest.raises(EngineError, match="died 2 times at this window; last: one window took more than"):
        await submit(engine, job(1, WAIT))
    assert engine.stats().encodes == {}


async def test_wrong_jobs_fail_alone(start: Starter) -> None:
    """What is wrong with a job is told in one line, and the engine goes on."""
    engine = await start()
    with pytest.raises(EngineError, match=r"^token 3 is not allowed$"):
        await submit(engine, job(1, REFUSE))
    with pytest.raises(EngineError, match=r"^ZeroDivisionError: by nothing$"):
        await submit(engine, job(1, FAIL))
    for features in (
        np.zeros((128, 20), np.float32),
        np.zeros((80, 20), np.float64),
        np.zeros((80, 0), np.float32),
        np.zeros((80, 3001), np.float32),
        np.zeros(80, np.float32),
    ):
        with pytest.raises(EngineError, match=r"features are .*; the model takes float32 \[80, 1 to 3000\]"):
            await submit(engine, replace(job(1), features=features))
    with pytest.raises(EngineError, match="fewer hotwords"):
        await submit(engine, replace(job(1), options=DecodeOptions(hotwords=("x" * 2_000_000,))))
    with pytest.raises(EngineError, match="stream 999 is not open"):
        await submit(engine, job(1), stream=999)
    assert (await submit(engine, job(2))).tokens == expected(2)
    assert engine.stats().restarts == 0


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("broken", r"config\.json is broken$"),
        ("buggy", r"^RuntimeError: a bug of two lines$"),
        ("crashing", r"died while it started: killed by SIGKILL$"),
        ("nonsense", r"died while it started: frame of 4294967295 bytes"),
        ("absent", r"no attribute 'absent'$"),
    ],
)
async def test_start_fails_in_one_line(start: Starter, model: str, message: str) -> None:
    """A model that cannot be loaded is reported in the words of the process."""
    with pytest.raises(EngineError, match=message) as caught:
        await start(model)
    assert "\n" not in str(caught.value)


async def test_silent_start(start: Starter, desk: Desk) -> None:
    """A process that stops while it loads is given up."""
    with pytest.raises(EngineError, match="no sign of life for"):
        await start("stopping", beat_s=0.02, loading_silent_beats=10)


async def test_streams_are_bounded(start: Starter) -> None:
    """When all streams are in use the next is refused; a closed one makes room."""
    engine = await start(max_streams=2)
    first, _ = engine.open_stream(), engine.open_stream()
    with pytest.raises(EngineBusyError, match="all 2 streams"):
        engine.open_stream()
    engine.close_stream(first)
    assert engine.open_stream() not in (first, _)


async def test_closing_a_stream_drops_its_window(start: Starter, desk: Desk) -> None:
    """A waiting window of a closed stream is not done."""
    engine = await start()
    first = submit(engine, job(1, WAIT))
    await desk.running(1)
    stream = engine.open_stream()
    dropped = submit(engine, job(2), stream=stream)
    await asyncio.sleep(0)
    engine.close_stream(stream)
    with pytest.raises(SupersededError, match="closed"):
        await dropped
    await until(lambda: engine.stats().queued == 1)
    desk.release()
    await first
    assert desk.started() == [1]


async def test_cancelled_callers_leave_no_work(start: Starter, desk: Desk) -> None:
    """A window that nobody waits for any more is not done."""
    engine = await start()
    first = submit(engine, job(1, WAIT))
    await desk.running(1)
    others = [submit(engine, job(k)) for k in (2, 3)]
    await asyncio.sleep(0)
    for task in others:
        task.cancel()
    await until(lambda: engine.stats().queued == 1)
    desk.release()
    await first
    assert desk.started() == [1]


async def test_close(start: Starter, desk: Desk) -> None:
    """Closing ends the process at once, fails what waits, and may be repeated."""
    engine = await start()
    tasks = [submit(engine, job(1, WAIT)), submit(engine, job(2))]
    await desk.running(1)
    assert engine.pid is not None
    process = os.pidfd_open(engine.pid)
    await engine.aclose()
    await died(process)
    for task in tasks:
        with pytest.raises(EngineError, match="was closed"):
            await task
    with pytest.raises(EngineError, match="was closed"):
        await submit(engine, job(3))
    await engine.aclose()


async def test_child_does_not_outlive_its_parent(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the daemon is killed the engine process goes away, though it is in the middle of a job."""
    monkeypatch.setenv("PYTHONPATH", str(HELPERS))
    code = """
import asyncio, sys
import numpy as np
from pathlib import Path
from amanuensis.npu.engine.api import EngineConfig
from amanuensis.npu.engine.supervision import Supervision
from amanuensis.npu.engine.process import start_engine
from amanuensis.npu.window import WindowJob
async def main():
    engine = await start_engine(EngineConfig(Path(sys.argv[1])), Supervision(loader="engine_models:steered"))
    print(engine.pid, flush=True)
    features = np.zeros((80, 5), np.float32)
    await engine.decode(engine.open_stream(), WindowJob(features, prompt=(1,), draft=(1,)), 0.0)
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", code, str(desk.folder)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(await asyncio.to_thread(parent.stdout.readline))
        process = os.pidfd_open(pid)
        await desk.running(1)
        parent.kill()
        await died(process)


async def test_environment_of_the_process(start: Starter, desk: Desk) -> None:
    """The process has one BLAS thread, the niceness asked for, and a session of its own that Ctrl-C does not reach."""
    await start("environment", nice=3)
    assert (desk.folder / "environment").read_text() == f"1 1 {os.nice(0) + 3} True"
