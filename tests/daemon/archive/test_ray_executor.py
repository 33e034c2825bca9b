"""How what a cluster tells reaches a run; the cluster itself is in tests/long/cluster."""

from __future__ import annotations

import asyncio
import pickle
import threading
from collections.abc import Iterator
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
    """A dataset of given outcomes, which ends, fails or stands still after them."""

    def __init__(self, outcomes: list[tuple[int, Outcome]], end: Exception | threading.Event | None = None) -> None:
        self._outcomes = outcomes
        self._end = end

    def iter_rows(self) -> Iterator[dict[str, bytes]]:
        for outcome in self._outcomes:
            yield {ITEM: pickle.dumps(outcome)}
        if isinstance(self._end, threading.Event):
            self._end.wait()
            raise RuntimeError("disconnected")
        if self._end is not None:
            raise self._end


class Told:
    """Runs an executor over rows."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.found: list[tuple[int, Outcome]] = []
        self.left = threading.Event()
        self._patch = monkeypatch
        monkeypatch.setattr(ray_executor, "connect", lambda _: None)
        monkeypatch.setattr(ray_executor, "disconnect", self.left.set)

    async def tell(self, number: int, outcome: Outcome) -> None:
        self.found.append((number, outcome))

    async def run(self, rows: Rows) -> None:
        self._patch.setattr(RayExecutor, "_dataset", lambda *_: rows)
        await RayExecutor(Config(), Wanted(StreamConfig(), "model")).run(TASKS, self.tell)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """A cluster that needs no Ray."""
    return Told(monkeypatch)


async def test_all_is_told_in_order_and_the_cluster_is_kept(told: Told) -> None:
    """Many runs, one after the other, in one connection."""
    outcomes = [(k % 3, Ended(k, k)) for k in range(20)]
    for _ in range(30):
        await told.run(Rows(outcomes))
    assert told.found == outcomes * 30
    assert not told.left.is_set()


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


async def test_a_run_that_is_stopped_leaves_the_cluster(told: Told) -> None:
    """Though Ray Data blocks whoever reads it."""
    work = asyncio.create_task(told.run(Rows([(0, Opened(1.0))], told.left)))
    while not told.found:
        await asyncio.sleep(0)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert told.left.is_set()


async def test_nothing_to_do_needs_no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody connects."""
    monkeypatch.setattr(ray_executor, "connect", lambda _: pytest.fail("connected"))
    await RayExecutor(Config(), Wanted(StreamConfig(), "model")).run([], Told(monkeypatch).tell)
