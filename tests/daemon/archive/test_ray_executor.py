"""How what a cluster tells reaches a run; the cluster itself is in tests/long/cluster."""

from __future__ import annotations

import asyncio
import pickle
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from amanuensis.daemon.archive import ray_executor
from amanuensis.daemon.archive.ears import ITEM, NodeError
from amanuensis.daemon.archive.executors import Failed, Outcome, Task
from amanuensis.daemon.archive.ray_executor import RayExecutor
from amanuensis.daemon.archive.reading import Ended, Opened
from amanuensis.daemon.archive.settings import Wanted
from amanuensis.daemon.cluster.runtime import ClusterError
from amanuensis.daemon.config import Config
from amanuensis.stream.config import StreamConfig

TASKS = [Task(k, Path(f"/{k}.wav"), StreamConfig()) for k in range(3)]


class Rows:
    """A dataset of given outcomes, which ends or fails after them, or goes on when it may."""

    def __init__(
        self,
        outcomes: list[tuple[int, Outcome]],
        end: Exception | threading.Event | None = None,
        later: Sequence[tuple[int, Outcome]] = (),
    ) -> None:
        self._outcomes = outcomes
        self._end = end
        self._later = later

    def iter_rows(self) -> Iterator[dict[str, bytes]]:
        for outcome in self._outcomes:
            yield {ITEM: pickle.dumps(outcome)}
        if isinstance(self._end, threading.Event):
            self._end.wait()
        elif self._end is not None:
            raise self._end
        for outcome in self._later:
            yield {ITEM: pickle.dumps(outcome)}


class Told:
    """Runs an executor over rows."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.found: list[tuple[int, Outcome]] = []
        self._patch = monkeypatch
        monkeypatch.setattr(ray_executor, "connect", lambda _: None)

    async def tell(self, number: int, outcome: Outcome) -> None:
        self.found.append((number, outcome))

    async def run(self, rows: Rows) -> None:
        self._patch.setattr(RayExecutor, "_dataset", lambda *_: rows)
        await RayExecutor(Config(), Wanted(StreamConfig(), "model")).run(TASKS, self.tell)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """A cluster that needs no Ray."""
    return Told(monkeypatch)


async def test_all_is_told_in_order(told: Told) -> None:
    """In many runs, one after the other."""
    outcomes = [(k % 3, Ended(k, k)) for k in range(20)]
    for _ in range(30):
        await told.run(Rows(outcomes))
    assert told.found == outcomes * 30


async def test_nothing_is_told_of_a_file_that_failed(told: Told) -> None:
    """What was on its way of it is dropped."""
    await told.run(Rows([(0, Failed("x")), (0, Opened(1.0)), (1, Opened(1.0)), (0, Failed("y"))]))
    assert told.found == [(0, Failed("x")), (1, Opened(1.0))]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RuntimeError("the actor died\n  in its creation: NodeError: node a: b\n"), "^the cluster failed: node a: b$"),
        (RuntimeError(), "^the cluster failed: RuntimeError$"),
    ],
)
async def test_a_cluster_that_fails_is_one_line(told: Told, error: Exception, expected: str) -> None:
    """The last one of what Ray says: what was raised on the node."""
    with pytest.raises(ClusterError, match=expected):
        await told.run(Rows([(0, Opened(1.0))], error))
    assert told.found == [(0, Opened(1.0))]


async def test_our_own_errors_stay_what_they_are(told: Told) -> None:
    """They are lines for people already."""
    with pytest.raises(NodeError, match=r"^node a: b$"):
        await told.run(Rows([], NodeError("node a: b")))


async def test_a_run_that_is_stopped_waits_for_nothing(told: Told) -> None:
    """Though Ray Data blocks whoever reads it; what comes later is dropped, and the dataset is given up."""
    later, rows = threading.Event(), [(0, Opened(1.0)), (1, Opened(2.0)), (2, Opened(3.0))]
    work = asyncio.create_task(told.run(Rows(rows[:1], later, rows[1:])))
    while not told.found:
        await asyncio.sleep(0)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    later.set()
    for thread in [each for each in threading.enumerate() if each.name == "pieces"]:
        await asyncio.to_thread(thread.join)
    assert told.found == rows[:1]


async def test_nothing_to_do_needs_no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody connects."""
    monkeypatch.setattr(ray_executor, "connect", lambda _: pytest.fail("connected"))
    await RayExecutor(Config(), Wanted(StreamConfig(), "model")).run([], Told(monkeypatch).tell)


def test_without_ray_data_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray alone is not enough."""
    monkeypatch.setitem(sys.modules, "ray.data", None)
    with pytest.raises(ClusterError, match=r"Ray Data cannot be loaded .*: pip install 'amanuensis\[cluster\]'"):
        ray_executor._load_data()
