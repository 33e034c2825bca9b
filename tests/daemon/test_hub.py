"""Fan-out: bounded for each client, and nobody pays for another."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgpack
from hypothesis import given
from hypothesis import strategies as st

from amanuensis.daemon.hub import ClientQueue, Hub
from amanuensis.daemon.journal import Entry
from amanuensis.stream.events import Ack, Commit, EngineUse, Event, Partial, Speech, Stats, Word

STATS = Stats(0, 0, 0, 0, 0, EngineUse("cpu", "cpu", "m"))


def partial(rev: int) -> Partial:
    """Return a partial."""
    return Partial(0, rev, f" {rev}", 0.0, 0.0)


def commit(n: int) -> Commit:
    """Return a commit of one word."""
    return Commit(0, (Word(f" {n}", 0.0, 0.0, 1.0),))


async def drain(queue: ClientQueue) -> list[dict[str, Any]]:
    """Return everything that waits, decoded."""
    queue.close(1000, "")
    frames = []
    while (frame := await queue.get()) is not None:
        frames.append(msgpack.unpackb(frame) if isinstance(frame, bytes) else json.loads(frame))
    return frames


def publish(hub: Hub, events: list[Event]) -> None:
    """Publish events with numbers."""
    seq = 0
    for event in events:
        seq += event.durable
        hub.publish(Entry(event, seq if event.durable else None))


kinds = st.sampled_from(["partial", "commit", "stats", "ack"])


@given(st.lists(kinds, max_size=30))
async def test_a_slow_client_loses_only_what_is_overtaken(order: list[str]) -> None:
    """Durable events all arrive in order; of the others the newest does, after every commit that came before it."""
    hub, queue = Hub(), ClientQueue("json")
    hub.clients.add(queue)
    made = {"partial": partial, "commit": commit, "stats": lambda _: STATS, "ack": Ack}
    events = [made[kind](n) for n, kind in enumerate(order)]
    publish(hub, events)
    got = await drain(queue)
    commits = [event for event in got if event["type"] == "commit"]
    assert [event["seq"] for event in commits] == list(range(1, order.count("commit") + 1))
    for kind in ("partial", "stats", "ack"):
        assert sum(event["type"] == kind for event in got) == (kind in order)
    if "partial" in order:
        newest = len(order) - 1 - order[::-1].index("partial")
        at = [event["type"] for event in got].index("partial")
        assert got[at]["rev"] == newest
        assert [event["type"] for event in got[:at]].count("commit") == order[:newest].count("commit")
    assert queue.dropped == len(order) - len(got)


async def test_full_queue_closes_its_client_only() -> None:
    """A client that does not read is closed with a reason; another gets everything."""
    hub, slow, quick = Hub(), ClientQueue("json", max_events=16), ClientQueue("json")
    hub.clients |= {slow, quick}
    publish(hub, [Speech(True, float(k)) for k in range(40)])
    assert slow.closing == (1013, "too slow: 16 events were not read")
    assert slow.abandoned.is_set()
    assert len(slow) == 0
    assert await slow.get() is None
    assert len(await drain(quick)) == 40


async def test_memory_of_a_stalled_client_is_bounded() -> None:
    """However much is said, at most the limit and one of each replaceable event wait."""
    hub, queue = Hub(), ClientQueue("json", max_events=16)
    hub.clients.add(queue)
    for k in range(1000):
        hub.publish(Entry(partial(k)))
        hub.publish(Entry(STATS))
        assert len(queue) <= 2


async def test_want_hides_and_never_a_durable_event() -> None:
    """Partial, stats and word detail can be hidden; a commit comes anyway."""
    hub, queue = Hub(), ClientQueue("json", frozenset())
    hub.clients.add(queue)
    publish(hub, [partial(1), STATS, commit(1), Speech(False, 0.0)])
    assert [event["type"] for event in await drain(queue)] == ["commit", "speech"]


async def test_replay_comes_before_what_is_live() -> None:
    """The past is sent first, even when live events were queued meanwhile, and does not count as not read."""
    hub, queue = Hub(), ClientQueue("msgpack", max_events=16)
    queue.replay([Entry(Speech(True, float(k)), k) for k in range(1, 100)])
    hub.clients.add(queue)
    hub.publish(Entry(Speech(False, 0.0), 100))
    assert [event["seq"] for event in await drain(queue)] == list(range(1, 101))


async def test_get_waits_for_events_and_for_the_end() -> None:
    """A writer sleeps until there is something to send, or nothing more will come."""
    queue = ClientQueue("json")
    getter = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    assert not getter.done()
    queue.send(Ack(1))
    assert json.loads(await getter or "") == {"type": "ack", "n": 1}
    getter = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.close(1000, "end")
    queue.close(1011, "later")
    assert await getter is None
    assert queue.closing == (1000, "end")
    queue.send(Ack(2))
    assert len(queue) == 0


async def test_a_client_that_falls_behind_gets_no_partials_until_it_has_caught_up() -> None:
    """From half of what may wait on, partials and stats are left out; from a quarter on they come again."""
    hub, queue = Hub(), ClientQueue("json", max_events=16)
    hub.clients.add(queue)
    publish(hub, [partial(0), *(commit(n) for n in range(9)), partial(1), STATS, Ack(3)])
    assert queue.dropped == 3
    assert [json.loads(await queue.get() or "")["type"] for _ in range(5)] == ["commit"] * 5
    publish(hub, [partial(2)])
    assert [json.loads(await queue.get() or "")["type"] for _ in range(2)] == ["commit"] * 2
    publish(hub, [partial(3)])
    rest = await drain(queue)
    assert [event["type"] for event in rest] == ["commit", "commit", "ack", "partial"]
    assert rest[-1]["rev"] == 3


async def test_what_waits_is_bounded_in_bytes() -> None:
    """Long events fill a queue before there are many of them, and one that is longer than all alone still passes."""
    hub, queue = Hub(), ClientQueue("json", max_bytes=10_000)
    hub.clients.add(queue)
    publish(hub, [Commit(0, (Word("x" * 20_000, 0.0, 0.0, 1.0),))])
    assert queue.closing is None
    publish(hub, [commit(1)])
    assert queue.closing is not None
    assert queue.closing[0] == 1013
    assert len(queue) == 0


async def test_one_may_be_told_before_a_crowd() -> None:
    """Whoever is to be first gets its event before all others, wherever it stands among them."""
    hub, queues = Hub(), [ClientQueue("json") for _ in range(20)]
    hub.clients.update(queues)
    for first in queues:
        told: list[ClientQueue] = []

        async def wait(queue: ClientQueue, told: list[ClientQueue] = told) -> None:
            await queue.get()
            told.append(queue)

        async with asyncio.TaskGroup() as tasks:
            for queue in queues:
                tasks.create_task(wait(queue))
            await asyncio.sleep(0)  # all of them wait
            hub.publish(Entry(STATS), first=first)
        assert told[0] is first
        assert len(told) == len(queues)
