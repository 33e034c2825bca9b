"""Archives on a real Ray cluster: the same bytes as on this machine, whoever heard what, and whoever died."""

from __future__ import annotations

import asyncio
import importlib
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import soundfile

from amanuensis.benchmarks.sound import SAMPLE_RATE, conversation
from amanuensis.daemon.archive.executors import Executor, LocalExecutor, Outcome
from amanuensis.daemon.archive.manifest import Layout, read_manifest
from amanuensis.daemon.archive.pieces import CutRules
from amanuensis.daemon.archive.ray_executor import RayExecutor
from amanuensis.daemon.archive.run import Run, Tally
from amanuensis.daemon.archive.settings import Wanted, wanted
from amanuensis.daemon.archive.state import open_state
from amanuensis.daemon.cluster.runtime import ClusterError
from amanuensis.daemon.config import Config, load_config
from amanuensis.daemon.pipeline import open_pipeline
from amanuensis.daemon.progress import Bar
from tests.helpers.ray_cluster import RayCluster, ray_cluster

RULES = CutRules(stages=((8.0, 0.6), (12.0, 0.2)), most_s=20.0)
N_FILES = 5
pytestmark = pytest.mark.timeout(1200)  # Ray takes its time where the machine is busy


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    """A head that computes nothing, and a node."""
    with ray_cluster() as there:
        there.add("first")
        yield there


@pytest.fixture(scope="module")
def config(builtin_model: Path) -> Config:
    """One thread, and speakers are told apart."""
    return load_config({"engine.model": str(builtin_model), "engine.threads": 1, "stream.max_speakers": 3}, {}, [])[0]


@pytest.fixture(scope="module")
def what(config: Config) -> Wanted:
    """How files are heard: in pieces of some seconds."""
    return wanted(config, RULES, word_times=False, meetings=False)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Talk of half a minute each, and a file that is none."""
    folder = tmp_path_factory.mktemp("archive") / "in"
    folder.mkdir()
    sound = conversation()
    for k in range(N_FILES):
        soundfile.write(folder / f"{k}.flac", sound[3 * k * SAMPLE_RATE : (3 * k + 30) * SAMPLE_RATE], SAMPLE_RATE)
    (folder / "garbage.wav").write_bytes(bytes(range(256)) * 8)
    return folder


@pytest.fixture(scope="module")
def here(recordings: Path, config: Config, what: Wanted) -> dict[str, bytes]:
    """What this machine writes."""
    out = recordings.parent / "here"
    local = LocalExecutor(partial(open_pipeline, config, live=False), 1, RULES)
    assert asyncio.run(run(recordings, out, what, lambda: local)).done == N_FILES
    return contents(out)


async def run(place: Path, out: Path, what: Wanted, start: Callable[[], Executor]) -> Tally:
    """Run over a folder."""
    with open_state(out.with_suffix(".state")) as state:
        entries = read_manifest(place, Layout(out, ("txt", "json")))
        return await Run(entries, state, what, Bar(None)).work(start, 1)


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


async def test_one_node_and_two_write_what_this_machine_writes(
    cluster: RayCluster, recordings: Path, here: dict[str, bytes], config: Config, what: Wanted, tmp_path: Path
) -> None:
    """Byte for byte, and a file that is none fails there as it does here."""
    found = await run(recordings, tmp_path / "one", what, lambda: RayExecutor(config, what, cluster.address))
    assert (found.done, found.failed) == (N_FILES, 1)
    assert contents(tmp_path / "one") == here
    cluster.add("second")
    found = await run(recordings, tmp_path / "two", what, lambda: RayExecutor(config, what, cluster.address))
    assert (found.done, found.failed) == (N_FILES, 1)
    assert contents(tmp_path / "two") == here


async def test_a_node_that_dies_in_the_middle_costs_nothing(
    cluster: RayCluster, recordings: Path, here: dict[str, bytes], config: Config, what: Wanted, tmp_path: Path
) -> None:
    """Its pieces are heard by the other one; no file is told as failed but the one that is none."""
    cluster.add("doomed")
    n_told = 0

    class Watched(RayExecutor):
        async def run(self, tasks, tell) -> None:  # type: ignore[no-untyped-def]
            async def told(number: int, outcome: Outcome) -> None:
                nonlocal n_told
                n_told += 1
                if n_told == 4:
                    await asyncio.to_thread(cluster.kill, "doomed")
                await tell(number, outcome)

            await super().run(tasks, told)

    found = await run(recordings, tmp_path / "out", what, lambda: Watched(config, what, cluster.address))
    assert n_told > 4
    assert (found.done, found.failed) == (N_FILES, 1)
    assert contents(tmp_path / "out") == here


async def test_an_actor_that_is_killed_costs_nothing(
    cluster: RayCluster, recordings: Path, here: dict[str, bytes], config: Config, what: Wanted, tmp_path: Path
) -> None:
    """Ray starts another one, which hears its piece from the beginning."""
    killed: list[int] = []

    class Watched(RayExecutor):
        async def run(self, tasks, tell) -> None:  # type: ignore[no-untyped-def]
            async def told(number: int, outcome: Outcome) -> None:
                if not killed:
                    killed.extend(actors())
                    for pid in killed:
                        with suppress(ProcessLookupError):
                            os.kill(pid, signal.SIGKILL)
                await tell(number, outcome)

            await super().run(tasks, told)

    found = await run(recordings, tmp_path / "out", what, lambda: Watched(config, what, cluster.address))
    assert killed
    assert (found.done, found.failed) == (N_FILES, 1)
    assert contents(tmp_path / "out") == here


def actors() -> list[int]:
    """The processes of this cluster that hear."""
    known = importlib.import_module("ray._private.state").actors().values()
    return [actor["Pid"] for actor in known if actor["State"] == "ALIVE" and "Ears" in str(actor)]


async def test_a_node_that_cannot_is_named(
    cluster: RayCluster, recordings: Path, config: Config, what: Wanted, tmp_path: Path
) -> None:
    """In one line that says what to do, and nothing is written."""
    other = replace(what, model="another")
    with pytest.raises(ClusterError, match=r"^the cluster failed: node \S+ has other files of \S+ than this machine"):
        await run(recordings, tmp_path / "out", other, lambda: RayExecutor(config, other, cluster.address))
    assert not (tmp_path / "out").exists()


async def test_a_run_that_is_stopped_leaves_the_cluster(
    cluster: RayCluster, recordings: Path, here: dict[str, bytes], config: Config, what: Wanted, tmp_path: Path
) -> None:
    """Its actors end, and the next run goes on from what was kept."""
    begun = asyncio.get_running_loop().create_future()

    class Watched(RayExecutor):
        async def run(self, tasks, tell) -> None:  # type: ignore[no-untyped-def]
            async def told(number: int, outcome: Outcome) -> None:
                await tell(number, outcome)
                if not begun.done():
                    begun.set_result(None)

            await super().run(tasks, told)

    work = asyncio.create_task(run(recordings, tmp_path / "out", what, lambda: Watched(config, what, cluster.address)))
    await asyncio.wait((work, begun), return_when=asyncio.FIRST_COMPLETED)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    found = await run(recordings, tmp_path / "out", what, lambda: RayExecutor(config, what, cluster.address))
    assert (found.done, found.failed) == (N_FILES, 1)
    assert contents(tmp_path / "out") == here
