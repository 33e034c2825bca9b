"""The engine over a real Ray cluster: words are those of one machine, whatever becomes of actors and nodes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amanuensis.daemon.cluster.engine import RayEngine, start_ray_engine
from amanuensis.daemon.cluster.host_link import ClusterRules
from amanuensis.daemon.config import Config, ServerSettings
from amanuensis.daemon.server import Daemon
from amanuensis.npu.calibration_sound import demo_windows
from amanuensis.npu.engine.api import (
    EngineBusyError,
    EngineConfig,
    EngineError,
    EngineLostError,
    NodeStats,
    NotEmbeddedError,
    PoisonWindowError,
    SupersededError,
)
from amanuensis.npu.engine.process import start_engine
from amanuensis.npu.engine.supervision import Supervision
from amanuensis.npu.log_mel import log_mel_spectrogram
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.npu.window import WindowJob, WindowResult
from tests.helpers.daemon_client import check_invariants, cut, pcm, speak
from tests.helpers.ray_cluster import RayCluster, kill_actor, link_of, ray_cluster, until, up
from tests.helpers.tone_engine import ToneTokenizer, say, spell
from tests.helpers.tone_process import DEADLY, SLOW_LOADER

pytest.importorskip("ray")
Starter = Callable[..., Awaitable[RayEngine]]
RULES = ClusterRules(look_s=0.1, beat_s=0.05, silent_s=2.0, down_s=2.0, starting_s=120.0)
WORDS = [0, 1, 2, 4, 5, 6, 1, 0, 6, 5, 4, 2]  # none of them deadly


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    """Two nodes, each for two hosts: one with the true model, one that reads tones."""
    with ray_cluster(head_cpus=2) as cluster:
        cluster.add("two")
        yield cluster


@pytest.fixture
async def start(cluster: RayCluster, builtin_model: Path) -> AsyncIterator[Starter]:
    """Return a starter of fronts; they are closed at the end."""
    engines = []

    async def starter(loader: str = SLOW_LOADER, capacity: float = 2.0, **options: Any) -> RayEngine:
        supervision = Supervision(loader=loader, backoff_s=0.0)
        config = EngineConfig(builtin_model, "cpu", 1, **options)
        engines.append(await start_ray_engine(config, cluster.address, supervision, RULES, capacity))
        await until(lambda: up(engines[-1]) >= {"one", "two"})
        return engines[-1]

    yield starter
    for engine in engines:
        await engine.aclose()


def tones(words: list[int]) -> WindowJob:
    """Return the window of some words."""
    return WindowJob(log_mel_spectrogram(say(words), 80))


async def heard(engine: RayEngine, words: list[int], disturb: Callable[[], Awaitable[None]] | None = None) -> None:
    """Speak words to a daemon with this engine while something happens; each must come once, and none as a gap."""
    async with Daemon(Config(ServerSettings("127.0.0.1:0")), engine, ToneTokenizer()).listening() as address:
        sound = pcm(say(words, pauses_s=(0.0, 0.7)))
        disturbing = asyncio.create_task(disturb()) if disturb else None
        client = await speak(address, cut(sound, [6400]))
        if disturbing:
            await disturbing
    check_invariants(client.events)
    assert client.text.split() == spell(words).split()
    assert client.find(type="gap") == []


def more_restarts(engine: RayEngine, before: Mapping[str, NodeStats]) -> list[int]:
    """Return how many restarts the nodes had since, in order of size."""
    return sorted(node.restarts - before[name].restarts for name, node in engine.stats().nodes.items())


async def test_words_are_those_of_the_local_engine(start: Starter, builtin_model: Path) -> None:
    """The true model gives for every window, prompt and draft what it gives on this machine, and says where."""
    tokenizer = Tokenizer(builtin_model)
    windows = [window.features[:, :500] for window in demo_windows(tokenizer, 80)]
    jobs = [WindowJob(features, draft=tuple(tokenizer.encode(" good morning"))) for features in windows]
    local = await start_engine(EngineConfig(builtin_model, "cpu", 1))
    try:
        stream = local.open_stream()
        expected = [await local.decode(stream, job, 0.0) for job in jobs]
    finally:
        await local.aclose()
    engine = await start(loader=Supervision().loader, capacity=0.0)
    stream = engine.open_stream()
    got = [await engine.decode(stream, job, time.monotonic()) for job in jobs]
    assert [result.tokens for result in got] == [result.tokens for result in expected]
    assert any(result.tokens for result in got)
    assert [(result.encoder, result.decoder) for result in got] == [("cpu", "cpu")] * len(jobs)
    info, stats = engine.info, engine.stats()
    assert (info.model, info.encoder, info.n_mels) == (local.info.model, "cpu", 80)
    assert info.why.startswith("Ray cluster: ")
    assert stats.encodes == {"cpu": len(jobs)}
    assert sum(node.encodes.get("cpu", 0) for node in stats.nodes.values()) == len(jobs)
    assert all(node.capacity > 0 for node in stats.nodes.values())  # measured, with windows of speech
    with pytest.raises(NotEmbeddedError, match="no host of the cluster"):
        await engine.embed(np.zeros((10, 80), np.float32))


async def test_a_killed_actor_costs_no_words(start: Starter) -> None:
    """Killed while windows are at it, the other node takes over; the first comes back and is counted."""
    engine = await start()

    async def kill() -> None:
        await until(lambda: sum(engine.stats().encodes.values()) >= 2)
        (busy,) = (name for name, node in engine.stats().nodes.items() if node.encodes)
        kill_actor(engine, busy)

    await heard(engine, WORDS, kill)
    await until(lambda: up(engine) >= {"one", "two"})
    assert engine.stats().restarts >= 1
    assert engine.stats().poisoned == 0


async def test_a_drained_node_gets_nothing_new(start: Starter) -> None:
    """Its streams move without a loss; where all are drained the newest window of a stream waits, and why is told."""
    engine = await start()
    stream = engine.open_stream()
    await engine.decode(stream, tones([0]), 0.0)
    (busy,) = (name for name, node in engine.stats().nodes.items() if node.encodes)
    fleet = engine._fleet
    ids = {name: link_of(engine, name).node.id for name in ("one", "two")}
    await fleet.say_drained(ids[busy], drained=True)
    before = engine.stats().nodes[busy].encodes
    await heard(engine, WORDS[:4])
    assert engine.stats().nodes[busy].encodes == before
    for node in ids.values():
        await fleet.say_drained(node, drained=True)
    overtaken = asyncio.create_task(engine.decode(stream, tones([1]), 0.0))
    await until(lambda: "drained" in engine.stats().down_why)
    waiting = asyncio.create_task(engine.decode(stream, tones([1, 2]), 0.0))
    with pytest.raises(SupersededError, match="a newer window of the stream came"):
        await overtaken
    for node in ids.values():
        await fleet.say_drained(node, drained=False)
    assert (await waiting).tokens == (1, 2)


async def test_a_full_cluster_says_so_with_the_numbers(start: Starter) -> None:
    """As many streams as the hosts carry, those of other daemons counted."""
    engine = await start()
    streams = [engine.open_stream() for _ in range(4)]
    with pytest.raises(EngineBusyError, match=r"carries 4\.0 streams on 2 hosts; 4 are open; try again later"):
        engine.open_stream()
    for stream in streams:
        await engine.decode(stream, tones([0]), 0.0)
    other = await start()
    await until(lambda: sum(view.others for view in other._fleet.views().values()) == 4)
    with pytest.raises(EngineBusyError, match="4, 4 of them of other daemons, are open"):
        other.open_stream()
    engine.close_stream(streams[0])
    await until(lambda: sum(view.others for view in other._fleet.views().values()) == 3)
    assert other.open_stream() == 1


async def test_a_poison_window_is_not_carried_from_node_to_node(start: Starter) -> None:
    """It kills one host's engine twice and is given up with its own error; the stream goes on."""
    engine = await start()
    stream = engine.open_stream()
    await engine.decode(stream, tones([1]), 0.0)
    before = engine.stats().nodes
    with pytest.raises(PoisonWindowError, match="died 2 times at this window; last: killed by SIGKILL"):
        await engine.decode(stream, tones([1, DEADLY]), 0.0)
    assert (await engine.decode(stream, tones([1, 2]), 0.0)).tokens == (1, 2)
    await until(lambda: more_restarts(engine, before) == [0, 2])
    assert engine.stats().poisoned == 1


async def test_errors_keep_their_kinds(start: Starter) -> None:
    """The newest of some windows is answered, a wrong one is refused, and a closed engine does nothing more."""
    engine = await start()
    stream = engine.open_stream()
    windows = [asyncio.create_task(engine.decode(stream, tones([k]), 0.0)) for k in (0, 1, 2)]
    answers = await asyncio.gather(*windows, return_exceptions=True)
    assert not isinstance(answers[2], BaseException)
    for word, answer in enumerate(answers):
        assert isinstance(answer, SupersededError) or (isinstance(answer, WindowResult) and answer.tokens == (word,))
    with pytest.raises(EngineError, match=r"features are float32 \[40, 10\]; the model takes"):
        await engine.decode(stream, WindowJob(np.zeros((40, 10), np.float32)), 0.0)
    with pytest.raises(EngineError, match="stream 99 is not open"):
        await engine.decode(99, tones([0]), 0.0)
    engine.close_stream(stream)
    with pytest.raises(EngineError, match=f"stream {stream} is not open"):
        await engine.decode(stream, tones([0]), 0.0)
    await engine.aclose()
    with pytest.raises(EngineError, match="the engine was closed"):
        await engine.decode(stream, tones([0]), 0.0)


async def test_a_cluster_without_hosts_is_lost_where_somebody_waits_for_it(start: Starter) -> None:
    """A command does not wait for ever: what it had to decode fails with the reason of each node."""
    engine = await start()
    stream = engine.open_stream()
    engine._rules = replace(RULES, lost_s=0.2)
    ids = [link.node.id for link in engine.hosts]
    for node in ids:
        await engine._fleet.say_drained(node, drained=True)
    with pytest.raises(EngineLostError, match=r"no host .* for 0\.2 s: one \(cpu\): drained; two \(cpu\): drained"):
        await engine.decode(stream, tones([1]), 0.0)
    assert "drained" in engine.stats().lost
    for node in ids:
        await engine._fleet.say_drained(node, drained=False)
