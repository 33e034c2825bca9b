"""The store as a Ray actor: shared by fronts, killed in the middle of speech, and what it answers in trouble."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from amanuensis.daemon.fronts.asking import ask
from amanuensis.daemon.fronts.link import StoreLostError
from amanuensis.daemon.fronts.messages import Patch, Times, Write
from amanuensis.daemon.fronts.ray_link import NEWEST, RayLink
from amanuensis.daemon.fronts.settings import FrontSettings
from tests.daemon.fronts.test_front import CHUNKS, again, durable, last_seq, whole
from tests.helpers.daemon_client import connected, hello
from tests.helpers.front_service import kill_store, quick_cluster
from tests.helpers.fronts import Way, finish, front
from tests.helpers.ray_cluster import RayCluster

TIMES: Final = Times(lease_s=1.0, settle_s=2.0, adopt_s=1.0, handover_s=2.0)
PATIENT: Final = replace(TIMES, lost_s=120.0)  # only against hanging


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    """A cluster of one node."""
    with quick_cluster() as running:
        yield running


async def test_a_session_outlives_its_front_and_its_store(cluster: RayCluster, tmp_path: Path) -> None:
    """The store's process is killed, then the front vanishes: the speaker goes on at the other one, the watcher too."""
    link = RayLink(FrontSettings(folder=str(tmp_path / "store")), cluster.address, TIMES)
    async with AsyncExitStack() as stack:
        a, b = [await stack.enter_async_context(front(name, tmp_path, Way(link), TIMES)) for name in ("a", "b")]
        async with connected(a.address, hello()) as first:
            ready = await first.until(type="ready")
            watcher = await stack.enter_async_context(
                connected(b.address, hello("watch", session=ready["session"], after_seq=0))
            )
            await watcher.until(type="ready")
            for chunk in CHUNKS[:10]:
                await first.send(chunk)
            await first.until(type="speech")
            assert kill_store(cluster)
            for chunk in CHUNKS[10:20]:
                await first.send(chunk)
            await first.until(type="commit")
            await a.kill()
            await first.over()
        async with connected(b.address, again(ready, last_seq(first))) as second:
            await finish(second, CHUNKS)
        assert await watcher.over() == (1000, "end")
    events = whole(first, second)
    assert durable(watcher) == events


async def test_a_disk_that_is_out_of_date_is_not_believed(cluster: RayCluster, tmp_path: Path) -> None:
    """The cluster remembers which store was last; one that comes back to what an earlier one left waits to be told."""
    from ray.experimental.internal_kv import _internal_kv_put

    link = RayLink(FrontSettings(folder=str(tmp_path / "store")), cluster.address, TIMES)
    name = "0123456789ab"
    write = Write(name, 1, 1, (Patch("session.log", 0, b"abc"),), {"session.log": 3}, is_first=True)
    assert [answer.kind for answer in await ask(link, TIMES, "write", "c/1", [write])] == ["kept"]
    for newest, files in ((None, {"session.log": b"abc"}), ("of another machine", {})):
        if newest is not None:
            _internal_kv_put(NEWEST, newest)
        assert kill_store(cluster)
        copy = await ask(link, PATIENT, "copy", name)
        assert (copy.files, copy.is_awaited) == (files, not files)


async def test_what_the_store_cannot_do_is_its_fault(cluster: RayCluster, tmp_path: Path) -> None:
    """A fault in the store is no loss of it, and is not tried again; what takes too long is a loss."""
    link = RayLink(FrontSettings(folder=str(tmp_path / "store")), cluster.address)
    with pytest.raises(AttributeError):
        await link.call("dance", limit_s=20.0)
    with pytest.raises(StoreLostError, match="no answer within"):
        await link.call("beat", "c/1", {}, 60.0, limit_s=0.2)
