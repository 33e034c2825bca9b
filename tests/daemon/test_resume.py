"""Speakers that come back, over real sockets: nothing is heard twice, nothing is lost, one speaks at a time."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from amanuensis.daemon.live_session import LiveSession
from tests.helpers.daemon_client import (
    Event,
    TestClient,
    check_invariants,
    committed_text,
    connected,
    cut,
    get,
    hello,
    pcm,
    running,
    speak,
)
from tests.helpers.held_engine import HeldEngine
from tests.helpers.tone_engine import say, spell

WORDS = [0, 1, 2, 3, 4, 5, 6, 0]
CHUNKS = cut(pcm(say(WORDS)), [3200])


def again(ready: Event, after_seq: int, **fields: Any) -> Event:
    """Return the hello of a speaker that comes back."""
    back = {"session": ready["session"], "resume_token": ready["resume_token"], "after_seq": after_seq}
    return hello(**back, **fields)


def last_seq(client: TestClient) -> int:
    """Return the number of the newest durable event that a client has."""
    return max((event["seq"] for event in client.events if "seq" in event), default=0)


async def cut_off(client: TestClient) -> None:
    """Break a connection without a word, as a network does."""
    client.socket.transport.abort()
    await client.over()


async def test_a_speaker_goes_on_where_it_was_cut() -> None:
    """After a cut `next` names the chunk to go on with, and both parts are the durable view of one session."""
    async with running() as (_, address):
        async with connected(address, hello()) as first:
            ready = await first.until(type="ready")
            for chunk in CHUNKS[:20]:
                await first.send(chunk)
            await first.until(type="commit")
            await first.settled()
            await cut_off(first)
        async with connected(address, again(ready, last_seq(first))) as second:
            back = await second.until(type="ready")
            assert (back["session"], back["next"], back["controls"]) == (ready["session"], 20, 0)
            for chunk in CHUNKS[20:]:
                await second.send(chunk)
            await second.send({"type": "end"})
            assert await second.over() == (1000, "end")
    durable = [event for client in (first, second) for event in client.events if "seq" in event]
    assert [event["seq"] for event in durable] == list(range(1, len(durable) + 1))
    assert committed_text(durable) == spell(WORDS)
    check_invariants([*durable, second.events[-1]])


async def test_orders_after_the_last_chunk_are_counted() -> None:
    """A speaker learns how many of its text messages were taken after the newest chunk."""
    async with running() as (_, address):
        async with connected(address, hello()) as first:
            ready = await first.until(type="ready")
            await first.send(CHUNKS[0])
            await first.send({"type": "mark", "id": "a"})
            await first.send({"type": "flush"})
            await first.settled()
            await cut_off(first)
        async with connected(address, again(ready, 0)) as second:
            back = await second.until(type="ready")
            assert (back["next"], back["controls"]) == (1, 2)
            await second.until(type="marked", id="a")


async def test_what_was_said_meanwhile_is_told_again() -> None:
    """Events that came while the speaker was away are replayed, and the session has gone on for its watchers."""
    async with running() as (_, address), AsyncExitStack() as stack:
        async with connected(address, hello()) as first:
            ready = await first.until(type="ready")
            watcher = await stack.enter_async_context(connected(address, hello("watch"), "/v1/watch/latest"))
            await watcher.until(type="snapshot")
            for chunk in CHUNKS:
                await first.send(chunk)
            await first.send({"type": "flush", "id": 1})
            await first.settled()
            await cut_off(first)
        await watcher.until(type="marked")
        async with connected(address, again(ready, 0)) as second:
            await second.until(type="marked")
            assert second.text == spell(WORDS)
            await second.send({"type": "end"})
            await second.over()
            await watcher.over()
    assert watcher.text == spell(WORDS)


async def test_after_end_the_rest_and_bye_are_told() -> None:
    """A speaker that was cut after `end` gets its finals, whether the session still goes on or is over."""
    engine = HeldEngine()
    async with running(engine) as (daemon, address):
        async with connected(address, hello(), ping_interval=None) as first:
            ready = await first.until(type="ready")
            for chunk in CHUNKS:
                await first.send(chunk)
            await first.send({"type": "end"})
            await first.settled()
            await cut_off(first)
        assert len(daemon.sessions) == 1
        async with connected(address, again(ready, 0)) as second:
            back = await second.until(type="ready")
            assert (back["next"], back["controls"]) == (len(CHUNKS), 1)
            engine.go.set()
            assert await second.over() == (1000, "end")
        assert len(daemon.sessions) == 0
        async with connected(address, again(ready, 0)) as third:
            assert await third.over() == (1000, "end")
    for client in (second, third):
        check_invariants(client.events)
        assert client.text == spell(WORDS)
    assert third.events[0]["next"] == len(CHUNKS)


async def test_a_second_speaker_takes_over() -> None:
    """Who knows the token gets the session at once; the connection that had it is closed with 4409."""
    async with running() as (_, address), AsyncExitStack() as stack:
        first = await stack.enter_async_context(connected(address, hello()))
        ready = await first.until(type="ready")
        for chunk in CHUNKS[:10]:
            await first.send(chunk)
        await first.settled()
        second = await stack.enter_async_context(connected(address, again(ready, last_seq(first))))
        assert (await second.until(type="ready"))["next"] == 10
        assert (await first.over())[0] == 4409
        for chunk in CHUNKS[10:]:
            await second.send(chunk)
        await second.send({"type": "end"})
        assert await second.over() == (1000, "end")
    assert committed_text([*first.events, *second.events]) == spell(WORDS)


async def test_a_chunk_in_the_middle_of_being_heard_is_heard_whole() -> None:
    """A long chunk whose connection breaks while it waits for the engine is not heard in part, nor twice."""
    engine = HeldEngine()
    words = [k % 7 for k in range(40)]
    data = pcm(say(words))
    async with running(engine, backlog_s=2) as (daemon, address):
        async with connected(address, hello(), ping_interval=None) as first:
            ready = await first.until(type="ready")
            session = daemon.sessions.find("latest")
            assert isinstance(session, LiveSession)
            await first.send(data)
            while session.pump.session.lag_ms <= 2000:
                await asyncio.sleep(0)
            await cut_off(first)
        async with connected(address, again(ready, 0)) as second:
            assert (await second.until(type="ready"))["next"] == 1
            engine.go.set()
            await second.send({"type": "end"})
            assert await second.over() == (1000, "end")
    check_invariants(second.events)
    assert second.text == spell(words)
    totals = session.pump.session.ledger.totals()
    assert (totals.received, totals.unsettled, totals.gap) == (len(data) // 2, 0, 0)


@pytest.mark.parametrize(
    ("change", "code", "close_code"),
    [
        ({"resume_token": "a token of somebody else"}, "wrong_resume_token", 4401),
        ({"session": "nobody"}, "no_such_session", 4404),
        ({"audio": {"enc": "s16le", "rate": 8000, "ch": 1}}, "bad_hello", 4400),
        ({"audio": {"enc": "opus", "rate": 16000, "ch": 1}}, "unsupported_encoding", 4400),
    ],
)
async def test_who_may_not_come_back_is_told_why(change: Event, code: str, close_code: int) -> None:
    """A wrong token, session or sound is refused, and the speaker that is there goes on."""
    async with running() as (_, address), connected(address, hello()) as speaker:
        ready = await speaker.until(type="ready")
        async with connected(address, again(ready, 0) | change) as other:
            assert (await other.over())[0] == close_code
        (error,) = other.events
        assert (error["code"], error["fatal"]) == (code, True)
        assert ready["resume_token"] not in error["message"]
        await speaker.settled()


async def test_a_session_whose_speaker_stays_away_ends() -> None:
    """After `resume_s` what was said becomes final, and coming back brings the rest and `bye`."""
    async with running(resume_s=0.5) as (_, address), AsyncExitStack() as stack:
        async with connected(address, hello()) as first:
            ready = await first.until(type="ready")
            watcher = await stack.enter_async_context(connected(address, hello("watch"), "/v1/watch/latest"))
            await watcher.until(type="ready")
            for chunk in CHUNKS:
                await first.send(chunk)
            await first.settled()
            await cut_off(first)
        assert await watcher.over() == (1000, "speaker_left")
        async with connected(address, again(ready, 0)) as second:
            assert await second.over() == (1000, "speaker_left")
    assert second.text == spell(WORDS)


async def test_a_speaker_that_closes_in_good_order_has_left() -> None:
    """Close code 1000 ends the session at once: nobody will come back."""
    async with running(resume_s=3600) as (_, address), AsyncExitStack() as stack:
        async with connected(address, hello()) as first:
            await first.until(type="ready")
            watcher = await stack.enter_async_context(connected(address, hello("watch"), "/v1/watch/latest"))
            await watcher.until(type="ready")
            await first.send(CHUNKS[0])
            await first.settled()
        assert await watcher.over() == (1000, "speaker_left")


async def test_a_lost_session_can_be_heard_from_the_start() -> None:
    """A speaker that says not what it has seen gets a snapshot of the session that it comes back to."""
    async with running() as (_, address):
        client = await speak(address, CHUNKS)
        ready = client.events[0]
        back = again(ready, 0)
        del back["after_seq"]
        async with connected(address, back) as second:
            await second.over()
    assert second.find(type="snapshot")[0]["text"] == spell(WORDS)


async def test_a_full_daemon_lets_its_own_speakers_come_back() -> None:
    """With all places taken a new speaker is refused; one that names its session in the query is not."""
    async with running(sessions=1) as (_, address):
        async with connected(address, hello()) as first:
            ready = await first.until(type="ready")
            await first.send(CHUNKS[0])
            await first.settled()
            await cut_off(first)
        for path in ("/v1/session", "/v1/session?resume=nobody"):
            with pytest.raises(InvalidStatus, match="503"):
                async with connected(address, path=path):
                    pass
        async with connected(address, again(ready, 0), f"/v1/session?resume={ready['session']}") as second:
            assert (await second.until(type="ready"))["next"] == 1
            await second.send({"type": "end"})
            assert await second.over() == (1000, "end")


async def test_the_ledger_of_a_session_adds_up_over_its_connections() -> None:
    """The session's JSON says what became of every sample, whichever connection brought it."""
    async with running() as (_, address):
        async with connected(address, hello()) as first:
            ready = await first.until(type="ready")
            for chunk in CHUNKS[:15]:
                await first.send(chunk)
            await first.settled()
            await cut_off(first)
        async with connected(address, again(ready, 0)) as second:
            for chunk in CHUNKS[15:]:
                await second.send(chunk)
            await second.send({"type": "end"})
            await second.over()
        ledger = json.loads((await get(address, f"/v1/sessions/{ready['session']}.json"))[2])["ledger"]
    samples = ledger["samples"]
    assert samples["received"] == sum(map(len, CHUNKS)) // 2
    assert samples["transcribed"] + samples["silence"] + samples["gap"] == samples["received"]
    assert (samples["gap"], samples["unsettled"]) == (0, 0)
    assert ledger["seconds"]["received"] == pytest.approx(samples["received"] / 16000)
