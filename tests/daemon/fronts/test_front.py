"""Sessions that go on at another front: nothing that was told is lost, told twice or told otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from amanuensis.daemon.live_session import LiveSession
from amanuensis.daemon.tokens import Token, TokenTable, digest
from tests.helpers.daemon_client import Event, TestClient, committed_text, connected, cut, get, hello, pcm
from tests.helpers.fronts import QUICK, Depot, RunningFront, Wire, begin, finish, front
from tests.helpers.scripted_input import MONO, Room, own_input
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
        yield [await stack.enter_async_context(front(name, tmp_path, Wire(depot))) for name in ("a", "b")]


def again(ready: Event, after_seq: int, **fields: Any) -> Event:
    """Return the hello of a speaker that comes back."""
    return hello(session=ready["session"], resume_token=ready["resume_token"], after_seq=after_seq, **fields)


def durable(client: TestClient) -> list[Event]:
    """Return the durable events that a client has."""
    return [event for event in client.events if "seq" in event and event["type"] != "snapshot"]


def whole(first: TestClient, second: TestClient) -> list[Event]:
    """Return what two connections of a speaker were told together: all numbers in order, all words once."""
    events = [*durable(first), *durable(second)]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert committed_text(events) == spell(WORDS)
    return events


def last_seq(client: TestClient) -> int:
    """Return the number of the newest durable event that a client has."""
    return max((event["seq"] for event in durable(client)), default=0)


async def test_nothing_is_told_before_the_store_has_it(fronts: list[RunningFront], depot: Depot) -> None:
    """While the store takes everything and its answers are lost, a client is told nothing; then all of it."""
    a, _ = fronts
    async with connected(a.address, hello()) as client:
        ready = await client.until(type="ready")
        a.wire.loses_answers = True
        told = len(client.events)
        for chunk in CHUNKS[:15]:
            await client.send(chunk)
        session = a.daemon.sessions.find(ready["session"])
        assert session is not None
        while session.journal.last_seq == 0:
            await asyncio.sleep(0.01)
        assert client.events[told:] == []
        a.wire.loses_answers = False
        for chunk in CHUNKS[15:]:
            await client.send(chunk)
        await client.send({"type": "end"})
        assert await client.over() == (1000, "end")
    assert committed_text(client.events) == spell(WORDS)
    assert depot.store is not None
    copy = await depot.store.copy(ready["session"])
    assert copy is not None
    assert copy.ended == "end"


async def test_a_front_that_was_fenced_off_tells_nothing_more(fronts: list[RunningFront]) -> None:
    """Cut off from the store, its session is taken up elsewhere: what it says then is not told."""
    a, b = fronts
    async with connected(a.address, hello()) as first:
        ready = await first.until(type="ready")
        async with connected(a.address, hello("watch", session=ready["session"], after_seq=0)) as watcher:
            await watcher.until(type="ready")
            for chunk in CHUNKS[:10]:
                await first.send(chunk)
            await first.until(type="speech")
            a.wire.is_cut = True
            for chunk in CHUNKS[10:20]:
                await first.send(chunk)
            async with connected(b.address, again(ready, last_seq(first))) as second:
                back = await second.until(type="ready")
                a.wire.is_cut = False
                assert (await first.over())[0] == 1001
                for chunk in CHUNKS[back["next"] :]:
                    await second.send(chunk)
                await second.send({"type": "end"})
                assert await second.over() == (1000, "end")
            assert await watcher.over() == (1000, "end")
    events = whole(first, second)
    assert durable(watcher) == events  # on one connection, whichever front had the session


async def test_what_a_front_hears_while_it_is_cut_off_is_a_gap(fronts: list[RunningFront]) -> None:
    """The session of its own input is taken up elsewhere; the next one begins with a gap of what that one never got."""
    a, b = fronts
    sound = say(WORDS).astype("<f4").tobytes()
    half = len(sound) // 2 // MONO.frame_bytes * MONO.frame_bytes
    resumed, over = asyncio.Event(), asyncio.Event()
    room = Room([[sound[:half], resumed, sound[half:], over, b""], [b"", asyncio.Event()]])
    own = own_input(a.daemon, room)
    task = asyncio.create_task(own.run())
    while own.session is None or own.session.journal.last_seq == 0:
        await asyncio.sleep(0.01)
    first = own.session
    await first.store.kept()
    a.wire.is_cut = True
    resumed.set()
    while (taken := b.daemon.sessions.find(first.id)) is None:
        await asyncio.sleep(0.02)
    assert isinstance(taken, LiveSession)
    a.wire.is_cut = False
    while first.ending is None:
        await asyncio.sleep(0.01)
    over.set()
    while own.session is first or own.session is None:
        await asyncio.sleep(0.01)
    second = own.session
    await second.room()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    there, here = taken.cursor.position_bytes, second.pump.session.ledger.totals().gap * MONO.frame_bytes
    assert (there, here) == (half, len(sound) - half)


async def test_a_front_without_a_store_sends_its_clients_away(fronts: list[RunningFront], depot: Depot) -> None:
    """It is not ready, takes no speaker, and closes with 1001; when the store is there again, so is the session."""
    a, _ = fronts
    async with connected(a.address, hello()) as first:
        ready = await first.until(type="ready")
        depot.kill()
        for chunk in CHUNKS[:10]:
            await first.send(chunk)
        assert (await first.over())[0] == 1001
    status, _, body = await get(a.address, "/readyz")
    assert status == 503
    assert "the store" in body
    depot.start()
    while (await get(a.address, "/readyz"))[0] != 200:
        await asyncio.sleep(0.02)
    async with connected(a.address, again(ready, last_seq(first))) as second:
        await finish(second, CHUNKS)
    assert committed_text([*durable(first), *durable(second)]) == spell(WORDS)


async def test_a_wrong_token_takes_no_session_away(fronts: list[RunningFront]) -> None:
    """Only who knows the token of a session can have it brought to another front."""
    a, b = fronts
    async with connected(a.address, hello()) as first:
        ready = await first.until(type="ready")
        async with connected(b.address, again(ready | {"resume_token": "x" * 22}, 0)) as other:
            assert (await other.until(type="error"))["code"] == "wrong_resume_token"
        async with connected(b.address, again(ready | {"session": "000000000000"}, 0)) as other:
            assert (await other.until(type="error"))["code"] in ("no_such_session", "full")
        assert a.daemon.sessions.find(ready["session"]) is not None


async def test_the_newest_session_of_all_fronts_is_latest(fronts: list[RunningFront]) -> None:
    """A watcher of `latest` gets the one that was opened last, at whichever front."""
    a, b = fronts
    async with connected(b.address, hello()) as older, connected(a.address, hello()) as newer:
        await older.until(type="ready")
        ready = await newer.until(type="ready")
        async with connected(b.address, hello("watch", session="latest")) as watcher:
            assert (await watcher.until(type="ready"))["session"] == ready["session"]


async def test_a_session_that_is_over_is_told_at_every_front(fronts: list[RunningFront]) -> None:
    """Who comes late gets what was said, and the end; its speaker as well."""
    a, b = fronts
    async with connected(a.address, hello()) as first:
        ready = await first.until(type="ready")
        for chunk in CHUNKS:
            await first.send(chunk)
        await first.send({"type": "end"})
        await first.over()
    async with connected(b.address, hello("watch", session=ready["session"], after_seq=0)) as watcher:
        assert await watcher.over() == (1000, "end")
    assert durable(watcher) == durable(first)
    assert await get(b.address, f"/v1/sessions/{ready['session']}.txt") == await get(
        a.address, f"/v1/sessions/{ready['session']}.txt"
    )
    assert (await get(b.address, "/v1/sessions/000000000000.txt"))[0] in (404, 503)  # 503: it may not know it yet
    async with connected(b.address, again(ready, last_seq(first))) as speaker:
        assert await speaker.over() == (1000, "end")


async def test_a_session_whose_front_died_ends_without_its_speaker(tmp_path: Path, depot: Depot) -> None:
    """Any front goes on with it and waits for its speaker; then its watchers are told the end."""
    async with AsyncExitStack() as stack:
        a, b = [
            await stack.enter_async_context(front(name, tmp_path, Wire(depot), resume_s=0.5)) for name in ("a", "b")
        ]
        async with connected(a.address, hello()) as speaker:
            ready = await speaker.until(type="ready")
            async with connected(b.address, hello("watch", session=ready["session"], after_seq=0)) as watcher:
                await watcher.until(type="ready")
                for chunk in CHUNKS[:20]:
                    await speaker.send(chunk)
                await watcher.until(type="commit")
                await a.kill()
                assert await watcher.over() == (1000, "speaker_left")
    assert [event["seq"] for event in durable(watcher)] == list(range(1, len(durable(watcher)) + 1))


async def test_a_front_that_is_started_again_goes_on(tmp_path: Path) -> None:
    """Its sessions are where the store has them, and those that others have meanwhile are theirs."""
    depot = Depot(tmp_path / "store", replace(QUICK, adopt_s=60.0, lease_s=2.0))
    async with AsyncExitStack() as stack:
        a, b = [await stack.enter_async_context(front(name, tmp_path, Wire(depot))) for name in ("a", "b")]
        async with connected(a.address, hello()) as mine, connected(a.address, hello()) as theirs:
            my_ready, their_ready = await mine.until(type="ready"), await theirs.until(type="ready")
            for chunk in CHUNKS[:20]:
                await mine.send(chunk)
                await theirs.send(chunk)
            await mine.until(type="commit")
            await theirs.until(type="commit")
            await a.kill()
        async with connected(b.address, again(their_ready, last_seq(theirs))) as moved:
            await moved.until(type="ready")
            a = await stack.enter_async_context(front("a", tmp_path, Wire(depot)))
            assert a.daemon.sessions.is_live(my_ready["session"])
            assert not a.daemon.sessions.is_live(their_ready["session"])
            assert not (tmp_path / "a" / "open" / their_ready["session"]).exists()


async def test_a_speaker_goes_on_at_another_front(fronts: list[RunningFront]) -> None:
    """A session is handed over by a front that lives: its speaker goes on where it was cut."""
    a, b = fronts
    async with connected(a.address, hello()) as first:
        ready = await begin(first, CHUNKS[:20])
        await first.settled()
        first.socket.transport.abort()
        await first.over()
    async with connected(b.address, again(ready, last_seq(first))) as second:
        await finish(second, CHUNKS)
    whole(first, second)
    assert a.daemon.sessions.find(ready["session"]) is None


async def test_a_speaker_goes_on_after_its_front_died(fronts: list[RunningFront]) -> None:
    """A session whose front is dead is taken up from the store once the lease is over."""
    a, b = fronts
    async with connected(a.address, hello()) as first:
        ready = await begin(first, CHUNKS[:20])
        await a.kill()
        await first.over()
    async with connected(b.address, again(ready, last_seq(first))) as second:
        await finish(second, CHUNKS)
    whole(first, second)


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


async def test_a_token_is_good_at_every_front_until_it_is_revoked(fronts: list[RunningFront]) -> None:
    """A token that one front knows is taken at the other; revoked, at none."""
    a, b = fronts
    now, secret = datetime.now(UTC), "amn_" + "x" * 43
    token = Token("obs", digest(secret), frozenset({"watch"}), now)
    a.daemon.security = replace(
        a.daemon.security, access=replace(a.daemon.security.access, tokens=TokenTable((token,)))
    )
    while (found := b.daemon.security.access.tokens.find(secret, now)) is None:
        await asyncio.sleep(0.02)
    assert found == token
    assert not b.daemon.security.access.tokens  # its own: who comes over loopback still needs none
    a.daemon.security = replace(a.daemon.security, access=replace(a.daemon.security.access, tokens=TokenTable()))
    while b.daemon.security.access.tokens.find(secret, now) is not None:
        await asyncio.sleep(0.02)


async def test_a_recording_is_kept_in_parts(tmp_path: Path, depot: Depot) -> None:
    """Each front keeps the sound that it heard, among its finished recordings; the last one has all events."""
    async with AsyncExitStack() as stack:
        a, b = [
            await stack.enter_async_context(front(name, tmp_path, Wire(depot), is_recording=True))
            for name in ("a", "b")
        ]
        async with connected(a.address, hello(record=True)) as first:
            ready = await begin(first, CHUNKS[:20])
            await first.settled()
            first.socket.transport.abort()
            await first.over()
        async with connected(b.address, again(ready, last_seq(first))) as second:
            await finish(second, CHUNKS)
        assert committed_text([*durable(first), *durable(second)]) == spell(WORDS)
        (part,) = (tmp_path / "a-recordings").glob(f"*-{ready['session']}")
        assert sorted(part.glob("sound-*.flac"))
        assert (tmp_path / "b-recordings" / "open" / ready["session"]).is_dir()


async def test_watchers_may_come_and_go(fronts: list[RunningFront]) -> None:
    """A session that nobody watches is followed no more; who comes meanwhile gets it all the same."""
    a, b = fronts
    async with connected(a.address, hello()) as speaker:
        ready = await speaker.until(type="ready")
        for chunk in CHUNKS[:15]:
            await speaker.send(chunk)
        for _ in range(20):
            async with connected(b.address, hello("watch", session=ready["session"], after_seq=0)) as watcher:
                assert (await watcher.until(type="ready"))["session"] == ready["session"]
                watcher.socket.transport.abort()
            await asyncio.sleep(0.02)  # some of them come while it is being forgotten
