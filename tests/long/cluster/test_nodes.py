"""Nodes of a cluster that hang, die, are of another version or lack the model; and daemons that share them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from amanuensis.benchmarks.sound import SAMPLE_RATE, conversation
from amanuensis.daemon.cluster.engine import RayEngine, start_ray_engine
from amanuensis.daemon.cluster.host_link import ClusterRules
from amanuensis.daemon.cluster.model_store import manifest
from amanuensis.daemon.cluster.runtime import ClusterError, connect
from amanuensis.daemon.cluster.spec import HostSpec, versions
from amanuensis.daemon.config import Config, ServerSettings
from amanuensis.daemon.dial import UnreachableError
from amanuensis.daemon.server import Daemon
from amanuensis.npu.calibration_sound import demo_windows
from amanuensis.npu.engine.api import EngineConfig
from amanuensis.npu.engine.supervision import Supervision
from amanuensis.npu.log_mel import log_mel_spectrogram
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.npu.window import WindowJob
from tests.helpers.daemon_client import check_invariants, cut, pcm, speak
from tests.helpers.daemon_process import caption, check_whole, run_command, running_daemon, text_of
from tests.helpers.ray_cluster import ROOT, RayCluster, kill_actor, link_of, ray_cluster, until, up
from tests.helpers.tone_engine import ToneTokenizer, say, spell
from tests.helpers.tone_process import SLOW_LOADER

pytest.importorskip("ray")
Starter = Callable[..., Awaitable[RayEngine]]
RULES = ClusterRules(look_s=0.2, beat_s=0.1, silent_s=3.0, down_s=3.0, starting_s=240.0)
WORDS = [0, 1, 2, 4, 5, 6, 1, 0, 6, 5, 4, 2]  # of tones, none of them deadly
ANOTHER_VERSION = """\
import importlib.metadata
true_version = importlib.metadata.version
importlib.metadata.version = lambda name: "0.0.1" if name == "amanuensis" else true_version(name)
"""
FAST_CLOCK = """\
import time
true_time = time.time
time.time = lambda: true_time() + 200.0
"""


@pytest.fixture
def cluster() -> Iterator[RayCluster]:
    """Node "one" is the head."""
    with ray_cluster(head_cpus=2) as cluster:
        yield cluster


@pytest.fixture
async def start(cluster: RayCluster, builtin_model: Path) -> AsyncIterator[Starter]:
    """Return a starter of fronts that read tones; they are closed at the end."""
    engines = []

    async def starter(folder: Path = builtin_model, **options: Any) -> RayEngine:
        supervision = Supervision(loader=SLOW_LOADER, backoff_s=0.0)
        config = EngineConfig(folder, "cpu", 1)
        engines.append(await start_ray_engine(config, cluster.address, supervision, RULES, 8.0))
        return engines[-1]

    yield starter
    for engine in engines:
        await engine.aclose()


async def heard(engine: RayEngine, disturb: Callable[[], Awaitable[None]], times: int = 4) -> None:
    """Speak words to a daemon while something happens; each must come once, and none as a gap."""
    words = WORDS * times
    async with Daemon(Config(ServerSettings("127.0.0.1:0")), engine, ToneTokenizer()).listening() as address:
        disturbing = asyncio.create_task(disturb())
        client = await speak(address, cut(pcm(say(words, pauses_s=(0.0, 0.7))), [6400]))
        await disturbing
    check_invariants(client.events)
    assert client.text.split() == spell(words).split()
    assert client.find(type="gap") == []


async def admitted(url: str, sound: NDArray[np.float32]) -> list[dict[str, Any]]:
    """Speak as soon as the cluster, measured on a machine that does other things too, has room."""
    while True:
        try:
            return await caption(url, sound)
        except UnreachableError as error:
            if "the cluster carries" not in str(error):
                raise
            await asyncio.sleep(0.5)


def tones(words: list[int]) -> WindowJob:
    """Return the window of some words."""
    return WindowJob(log_mel_spectrogram(say(words), 80))


def busy(engine: RayEngine) -> str:
    """Return the node that has the windows of the one stream."""
    (place,) = engine._placement.streams()
    return engine._fleet.links[place].node.name


async def test_a_host_that_hangs_is_given_up(cluster: RayCluster, start: Starter) -> None:
    """Stopped with SIGSTOP its windows go elsewhere; what it answers when it wakes is not heard."""
    cluster.add("two")
    engine = await start()
    await until(lambda: up(engine) == {"one", "two"})

    async def stop() -> None:
        await until(lambda: sum(engine.stats().encodes.values()) >= 3)
        name = busy(engine)
        kill_actor(engine, name, signal.SIGSTOP)
        await until(lambda: name not in up(engine))
        await until(lambda: sum(engine.stats().encodes.values()) >= 8)
        kill_actor(engine, name, signal.SIGCONT)
        await until(lambda: name in up(engine))

    await heard(engine, stop)


async def test_a_killed_node_costs_no_words(
    cluster: RayCluster, start: Starter, capfd: pytest.CaptureFixture[str]
) -> None:
    """A node that comes while the daemon runs takes windows; killed with all its processes, it loses none.

    Nothing that Ray says of it comes among what programs read from the standard output of ours.
    """
    cluster.add("two")
    engine = await start()
    await until(lambda: up(engine) == {"one", "two"})
    for name in ("one", "two"):
        await engine._fleet.say_drained(link_of(engine, name).node.id, drained=True)
    cluster.add("three")
    await until(lambda: "three" in up(engine))

    async def kill() -> None:
        await until(lambda: engine.stats().nodes["three"].encodes.get("cpu", 0) >= 2)
        for name in ("one", "two"):
            await engine._fleet.say_drained(link_of(engine, name).node.id, drained=False)
        os.kill(cluster.raylet("three"), signal.SIGKILL)
        kill_actor(engine, "three")
        await asyncio.to_thread(cluster.kill, "three")

    await heard(engine, kill)
    await until(lambda: up(engine) == {"one", "two"})
    assert (await engine.decode(engine.open_stream(), tones([1, 2]), 0.0)).tokens == (1, 2)
    assert {name for name, node in engine.stats().nodes.items() if node.encodes} > {"three"}
    assert capfd.readouterr().out == ""


async def test_nodes_die_one_after_the_other(cluster: RayCluster, start: Starter) -> None:
    """Each is killed while a stream is there, and another comes; every window is answered with its own words."""
    cluster.add("two")
    engine = await start()
    await until(lambda: up(engine) == {"one", "two"})
    await engine._fleet.say_drained(link_of(engine, "one").node.id, drained=True)

    async def kill() -> None:
        for doomed, heir in (("two", "three"), ("three", "four")):
            cluster.add(heir)  # only in the main thread
            await until(lambda: heir in up(engine))  # noqa: B023 - waited for in this round
            await until(lambda: busy(engine) == doomed)  # noqa: B023
            await asyncio.to_thread(cluster.kill, doomed)
            await until(lambda: doomed not in up(engine))  # noqa: B023

    stream = engine.open_stream()
    killing, answered = asyncio.create_task(kill()), 0
    while not killing.done():
        words = WORDS[answered % len(WORDS) :][:3]
        assert (await engine.decode(stream, tones(words), time.monotonic() + 0.5)).tokens == tuple(words)
        answered += 1
    await killing
    assert sum(engine.stats().encodes.values()) == answered
    assert {name for name, node in engine.stats().nodes.items() if node.encodes} == {"two", "three", "four"}


async def test_another_version_is_refused_by_name(cluster: RayCluster, start: Starter, tmp_path: Path) -> None:
    """The others go on; where there are no others the front does not start, and says why."""
    (tmp_path / "sitecustomize.py").write_text(ANOTHER_VERSION)
    cluster.add("old", {"PYTHONPATH": f"{tmp_path}:{ROOT}"})
    engine = await start()
    await until(lambda: "old" in {link.node.name for link in engine.hosts if link.state == "refused"})
    why = f"it runs other versions: amanuensis 0.0.1 there, {versions()['amanuensis']} here"
    assert why in link_of(engine, "old").why
    assert up(engine) == {"one"}


async def test_a_device_that_is_not_there_is_told_by_the_node(cluster: RayCluster, builtin_model: Path) -> None:
    """A node that claims an NPU says in the engine's own words what it lacks."""
    with pytest.raises(ClusterError, match="no node of the cluster offers a device for --device npu"):
        await start_ray_engine(EngineConfig(builtin_model, "npu"), cluster.address, rules=RULES)
    cluster.add("boaster", npus=1)
    with pytest.raises(ClusterError, match=r"boaster \(npu\): device 'npu': "):
        await start_ray_engine(EngineConfig(builtin_model, "npu"), cluster.address, rules=RULES)


async def test_where_devices_are_mixed_each_is_one_host(cluster: RayCluster, builtin_model: Path) -> None:
    """A node whose NPU cannot be used is named; its CPU decodes beside the others."""
    cluster.add("boaster", npus=1)
    engine = await start_ray_engine(EngineConfig(builtin_model, "auto", 1), cluster.address, rules=RULES, capacity=1.0)
    try:
        await until(
            lambda: {link.name for link in engine.hosts if link.state == "up"} == {"one (cpu)", "boaster (cpu)"}
        )
        await until(lambda: {link.name for link in engine.hosts if link.state == "failed"} == {"boaster (npu)"})
        (window,) = demo_windows(Tokenizer(builtin_model), 80, slice(0, 1))
        job = WindowJob(window.features[:, :500])
        results = [await engine.decode(engine.open_stream(), job, 0.0) for _ in range(2)]
        assert results[0].tokens == results[1].tokens
        assert set(engine.stats().nodes) == {"one", "boaster"}
        assert engine.stats().encodes == {"cpu": 2}
    finally:
        await engine.aclose()


async def test_a_clock_that_is_wrong_is_told_and_costs_nothing(
    cluster: RayCluster, start: Starter, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A node 200 s in the future decodes like the others: deadlines are sent as time left."""
    (tmp_path / "sitecustomize.py").write_text(FAST_CLOCK)
    cluster.add("late", {"PYTHONPATH": f"{tmp_path}:{ROOT}"})
    engine = await start()
    await until(lambda: up(engine) == {"one", "late"})
    await until(lambda: abs(link_of(engine, "late").skew_s - 200.0) < 5.0)
    assert abs(link_of(engine, "one").skew_s) < 5.0
    assert "the clock of node late is 200." in caplog.text
    await engine._fleet.say_drained(link_of(engine, "one").node.id, drained=True)
    await heard(engine, partial(asyncio.sleep, 0))
    assert engine.stats().nodes["late"].encodes


async def test_a_model_that_a_node_lacks_is_given_to_it(
    cluster: RayCluster, builtin_model: Path, tmp_path: Path
) -> None:
    """Its files arrive whole in the stores of the nodes, which decode with them."""
    store = tmp_path / "store"
    cluster.add("bare", {"AMANUENSIS_MODELS": str(store)})
    own = tmp_path / "own"
    own.mkdir()
    for path in builtin_model.iterdir():
        if path.is_file():
            (own / path.name).write_bytes(path.read_bytes())
    (own / "config.json").write_text((own / "config.json").read_text() + "\n")  # content that no node has
    files = manifest(own)
    descriptor = os.open(own, os.O_PATH)
    folder = f"/proc/self/fd/{descriptor}"  # a path at which only this process finds the model
    await asyncio.to_thread(connect, cluster.address)
    engine = RayEngine(HostSpec("own", folder, files, "cpu", threads=1, capacity=4.0), 8, RULES)
    try:
        await engine.start()
        await until(lambda: up(engine) == {"one", "bare"})
        (place,) = store.iterdir()
        assert manifest(place) == files
        (window,) = demo_windows(Tokenizer(own), 80, slice(0, 1))
        assert (await engine.decode(engine.open_stream(), WindowJob(window.features[:, :500]), 0.0)).tokens
    finally:
        await engine.aclose()
        os.close(descriptor)


async def test_two_daemons_share_a_cluster(cluster: RayCluster, builtin_model: Path, tmp_path: Path) -> None:
    """`serve --engine ray` hears as the local engine does, stops at SIGTERM, and `cluster` tells of it."""
    cluster.add("two")
    sound = conversation()[: 12 * SAMPLE_RATE].astype(np.float32)
    (tmp_path / "local").mkdir()
    with running_daemon(builtin_model, tmp_path / "local") as daemon:
        expected = text_of(await caption(daemon.url, sound))
    flags = ["--engine", "ray"]
    env = {"AMANUENSIS_CLUSTER_ADDRESS": cluster.address}
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    with (
        running_daemon(builtin_model, tmp_path / "a", flags, env) as first,
        running_daemon(builtin_model, tmp_path / "b", flags, env) as second,
    ):
        for events in await asyncio.gather(*(admitted(daemon.url, sound) for daemon in (first, second, first))):
            check_whole(events)
            assert not [event for event in events if event["type"] == "gap"]
            assert text_of(events) == expected
        assert first.metric("amanuensis_node_encodes_total") > 0
        assert first.metric("amanuensis_engine_up") == 1
        done = run_command("cluster", "drain", "two", "--json", "--address", cluster.address)
        assert json.loads(done.stdout)["drained"] is True
        status = json.loads(run_command("cluster", "status", "--json", "--address", cluster.address).stdout)
        assert {node["name"]: node["drained"] for node in status["nodes"]} == {"one": False, "two": True}
        assert len(status["fronts"]) == 2
        assert sum(front["ledger_s"]["received"] for front in status["fronts"].values()) == pytest.approx(36, abs=0.1)
        check_whole(await admitted(first.url, sound))
        text = run_command("cluster", "status", "--address", cluster.address).stdout
        assert "drained" in text
        wrong = run_command("cluster", "drain", "nine", "--address", cluster.address)
        assert (wrong.returncode, wrong.stderr.count("\n")) == (1, 1)
        assert "node 'nine': no such nodes in the cluster; its nodes are one, two" in wrong.stderr
        assert run_command("cluster", "undrain", "two", "--address", cluster.address).returncode == 0
