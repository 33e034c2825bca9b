"""The Python client takes a session up again by itself, over wires that are cut."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection, serve

from amanuensis.daemon.client import AmanuensisClient, ClientError, Event, Hello, Patience, connect
from amanuensis.daemon.journal import Journal
from amanuensis.daemon.wire import wire_map
from amanuensis.stream.formats import AudioFormat, Encoding
from tests.helpers.daemon_client import running
from tests.helpers.pure_session import encoded
from tests.helpers.tone_engine import say, spell
from tests.helpers.wire import wired

WORDS = [0, 3, 1, 6, 2, 5, 4]
SOUND = say(WORDS)
AT_ONCE = Patience(first_s=0.001, most_s=0.01)


def told(journal: Journal) -> list[Event]:
    """Return the durable events of a session as clients get them."""
    return [json.loads(json.dumps(wire_map(entry.event, entry.seq))) for entry in journal.replay(0) if entry.seq]


async def collect(client: AmanuensisClient) -> list[Event]:
    """All events to the end."""
    return [event async for event in client]


async def speak(client: AmanuensisClient, data: bytes, step: int = 3200) -> None:
    """Send sound in small pieces, mark its middle, and end it."""
    for n, at in enumerate(range(0, len(data), step)):
        await client.send_audio(data[at : at + step])
        if n == 10:
            await client.mark("middle")
        await asyncio.sleep(0)
    await client.end()


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(1000, 120_000), min_size=1, max_size=6),
    st.sampled_from(["s16le", "f32le", "mulaw"]),
    st.sampled_from(["json", "msgpack"]),
)
async def test_a_wire_that_is_cut_again_and_again_costs_nothing(
    budgets: list[int], encoding: Encoding, events: Any
) -> None:
    """Wherever the wire is cut, the client has every durable event of the session once, and all sound has come."""
    fmt = AudioFormat(encoding, 16_000, 1)
    data, left = encoded(SOUND, fmt), list(budgets)
    async with running() as (daemon, address), wired(address) as wire:

        def next_budget() -> None:
            wire.budget = left.pop(0) if left else None

        wire.on_cut = next_budget
        async with connect(
            f"ws://{wire.address}/v1/session", Hello(audio=fmt, events=events), patience=AT_ONCE
        ) as client:
            session = daemon.sessions.find(client.session)
            assert session is not None
            next_budget()
            speaking = asyncio.create_task(speak(client, data))
            heard = await collect(client)
            await speaking
        wire.on_cut = lambda: None
    durable = [event for event in heard if "seq" in event and event["type"] != "snapshot"]
    assert durable == told(session.journal)
    assert [event["id"] for event in durable if event["type"] == "marked"] == ["middle"]
    assert client.view.text == spell(WORDS)
    assert heard[-1] == {"type": "bye", "reason": "end"}
    samples = session.ledger()["samples"]
    assert (samples["received"], samples["gap"], samples["unsettled"]) == (len(SOUND), 0, 0)
    assert client.reconnects == wire.connections - 1
    assert client.reconnects > 0 or budgets[0] > len(data)


async def test_a_watcher_comes_back_too() -> None:
    """A watcher of `latest` stays with its session when its wire is cut, and misses nothing."""
    fmt = AudioFormat("s16le", 16_000, 1)
    async with (
        running() as (daemon, address),
        wired(address) as wire,
        connect(f"ws://{address}/v1/session", Hello(audio=fmt)) as speaker,
        connect(f"ws://{wire.address}/v1/watch/latest", patience=AT_ONCE) as watcher,
        connect(f"ws://{address}/v1/session", Hello(audio=fmt)),
    ):
        session = daemon.sessions.find(speaker.session)
        assert session is not None
        tasks = [asyncio.create_task(collect(client)) for client in (speaker, watcher)]
        data = encoded(SOUND, fmt)
        for at in range(0, len(data), 16_000):
            await speaker.send_audio(data[at : at + 16_000])
            before = watcher.reconnects
            wire.cut()
            while watcher.reconnects == before:
                await asyncio.sleep(0)
        await speaker.end()
        _, watched = await asyncio.gather(*tasks)
    assert watcher.reconnects > 3
    assert [event for event in watched if "seq" in event and event["type"] != "snapshot"] == told(session.journal)


async def test_a_dead_wire_is_found_out() -> None:
    """A connection on which nothing comes any more, and no close either, is replaced."""
    fmt = AudioFormat("s16le", 16_000, 1)
    data = encoded(SOUND, fmt)
    patience = Patience(first_s=0.001, quiet_s=0.05)
    hello = Hello(audio=fmt, want=["words"])
    async with (
        running() as (_, address),
        wired(address) as wire,
        connect(f"ws://{wire.address}/v1/session", hello, patience=patience) as client,
    ):
        collecting = asyncio.create_task(collect(client))
        await client.send_audio(data[:32_000])
        wire.dead = True
        await client.send_audio(data[32_000:])
        await client.end()
        await collecting
    assert client.reconnects >= 1
    assert client.view.text == spell(WORDS)


@asynccontextmanager
async def odd_server(*behave: Callable[[ServerConnection], Awaitable[None]]) -> AsyncIterator[str]:
    """A server that treats its first, second ... connection as a test says, and the others as the last."""
    n = 0

    async def handle(socket: ServerConnection) -> None:
        nonlocal n
        n += 1
        await behave[min(n, len(behave)) - 1](socket)

    async with serve(handle, "127.0.0.1", 0, subprotocols=cast(Any, ["amanuensis.v1"])) as server:
        host, port = server.sockets[0].getsockname()[:2]
        yield f"ws://{host}:{port}/v1/session"


def ready(**changes: Any) -> str:
    """Return a `ready`."""
    limits = {"resume_s": 0.3}
    return json.dumps({"type": "ready", "session": "s", "resume_token": "t", "next": 0, "limits": limits} | changes)


async def test_a_daemon_that_stops_for_a_while_is_waited_for() -> None:
    """`bye` with `resume_until` is no end: the client comes back with what it has seen and sends the rest again."""
    hellos: list[Event] = []

    async def stopping(socket: ServerConnection) -> None:
        hellos.append(json.loads(await socket.recv()))
        await socket.send(ready())
        await socket.recv()
        await socket.send('{"type":"speech","seq":1,"on":true,"at":0}')
        await socket.send(json.dumps({"type": "bye", "reason": "shutdown", "resume_until": time.time() + 30}))
        await socket.close(1001, "shutdown")

    async def absent(socket: ServerConnection) -> None:
        socket.transport.abort()

    async def back(socket: ServerConnection) -> None:
        hellos.append(json.loads(await socket.recv()))
        await socket.send(ready(next=0, controls=0))
        assert isinstance(await socket.recv(), bytes)
        await socket.send('{"type":"speech","seq":2,"on":false,"at":1}')
        await socket.send('{"type":"bye","reason":"end"}')
        await socket.close()

    async with (
        odd_server(stopping, absent, absent, back) as url,
        connect(url, Hello(audio=AudioFormat()), patience=AT_ONCE) as client,
    ):
        await client.send_audio(bytes(640))
        heard = await collect(client)
    assert [event.get("seq", event["type"]) for event in heard] == [1, 2, "bye"]
    assert {name: hellos[1][name] for name in ("session", "resume_token", "after_seq")} == {
        "session": "s",
        "resume_token": "t",
        "after_seq": 1,
    }


async def test_a_session_that_cannot_be_taken_up_again_is_a_clear_error() -> None:
    """A client gives up when the server does, and says what it has tried."""

    async def breaking(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(ready())
        socket.transport.abort()

    async def absent(socket: ServerConnection) -> None:
        socket.transport.abort()

    async with odd_server(breaking, absent) as url, connect(url, Hello(audio=AudioFormat())) as client:
        with pytest.raises(ClientError, match=r"broke; the session could not be taken up again within 0 s: "):
            await collect(client)
        with pytest.raises(ClientError, match="could not be taken up again"):
            await client.send_audio(bytes(640))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ('{"type":"error","code":"no_such_session","message":"no session s","fatal":true}', "no session s"),
        (ready(next=7, controls=0), "wants chunk 7"),
    ],
)
async def test_a_refusal_is_not_tried_again(answer: str, words: str) -> None:
    """What the server says about coming back is an error at once."""

    async def breaking(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(ready())
        socket.transport.abort()

    async def refusing(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(answer)
        await socket.wait_closed()

    async with (
        odd_server(breaking, refusing) as url,
        connect(url, Hello(audio=AudioFormat()), patience=AT_ONCE) as client,
    ):
        with pytest.raises(ClientError, match=words):
            await collect(client)


async def test_a_hello_that_came_too_late_is_said_again() -> None:
    """A network that was slow at coming back does not cost the session: the next try says hello again."""
    answers = ['{"type":"error","code":"no_hello","message":"no hello within 5 s","fatal":true}', ready()]

    async def breaking(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(ready())
        socket.transport.abort()

    async def late(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(answers.pop(0))
        await socket.send('{"type":"bye","reason":"end"}')

    patience = Patience(first_s=0.001, most_s=0.01, give_up_s=60)
    async with (
        odd_server(breaking, late, late) as url,
        connect(url, Hello(audio=AudioFormat()), patience=patience) as client,
    ):
        assert [event["type"] for event in await collect(client)] == ["bye"]
    assert client.reconnects == 1
    assert not answers


async def test_who_was_taken_over_does_not_fight() -> None:
    """A client whose session another connection has taken over ends with that, instead of taking it back."""
    fmt = AudioFormat("s16le", 16_000, 1)
    async with running() as (_, address), connect(f"ws://{address}/v1/session", Hello(audio=fmt)) as first:
        collecting = asyncio.create_task(collect(first))
        token = first.ready["resume_token"]
        async with connect(
            f"ws://{address}/v1/session", Hello(audio=fmt, session=first.session, resume_token=token)
        ) as second:
            with pytest.raises(ClientError, match="4409"):
                await collecting
            await second.send_audio(encoded(SOUND, fmt))
            await second.end()
            await collect(second)
    assert second.view.text == spell(WORDS)


async def test_what_is_not_acknowledged_is_bounded() -> None:
    """A server that acknowledges nothing holds the sender back before memory grows."""
    got: list[int] = []

    async def silent(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(ready())
        async for frame in socket:
            got.append(len(frame))
            if len(got) % 100 == 0 and sum(got) > 15 << 20:
                await socket.send(json.dumps({"type": "ack", "n": len(got) - 1}))

    async with odd_server(silent) as url, connect(url, Hello(audio=AudioFormat())) as client:
        collecting = asyncio.create_task(collect(client))
        sending = asyncio.create_task(client.send_audio(bytes(48 << 20)))
        most = 0
        while not sending.done():
            most = max(most, client._outbox.kept_bytes)
            await asyncio.sleep(0)
        await client.aclose()
        await collecting
    assert 15 << 20 < most < 17 << 20


def test_pauses_grow_to_a_bound() -> None:
    """Tries come ever slower, but never slower than the bound."""
    patience = Patience(first_s=0.1, most_s=5.0)
    assert [patience.pause_s(tries) for tries in (1, 2, 3, 7, 1000)] == [0.1, 0.2, 0.4, 5.0, 5.0]
