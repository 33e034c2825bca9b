"""Vectors of voices from an engine process: behind its windows, bounded, and no trouble to words when they fail."""

from __future__ import annotations

import asyncio
import signal
from contextlib import aclosing

import numpy as np
import pytest
from numpy.typing import NDArray

from amanuensis.npu.engine.api import EngineConfig, NotEmbeddedError
from amanuensis.npu.engine.embeds import MAX_CRASHES, MAX_WAITING
from amanuensis.npu.engine.process import SupervisedEngine, start_engine
from amanuensis.npu.speaker_builtin import FOLDER, NETWORK_FILE
from amanuensis.npu.speaker_network import SpeakerNetwork
from amanuensis.npu.speaker_sound import DEVICE_FRAMES, N_MELS, normalised
from amanuensis.npu.store import resolve
from amanuensis.npu.voice_vector import VoiceVector
from amanuensis.npu.window import DeviceWork, WindowJob
from tests.helpers.engine_desk import WAIT, Desk, Starter, expected, job, kill, submit, until

PLAIN, HOLD, DIES, FAILS, HANGS, SENSELESS, NO_MORE = range(7)  # what features make the steered model do


def ask(engine: SupervisedEngine, frames: int, what: int = PLAIN) -> asyncio.Task[VoiceVector]:
    """Ask for the vector of a window that is known by its number of frames."""
    features: NDArray[np.float32] = np.full((frames, N_MELS), what, np.float32)
    return asyncio.create_task(engine.embed(features))


async def test_the_real_network_on_the_emulated_device() -> None:
    """A real engine process makes the CPU's vector on `sim`, with the proof, and its windows are answered beside it."""
    mel = np.cumsum(np.random.default_rng(0).standard_normal((150, N_MELS)), axis=1).astype(np.float32)
    engine = await start_engine(EngineConfig(resolve("builtin"), "sim", voices=FOLDER / NETWORK_FILE))
    async with aclosing(engine):
        assert (engine.info.voices, engine.info.voices_why) == ("sim", "")
        window = submit(engine, WindowJob(np.zeros((80, 100), np.float32)))
        found, wanted = await engine.embed(normalised(mel)), SpeakerNetwork(FOLDER / NETWORK_FILE).embed(mel)
        assert found.vector @ wanted / np.linalg.norm(found.vector) > 0.995
        assert (found.device, found.work.dispatches, found.work.timing) == ("sim", 1, "modelled")
        assert (await window).encoder == "sim"
        assert engine.stats().embeddings == {"sim": 1}


async def test_an_engine_on_the_cpu_makes_no_vectors(start: Starter) -> None:
    """It says so at once, without asking its process."""
    engine = await start()
    assert engine.info.voices == ""
    with pytest.raises(NotEmbeddedError, match="no device of the engine"):
        await ask(engine, 16)


async def test_vectors_are_counted(start: Starter) -> None:
    """By device, and what they took is part of what the device did."""
    engine = await start("voicing")
    assert (await ask(engine, 16)).vector.tolist() == [16.0] * 4
    await ask(engine, 20)
    stats = engine.stats()
    assert stats.embeddings == {"sim": 2}
    assert stats.work == {"sim": DeviceWork(2, 200, 20, 40.0, "modelled")}


async def test_windows_go_first(start: Starter, desk: Desk) -> None:
    """A vector that was asked for before a window is made after it."""
    engine = await start("voicing")
    first = submit(engine, job(1, WAIT))
    await desk.running(1)
    voice, second = ask(engine, 16), submit(engine, job(2))
    await asyncio.sleep(0)
    await until(lambda: engine._embeds.waiting)
    desk.release()
    await asyncio.gather(first, second, voice)
    assert desk.started() == [1, 2, -16]


async def test_a_voice_that_is_too_long_is_refused(start: Starter) -> None:
    """As is one of no frames; both before the process hears of them."""
    engine = await start("voicing")
    for frames in (0, DEVICE_FRAMES + 1):
        with pytest.raises(NotEmbeddedError, match=f"a voice of {frames} frames; a device takes 1 to 256"):
            await ask(engine, frames)


async def test_a_flood_is_refused(start: Starter, desk: Desk) -> None:
    """Only a few vectors wait; one more is refused at once, and the others are made."""
    engine = await start("voicing")
    held = ask(engine, 100, HOLD)
    await desk.running(-100)
    asked = [ask(engine, frames) for frames in range(16, 16 + MAX_WAITING + 3)]
    refused = asked[MAX_WAITING - 1 :]
    for task in refused:
        with pytest.raises(NotEmbeddedError, match=f"{MAX_WAITING} vectors of voices wait"):
            await task
    desk.release()
    await asyncio.gather(held, *asked[: MAX_WAITING - 1])
    assert engine.stats().embeddings == {"sim": MAX_WAITING}


async def test_what_nobody_waits_for_is_not_made(start: Starter, desk: Desk) -> None:
    """A vector that is given up while it waits makes room for another and is never begun."""
    engine = await start("voicing")
    held = ask(engine, 100, HOLD)
    await desk.running(-100)
    asked = [ask(engine, frames) for frames in range(16, 16 + MAX_WAITING - 1)]
    await until(lambda: len(engine._embeds._asked) == MAX_WAITING)
    for task in asked:
        task.cancel()
    await until(lambda: len(engine._embeds._asked) == 1)
    another = ask(engine, 50)
    desk.release()
    await asyncio.gather(held, another)
    assert desk.started() == [-100, -50]


async def test_one_that_was_begun_may_be_given_up(start: Starter, desk: Desk) -> None:
    """Its answer comes to nobody, and the engine goes on."""
    engine = await start("voicing")
    held = ask(engine, 100, HOLD)
    await desk.running(-100)
    held.cancel()
    desk.release()
    assert (await ask(engine, 16)).device == "sim"


async def test_a_killed_engine_refuses_vectors_and_does_its_windows(start: Starter, desk: Desk) -> None:
    """Whoever waits for a vector is told at once that its process died; the window behind it is done by the next."""
    engine = await start("voicing")
    held = ask(engine, 100, HOLD)
    await desk.running(-100)
    waiting, window = ask(engine, 16), submit(engine, job(1))
    await until(lambda: len(engine._embeds._asked) == 2)
    kill(engine)
    for task in (held, waiting):
        with pytest.raises(NotEmbeddedError, match="the engine process died"):
            await task
    assert (await window).tokens == expected(1)
    assert (await ask(engine, 16)).device == "sim"


async def test_vectors_that_kill_the_engine_are_left_to_the_cpu(start: Starter) -> None:
    """After some deaths in a row no vector is asked for, the engine says why, and words keep the device."""
    engine = await start("voicing", device_crashes=MAX_CRASHES + 1)
    for count in range(1, MAX_CRASHES + 1):
        with pytest.raises(NotEmbeddedError, match="killed by SIGKILL"):
            await ask(engine, 16, DIES)
        await until(lambda count=count: engine.stats().restarts == count and engine.pid is not None)  # type: ignore[misc]
    with pytest.raises(NotEmbeddedError, match=f"died {MAX_CRASHES} times at the vector of a voice"):
        await ask(engine, 16)
    assert (engine.info.encoder, engine.info.voices) == ("sim", "")
    assert "killed by SIGKILL" in engine.info.voices_why
    assert (await submit(engine, job(1))).encoder == "sim"


async def test_a_vector_that_was_given_up_hides_no_death_at_another(start: Starter, desk: Desk) -> None:
    """The process says of the first that it is not made while the second is: its death then counts all the same."""
    engine = await start("voicing", device_crashes=MAX_CRASHES + 1)
    for count in range(1, MAX_CRASHES):
        with pytest.raises(NotEmbeddedError, match="killed by SIGKILL"):
            await ask(engine, 16, DIES)
        await until(lambda count=count: engine.stats().restarts == count and engine.pid is not None)  # type: ignore[misc]
    held = ask(engine, 100, HOLD)
    await desk.running(-100)
    given_up = ask(engine, 16)
    await until(lambda: len(engine._embeds._asked) == 2)
    given_up.cancel()
    await until(lambda: len(engine._embeds._asked) == 1)
    kill(engine)
    with pytest.raises(NotEmbeddedError, match="the engine process died"):
        await held
    with pytest.raises(NotEmbeddedError, match=f"died {MAX_CRASHES} times at the vector of a voice"):
        await ask(engine, 16)


async def test_while_the_cpu_stands_in_for_the_device_it_makes_no_vectors(start: Starter) -> None:
    """The engine says so with the reason, and refuses at once; windows are done by the CPU."""
    engine = await start("voicing", device_crashes=1)
    kill(engine)
    await until(lambda: engine.stats().restarts == 1 and engine.pid is not None)
    assert (engine.info.encoder, engine.info.voices) == ("cpu", "")
    assert "killed by SIGKILL" in engine.info.voices_why
    with pytest.raises(NotEmbeddedError, match="no device of the engine"):
        await ask(engine, 16)
    assert (await submit(engine, job(1))).encoder == "cpu"


async def test_an_error_at_a_vector_is_told(start: Starter) -> None:
    """In one line, and the engine goes on with vectors and windows."""
    engine = await start("voicing")
    with pytest.raises(NotEmbeddedError, match="the network is gone"):
        await ask(engine, 16, FAILS)
    assert (await ask(engine, 16)).device == "sim"
    assert engine.stats().restarts == 0


async def test_a_device_that_makes_no_more_vectors_is_not_named_for_them(start: Starter) -> None:
    """It is told why, and not asked again; words keep the device."""
    engine = await start("voicing")
    for _ in range(2):
        with pytest.raises(NotEmbeddedError, match="the device failed 2 times"):
            await ask(engine, 16, NO_MORE)
        assert (engine.info.encoder, engine.info.voices) == ("sim", "")
        assert engine.info.voices_why == "the device failed 2 times"
    assert (await submit(engine, job(1))).encoder == "sim"
    assert engine.stats().restarts == 0


async def test_a_vector_that_hangs_is_found(start: Starter) -> None:
    """The process is killed when a vector takes too long, and windows go on in the next one."""
    patient = {"silent_beats": 10_000, "loading_silent_beats": 10_000}
    engine = await start("voicing", beat_s=0.05, least_job_limit_s=0.1, **patient)
    hanging = ask(engine, 16, HANGS)
    with pytest.raises(NotEmbeddedError, match="the vector of a voice took more than 0 s"):
        await hanging
    assert (await submit(engine, job(1))).tokens == expected(1)


async def test_a_vector_that_is_no_number_is_not_believed(start: Starter) -> None:
    """A process that sends one is replaced."""
    engine = await start("voicing")
    with pytest.raises(NotEmbeddedError, match="makes no sense"):
        await ask(engine, 16, SENSELESS)
    assert (await submit(engine, job(1))).tokens == expected(1)


async def test_no_vector_outlives_its_engine(start: Starter, desk: Desk) -> None:
    """Closing the engine refuses what waits and what is asked afterwards; while it is stopped it makes none."""
    engine = await start("voicing")
    kill(engine, signal.SIGSTOP)
    waiting = ask(engine, 16)
    await until(lambda: engine._embeds.waiting)
    await engine.aclose()
    for task in (waiting, ask(engine, 16)):
        with pytest.raises(NotEmbeddedError, match="the engine was closed"):
            await task
