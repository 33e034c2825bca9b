"""Sessions that go on at another front: nothing that was told is lost, told twice or told otherwise."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.daemon_client import Event, TestClient, committed_text, connected, cut, hello, pcm
from tests.helpers.fronts import Depot, RunningFront, front
from tests.helpers.tone_engine import say, spell

WORDS = [0, 1, 2, 3, 4, 5, 6, 0]
CHUNKS = cut(pcm(say(WORDS)), [3200])


@pytest.fixture
def depot(tmp_path: Path) -> Depot:
    """The store."""
    return Depot(tmp_path / "store")


@pytest.fixture
async def fronts(tmp_path: Path, depot: Depot) -> AsyncIterator[list[RunningFront]]:
    """Two fronts."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(front(name, tmp_path, depot)) for name in ("a", "b")]


def again(ready: Event, after_seq: int, **fields: Any) -> Event:
    """Return the hello of a speaker that comes back."""
    return hello(session=ready["session"], resume_token=ready["resume_token"], after_seq=after_seq, **fields)


def durable(client: TestClient) -> list[Event]:
    """Return the durable events that a client has."""
    return [event for event in client.events if "seq" in event and event["type"] != "snapshot"]


def last_seq(client: TestClient) -> int:
    """Return the number of the newest durable event that a client has."""
    return max((event["seq"] for event in durable(client)), default=0)


async def test_what_is_told_is_in_the_store_first(fronts: list[RunningFront], depot: Depot) -> None:
    """At every event that a client gets the store has this event already."""
    a, _ = fronts
    async with connected(a.address, hello()) as client:
        ready = await client.until(type="ready")
        for chunk in CHUNKS:
            await client.send(chunk)
        await client.send({"type": "end"})
        assert await client.over() == (1000, "end")
    assert committed_text(client.events) == spell(WORDS)
    assert depot.store is not None
    copy = await depot.store.copy(ready["session"])
    assert copy is not None
    assert copy.ended == "end"


async def test_a_speaker_goes_on_at_another_front(fronts: list[RunningFront]) -> None:
    """A session is handed over by a front that lives: its speaker goes on where it was cut."""
    a, b = fronts
    async with connected(a.address, hello()) as first:
        ready = await first.until(type="ready")
        for chunk in CHUNKS[:20]:
            await first.send(chunk)
        await first.until(type="commit")
        await first.settled()
        first.socket.transport.abort()
        await first.over()
    async with connected(b.address, again(ready, last_seq(first))) as second:
        back = await second.until(type="ready")
        for chunk in CHUNKS[back["next"] :]:
            await second.send(chunk)
        await second.send({"type": "end"})
        assert await second.over() == (1000, "end")
    events = [*durable(first), *durable(second)]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert committed_text(events) == spell(WORDS)
    assert a.daemon.sessions.find(ready["session"]) is None


async def test_a_speaker_goes_on_after_its_front_died(fronts: list[RunningFront]) -> None:
    """A session whose front is dead is taken up from the store once the lease is over."""
    a, b = fronts
    async with connected(a.address, hello()) as first:
        ready = await first.until(type="ready")
        for chunk in CHUNKS[:20]:
            await first.send(chunk)
        await first.until(type="commit")
        await a.kill()
        await first.over()
    async with connected(b.address, again(ready, last_seq(first))) as second:
        back = await second.until(type="ready")
        for chunk in CHUNKS[back["next"] :]:
            await second.send(chunk)
        await second.send({"type": "end"})
        assert await second.over() == (1000, "end")
    events = [*durable(first), *durable(second)]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert committed_text(events) == spell(WORDS)


async def test_a_watcher_at_another_front_sees_the_same(fronts: list[RunningFront]) -> None:
    """A session is followed at a front that does not have it, to its end."""
    a, b = fronts
    async with connected(a.address, hello()) as speaker:
        ready = await speaker.until(type="ready")
        async with connected(b.address, hello("watch", session=ready["session"], after_seq=0)) as watcher:
            await watcher.until(type="ready")
            for chunk in CHUNKS:
                await speaker.send(chunk)
            await speaker.send({"type": "end"})
            assert await speaker.over() == (1000, "end")
            assert await watcher.over() == (1000, "end")
    assert durable(watcher) == durable(speaker)
    assert watcher.events[-1] == {"type": "bye", "reason": "end"}
