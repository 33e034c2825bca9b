"""The engine process with a real model of random weights: the same text as without it, whatever happens."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from amanuensis.benchmarks.random_model import make_random_model
from amanuensis.npu.engine.api import EngineConfig, EngineError
from amanuensis.npu.engine.process import start_engine
from amanuensis.npu.engine.supervision import Supervision
from amanuensis.npu.loading import load_model
from amanuensis.npu.window import DecodeOptions, WindowJob

N_STREAMS, N_TICKS = 20, 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small model folder with random weights."""
    return make_random_model(tmp_path_factory.mktemp("model") / "random")


def job(stream: int, tick: int) -> WindowJob:
    """Return the window of a stream at a tick."""
    random = np.random.default_rng([stream, tick])
    features = random.standard_normal((80, 100 + 10 * tick)).astype(np.float32)
    return WindowJob(features, prompt=(5, 6 + stream), options=DecodeOptions(max_tokens=12))


async def test_twenty_streams_across_a_crash(folder: Path) -> None:
    """Twenty streams at once get the text that the model gives in this process, though the engine is killed."""
    model = load_model(EngineConfig(folder, "cpu", threads=1))
    engine = await start_engine(EngineConfig(folder, threads=1))
    assert engine.info == load_model(EngineConfig(folder, threads=1)).info

    async def play(stream: int) -> list[tuple[int, ...]]:
        number = engine.open_stream()
        texts = [(await engine.decode(number, job(stream, tick), float(tick))).tokens for tick in range(N_TICKS)]
        if stream == 7 and engine.pid:
            os.kill(engine.pid, signal.SIGKILL)
        texts.append((await engine.decode(number, job(stream, N_TICKS), 0.0)).tokens)
        engine.close_stream(number)
        return texts

    texts = await asyncio.gather(*map(play, range(N_STREAMS)))
    for stream in range(N_STREAMS):
        assert texts[stream] == [model.decode(job(stream, tick)).tokens for tick in range(N_TICKS + 1)]
    stats = engine.stats()
    assert stats.encodes == {"cpu": N_STREAMS * (N_TICKS + 1)}
    assert stats.restarts == 1
    assert stats.busy_s > 0
    await engine.aclose()


async def test_token_outside_the_vocabulary(folder: Path) -> None:
    """A job that does not fit the model is told so, and the engine goes on."""
    engine = await start_engine(EngineConfig(folder, threads=1))
    stream, good = engine.open_stream(), job(0, 0)
    bad = WindowJob(good.features, prompt=(10**6,), options=good.options)
    with pytest.raises(EngineError, match="1000000"):
        await engine.decode(stream, bad, 0.0)
    assert (await engine.decode(stream, good, 0.0)).tokens
    assert engine.stats().restarts == 0
    await engine.aclose()


async def test_absent_npu(folder: Path) -> None:
    """An NPU that is not there is refused in the words of the probe, in one line."""
    if importlib.util.find_spec("pyxrt"):
        pytest.skip("this machine has pyxrt")
    with pytest.raises(EngineError, match="pyxrt") as caught:
        await start_engine(EngineConfig(folder, "npu"))
    assert "\n" not in str(caught.value)


async def test_simulated_npu_in_the_engine_process(folder: Path) -> None:
    """The engine process runs on the simulated NPU, and the statistics add up what its windows were given."""
    engine = await start_engine(EngineConfig(folder, "sim"))
    assert (engine.info.encoder, engine.info.decoder, engine.info.architecture) == ("sim", "sim", "npu1")
    stream = engine.open_stream()
    engine.wake()
    results = [await engine.decode(stream, job(0, tick), 0.0) for tick in range(2)]
    stats = engine.stats()
    assert {result.encoder for result in results} == {"sim"}
    assert stats.work == {"sim": results[0].work + results[1].work}
    assert stats.work["sim"].dispatches > 2
    assert stats.work["sim"].timing == "modelled"
    assert stats.device_share > 0
    assert (stats.fallbacks, stats.fallback, stats.restarts) == ({}, "", 0)
    await engine.aclose()


async def test_simulated_npu_is_replaced_and_comes_back(folder: Path) -> None:
    """After a death on the simulated NPU the model goes on on the CPU, and then on the device, window by window."""
    rules = Supervision(device_crashes=1, device_retry_s=0.0)
    engine = await start_engine(EngineConfig(folder, "sim", precision="bf16", threads=1), rules)
    stream, device = engine.open_stream(), engine.info
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGKILL)
    answers = [await engine.decode(stream, job(0, 0), 0.0)]
    while answers[-1].encoder == "cpu":
        answers.append(await engine.decode(stream, job(0, 0), 0.0))
    *on_cpu, last = answers
    assert on_cpu
    assert {answer.fallback for answer in on_cpu} == {"the engine died once on sim; last: killed by SIGKILL"}
    assert (last.encoder, last.decoder, last.fallback, engine.info) == ("sim", "sim", "", device)
    assert engine.stats().restarts == 1
    await engine.aclose()


async def test_missing_model(tmp_path: Path) -> None:
    """A missing folder is reported in the words of the loader."""
    with pytest.raises(EngineError, match="none: no such model folder"):
        await start_engine(EngineConfig(tmp_path / "none"))
