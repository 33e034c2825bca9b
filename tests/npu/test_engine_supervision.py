"""Supervision that never gives up, with real processes: devices that kill, processes that hang, rave or do not die."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from dataclasses import replace

import numpy as np
import pytest

from amanuensis.npu.engine import child as child_module
from amanuensis.npu.engine.api import EngineError, PoisonWindowError
from amanuensis.npu.engine.desk import MAX_BATCH
from amanuensis.npu.engine.frames import encode_frame
from amanuensis.npu.engine.process import SupervisedEngine
from tests.helpers.engine_desk import (
    DIE,
    DIE_ON_DEVICE,
    SENSELESS,
    WAIT,
    Desk,
    Starter,
    expected,
    job,
    kill,
    submit,
    until,
)


def opened(desk: Desk) -> list[str]:
    """Return the devices that processes were started for."""
    return (desk.folder / "opened").read_text().split()


async def test_windows_wait_for_an_engine_that_cannot_start(start: Starter, desk: Desk) -> None:
    """While processes die again and again windows wait; the statistics say how long and why; then all are answered."""
    engine = await start("on_device", device_crashes=10**6)
    (desk.folder / "dead").touch()
    kill(engine)
    tasks = [submit(engine, job(k)) for k in range(1, 4)]
    await until(lambda: engine.stats().restarts >= 6)
    down = engine.stats()
    assert down.down_s > 0
    assert down.down_why == "killed by SIGKILL"
    assert (down.lost, down.queued) == ("", 3)
    (desk.folder / "dead").unlink()
    assert [answer.tokens for answer in await asyncio.gather(*tasks)] == [expected(k) for k in range(1, 4)]
    up = engine.stats()
    assert (up.down_s, up.down_why, up.lost) == (0.0, "", "")


async def test_waiting_windows_stay_bounded_while_the_engine_is_down(start: Starter, desk: Desk) -> None:
    """However long the engine is down, only the newest window of each stream waits."""
    engine = await start("on_device", device_crashes=10**6)
    (desk.folder / "dead").touch()
    kill(engine)
    await until(lambda: engine.pid is None)
    stream = engine.open_stream()
    tasks = []
    for number in range(1, 50):
        tasks.append(submit(engine, job(number), stream=stream))
        await asyncio.sleep(0)
        assert engine.stats().queued == 1
    (desk.folder / "dead").unlink()
    assert (await tasks[-1]).tokens == expected(49)
    assert engine.stats().superseded == 48


async def test_a_device_that_dies_is_replaced_by_the_cpu(start: Starter, desk: Desk) -> None:
    """After a few deaths on the device the CPU answers, and `info`, the statistics and each answer say why."""
    engine = await start("on_device", device_crashes=2)
    assert (engine.info.encoder, engine.info.why) == ("sim", "as configured")
    (desk.folder / "dead").touch()
    kill(engine)
    answer = await submit(engine, job(1))
    why = "the engine died 2 times on sim; last: killed by SIGKILL"
    assert (answer.tokens, answer.encoder, answer.fallback) == (expected(1), "cpu", why)
    assert opened(desk) == ["auto", "sim", "cpu"]
    assert (engine.info.encoder, engine.info.decoder, engine.info.why) == ("cpu", "cpu", why)
    stats = engine.stats()
    assert (stats.fallback, stats.fallbacks, stats.down_s) == (why, {"crash": 1}, 0.0)


async def test_a_window_that_kills_only_the_device_is_not_lost(start: Starter) -> None:
    """A window at which the device dies twice is done by the CPU instead of being given up."""
    engine = await start("on_device", device_crashes=10**6)
    answer = await submit(engine, job(1, DIE_ON_DEVICE))
    assert (answer.tokens, answer.encoder, answer.decoder) == (expected(1), "cpu", "cpu")
    assert (engine.stats().restarts, engine.stats().poisoned) == (2, 0)


async def test_a_window_that_kills_every_device_is_given_up(start: Starter) -> None:
    """A window at which the CPU dies as well is poison; the next one is answered."""
    engine = await start("on_device", device_crashes=10**6)
    with pytest.raises(PoisonWindowError, match="died 3 times at this window") as caught:
        await submit(engine, job(1, DIE))
    assert (caught.value.crashes, caught.value.why) == (3, "killed by SIGKILL")
    assert (await submit(engine, job(2))).tokens == expected(2)
    assert engine.stats().poisoned == 1


async def test_the_device_comes_back_between_windows(start: Starter, desk: Desk) -> None:
    """A device that can be opened again takes over while a window runs and others wait: none is lost or done twice."""
    engine = await start("on_device", device_crashes=1, device_retry_s=0.0)
    (desk.folder / "dead").touch()
    kill(engine)
    await until(lambda: "cpu" in opened(desk) and engine.pid is not None)
    tasks = [submit(engine, job(1, WAIT)), *(submit(engine, job(k), deadline_s=k) for k in (2, 3, 4))]
    await desk.running(1)
    (desk.folder / "dead").unlink()
    stand_in = engine.pid
    await until(lambda: engine._desk.schedule.held)
    desk.release()
    answers = await asyncio.gather(*tasks)
    assert [answer.tokens for answer in answers] == [expected(k) for k in range(1, 5)]
    assert [answer.encoder for answer in answers] == ["cpu", "sim", "sim", "sim"]
    assert desk.started() == [1, 2, 3, 4]
    assert engine.pid != stand_in
    assert engine.info.why == "as configured"
    assert engine.stats().fallback == ""


async def test_a_stand_in_that_dies_while_the_device_is_tried_is_replaced(start: Starter, desk: Desk) -> None:
    """When the CPU's process is killed during a handover, its windows are still answered."""
    engine = await start("on_device", device_crashes=1, device_retry_s=0.0)
    (desk.folder / "dead").touch()
    kill(engine)
    await until(lambda: "cpu" in opened(desk) and engine.pid is not None)
    tasks = [submit(engine, job(1, WAIT)), submit(engine, job(2), deadline_s=2)]
    await desk.running(1)
    (desk.folder / "dead").unlink()
    await until(lambda: engine._desk.schedule.held)
    kill(engine)
    await desk.running(1, times=2)
    desk.release()
    assert [answer.tokens for answer in await asyncio.gather(*tasks)] == [expected(1), expected(2)]


async def test_care_that_hangs(start: Starter, desk: Desk) -> None:
    """A process that hangs in the care for its device between windows is replaced."""
    engine = await start("careless", beat_s=0.02, loading_limit_s=2.0)
    (desk.folder / "careless").touch()
    engine.wake()
    await until(lambda: not (desk.folder / "careless").exists())
    assert (await submit(engine, job(1))).tokens == expected(1)
    assert engine.stats().restarts == 1


async def test_loading_that_hangs(start: Starter) -> None:
    """A process that beats but never gets done with loading is given up in one line."""
    with pytest.raises(EngineError, match=r"died while it started: loading the model took more than 0 s$"):
        await start("loading_for_ever", beat_s=0.02, loading_limit_s=0.2)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff" * 64,
        b"\x00\x00\x00\x00",
        encode_frame({"type": "result", "id": 1}),
        encode_frame({"type": "result", "id": [1], "result": {}}),
        encode_frame({"type": "started", "ids": 5}),
        encode_frame({"type": "started", "ids": [77]}),
        encode_frame({"type": "recalled", "id": 77}),
        encode_frame({"type": "beat", "doing": "job", "running_s": "long"}),
        encode_frame({"type": "beat", "doing": "sleep", "running_s": 0.0}),
        encode_frame({"type": "ready", "info": {"model": 1}}),
        encode_frame({"type": "what"}),
    ],
)
async def test_a_process_that_raves_is_replaced(start: Starter, desk: Desk, data: bytes) -> None:
    """Whatever nonsense a process sends, it is killed, and the next one answers."""
    os.mkfifo(desk.folder / "mad")
    engine = await start("mad")
    task = submit(engine, job(1, WAIT))
    await desk.running(1)
    await asyncio.to_thread((desk.folder / "mad").write_bytes, data)
    await desk.running(1, times=2)
    desk.release()
    assert (await task).tokens == expected(1)
    assert engine.stats().restarts == 1


async def test_an_answer_that_makes_no_sense_is_not_passed_on(start: Starter) -> None:
    """A hypothesis whose parts do not fit together ends the process like a crash at this window."""
    engine = await start()
    with pytest.raises(PoisonWindowError, match="sent a message that makes no sense"):
        await submit(engine, job(1, SENSELESS))
    assert (await submit(engine, job(2))).tokens == expected(2)


async def test_shared_memory_cannot_be_taken_away(start: Starter, desk: Desk) -> None:
    """A process cannot shrink the memory that the daemon writes to, which would kill the daemon."""
    engine = await start("truncating")
    assert (desk.folder / "truncated").read_text() == "PermissionError"
    assert (await submit(engine, job(1, n_frames=3000))).tokens == expected(1, 3000)


async def test_a_system_that_starts_no_process(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    """While no process can be started (no memory, no descriptors) windows wait; then they are answered."""
    engine = await start()
    tries = 0

    async def refuse(*args: object, **options: object) -> None:
        nonlocal tries
        tries += 1
        raise BlockingIOError(11, "Resource temporarily unavailable")

    with monkeypatch.context() as patch:
        patch.setattr(asyncio, "create_subprocess_exec", refuse)
        kill(engine)
        task = submit(engine, job(1))
        await until(lambda: tries >= 5)
        assert engine.stats().down_why == "the system starts no process (Resource temporarily unavailable)"
    assert (await task).tokens == expected(1)


async def test_a_fault_of_supervision_is_survived(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of our own code while a process is started is told, and the next process is tried."""
    engine = await start()
    with monkeypatch.context() as patch:
        patch.setattr(SupervisedEngine, "_config_now", lambda self, on_cpu: 1 / 0)
        kill(engine)
        task = submit(engine, job(1))
        await until(lambda: "its supervision failed" in engine.stats().down_why)
    assert (await task).tokens == expected(1)


async def test_close_does_not_wait_for_a_process_that_does_not_die(
    start: Starter, desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A process that a driver holds in a call outlives SIGKILL; closing leaves it behind and says so."""
    engine = await start(death_s=0.05)
    task = submit(engine, job(1, WAIT))
    await desk.running(1)
    assert engine.pid is not None
    held = engine.pid
    os.kill(held, signal.SIGSTOP)  # it does not leave by itself either
    with monkeypatch.context() as patch:
        patch.setattr(child_module.os, "kill", lambda pid, number: None)  # as when the process is in a system call
        await engine.aclose()
    with pytest.raises(EngineError, match="was closed"):
        await task
    assert f"process {held} does not end" in caplog.text
    os.kill(held, signal.SIGKILL)


async def test_close_while_the_engine_is_down(start: Starter, desk: Desk) -> None:
    """Closing during a long wait between two processes ends it at once and fails what waits."""
    engine = await start("on_device", device_crashes=10**6, backoff_s=1000.0, max_backoff_s=1000.0)
    (desk.folder / "dead").touch()
    kill(engine)
    task = submit(engine, job(1))
    await until(lambda: engine.stats().restarts == 1 and engine.stats().down_s > 0 and engine.pid is None)
    await until(lambda: engine._recovery.crashes_in_a_row == 2)
    await engine.aclose()
    with pytest.raises(EngineError, match="was closed"):
        await task


async def test_progress_is_seen_while_all_is_well_and_while_it_is_mended(start: Starter, desk: Desk) -> None:
    """The age of progress starts anew with beats, during restarts and waits; a silent process lets it grow."""
    engine = await start("on_device", beat_s=0.02, device_crashes=10**6, backoff_s=0.05, silent_beats=10**6)

    async def renewed() -> None:
        """Wait until progress was seen once more."""
        seen_s = engine._progress_s
        await until(lambda: engine._progress_s > seen_s)

    await renewed()
    task = submit(engine, job(1, WAIT))
    await desk.running(1)
    await renewed()
    (desk.folder / "dead").touch()
    kill(engine)
    await until(lambda: engine.stats().restarts >= 3)
    await renewed()
    (desk.folder / "dead").unlink()
    await desk.running(1, times=2)
    desk.release()
    await task
    kill(engine, signal.SIGSTOP)
    await until(lambda: engine.stats().progress_age_s > 0.2)  # ten beats


async def chaos(engine: SupervisedEngine, desk: Desk, seed: int, streams: int, windows: int, kills: int) -> None:
    """Let streams have windows done while the process is killed at moments drawn by chance."""
    draw = random.Random(seed)
    wanted = streams * windows
    moments = sorted(draw.sample(range(1, wanted), kills))

    async def speak(first: int) -> list[tuple[int, ...]]:
        stream = engine.open_stream()
        return [
            (await submit(engine, job(number), deadline_s=draw.random(), stream=stream)).tokens
            for number in range(first, first + windows)
        ]

    async def strike() -> None:
        for moment in moments:
            await until(lambda at=moment: len(desk.started()) >= at and engine.pid is not None)  # type: ignore[misc]
            for _ in range(draw.randrange(30)):
                await asyncio.sleep(0)
            pid = engine.pid
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
                await until(lambda pid=pid: engine.pid != pid)  # type: ignore[misc]

    striking = asyncio.create_task(strike())
    answers = await asyncio.gather(*(speak(k * windows + 1) for k in range(streams)))
    await striking
    assert [tokens for answer in answers for tokens in answer] == [expected(k) for k in range(1, wanted + 1)]
    assert len(engine._desk.schedule) == 0
    assert sum(engine.stats().encodes.values()) == wanted
    assert engine.stats().restarts >= kills // 2


@pytest.mark.parametrize("model", ["steered", "batching"])
async def test_killed_at_any_moment_every_window_is_answered_once(start: Starter, desk: Desk, model: str) -> None:
    """Four streams, six kills: each window gets its own answer, once."""
    engine = await start(model, job_crashes=10**6)
    await chaos(engine, desk, 1, streams=4, windows=60, kills=6)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 12))
async def test_killed_at_any_moment_long(start: Starter, desk: Desk, seed: int) -> None:
    """The same with more kills."""
    engine = await start("batching" if seed % 2 else "steered", job_crashes=10**6)
    await chaos(engine, desk, seed, streams=4, windows=200, kills=40)


async def test_slots_are_enough_for_the_largest_batch(start: Starter) -> None:
    """What may be at the process at once has a place in the shared memory."""
    engine = await start("batching")
    assert engine._desk.slots.n_slots >= engine._desk.schedule.depth
    assert engine._desk.slots.n_slots == 2 + MAX_BATCH - 1
    features = np.zeros((80, 3000), np.float32)
    answers = await asyncio.gather(*(submit(engine, replace(job(k), features=features)) for k in range(1, 9)))
    assert [answer.tokens for answer in answers] == [(k, 0) for k in range(1, 9)]
