"""The Python client, against the real server with an engine that reads tones."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

import msgpack
import pytest
from websockets.asyncio.server import ServerConnection, serve

from amanuensis.daemon.client import Client, ClientError, Event, Hello, connect, decode_event
from amanuensis.daemon.config import Config, LimitSettings, ServerSettings
from amanuensis.daemon.server import Daemon
from amanuensis.stream.formats import AudioFormat
from tests.helpers.tone_engine import ToneEngine, ToneTokenizer, say, spell

FORMAT = AudioFormat("f32le", 16_000, 1)
SPEAK = Hello("speak", FORMAT)
WORDS = (0, 3, 1, 6, 2)
TOKEN = "a token of the test"
READY = json.dumps({"type": "ready", "session": "s", "next": 0, "engine": {}, "limits": {}})


def pcm(words: tuple[int, ...] = WORDS) -> bytes:
    """The sound of words."""
    return say(words).astype("<f4").tobytes()


@asynccontextmanager
async def daemon(config: Config | None = None) -> AsyncIterator[str]:
    """A real daemon on a free port; gives the address of its sessions."""
    config = config or Config(ServerSettings(listen="127.0.0.1:0"))
    async with Daemon(config, ToneEngine(), cast(Any, ToneTokenizer())).listening() as address:
        yield f"ws://{address}/v1/session"


@asynccontextmanager
async def odd_server(behave: Callable[[ServerConnection], Awaitable[None]]) -> AsyncIterator[str]:
    """A server that does what a test says after the upgrade."""
    async with serve(behave, "127.0.0.1", 0, subprotocols=cast(Any, ["amanuensis.v1"])) as server:
        host, port = server.sockets[0].getsockname()[:2]
        yield f"ws://{host}:{port}/v1/session"


async def collect(client: Client) -> list[Event]:
    """All events to the end."""
    return [event async for event in client]


def text(events: list[Event]) -> str:
    """The committed words."""
    return "".join(word["text"] for event in events if event["type"] == "commit" for word in event["words"]).strip()


@pytest.mark.parametrize("events", ["json", "msgpack"])
@pytest.mark.parametrize("cut", [701, 10**6])
async def test_sound_goes_in_and_words_come_out(events: Any, cut: int) -> None:
    """However the bytes are cut, the words come back, in both encodings of events, and the end is `bye`."""
    data = pcm()
    async with daemon() as url, connect(url, replace(SPEAK, events=events)) as client:
        collecting = asyncio.create_task(collect(client))
        for at in range(0, len(data), cut):
            await client.send_audio(data[at : at + cut])
        await client.end()
        heard = await collecting
    assert text(heard) == spell(WORDS)
    assert heard[-1]["type"] == "bye"
    durable = [event["seq"] for event in heard if "seq" in event]
    assert durable == list(range(1, len(durable) + 1))
    assert client.seq == durable[-1]
    assert client.acked >= 0


async def test_watchers_see_what_the_speaker_sees() -> None:
    """A watcher of the session gets the same durable events."""
    async with daemon() as url, connect(url, SPEAK) as speaker:
        watch = f"{url.removesuffix('/session')}/watch/{speaker.session}"
        async with connect(watch) as watcher:
            tasks = [asyncio.create_task(collect(client)) for client in (speaker, watcher)]
            await speaker.send_audio(pcm())
            await speaker.end()
            spoken, watched = await asyncio.gather(*tasks)
    assert watched[0]["type"] == "snapshot"
    assert [event for event in watched[1:] if "seq" in event] == [event for event in spoken if "seq" in event]


async def test_marks_flushes_pings_and_changes() -> None:
    """The other messages of the protocol are answered."""
    async with daemon() as url, connect(url, SPEAK) as client:
        collecting = asyncio.create_task(collect(client))
        await client.ping("p")
        await client.configure(prompt="names")
        await client.send_audio(pcm())
        await client.flush("f")
        await client.mark(7)
        await client.end()
        heard = await collecting
    assert [event["id"] for event in heard if event["type"] == "marked"] == ["f", 7]
    assert [event["id"] for event in heard if event["type"] == "pong"] == ["p"]
    assert not [event for event in heard if event["type"] == "error"]


async def test_a_hole_that_is_skipped_becomes_a_gap() -> None:
    """Samples that were lost before they were sent are told by the server."""
    async with daemon() as url, connect(url, SPEAK) as client:
        collecting = asyncio.create_task(collect(client))
        await client.send_audio(pcm())
        client.skip(16_000)
        await client.send_audio(pcm((5,)))
        await client.end()
        heard = await collecting
    (gap,) = (event for event in heard if event["type"] == "gap")
    assert gap["to"] - gap["from"] == pytest.approx(1000)
    assert text(heard) == spell((*WORDS, 5))


async def test_leaving_early_leaves_the_server_well() -> None:
    """A client that closes in the middle does no harm, and the next one is served."""
    async with daemon() as url:
        async with connect(url, SPEAK) as client:
            await client.send_audio(pcm())
            await client.aclose()
            with pytest.raises(ClientError, match=r"closed|broke"):
                await client.send_audio(pcm())
        async with connect(url, SPEAK) as client:
            await client.end()
            assert (await collect(client))[-1]["type"] == "bye"


async def test_a_watcher_cannot_send() -> None:
    """Sound needs a format in the hello."""
    async with daemon() as url, connect(url, SPEAK), connect(f"{url.removesuffix('/session')}/watch/latest") as watcher:
        with pytest.raises(ClientError, match="only watches"):
            await watcher.send_audio(b"1234")


async def test_nobody_there() -> None:
    """An address where nobody listens is named, with the remedy."""
    with pytest.raises(ClientError, match=r"cannot connect to ws://127\.0\.0\.1:1/.*amanuensis serve"):
        async with connect("ws://127.0.0.1:1/v1/session"):
            pass


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "nonsense", "ws://"])
async def test_no_address(url: str) -> None:
    """What is no WebSocket address is refused in words."""
    with pytest.raises(ClientError, match="is not an address"):
        async with connect(url):
            pass


async def test_a_token_is_asked_for_and_taken() -> None:
    """Without the daemon's token there is no session; with it there is."""
    async with daemon(Config(ServerSettings(listen="127.0.0.1:0", token=TOKEN))) as url:
        with pytest.raises(ClientError, match="token"):
            async with connect(url, SPEAK):
                pass
        async with connect(url, SPEAK, token=TOKEN) as client:
            assert client.session


async def test_a_full_daemon_says_when_to_try_again() -> None:
    """HTTP 503 becomes a line with the time to wait."""
    config = Config(ServerSettings(listen="127.0.0.1:0"), limits=LimitSettings(sessions=1))
    async with daemon(config) as url, connect(url, SPEAK):
        with pytest.raises(ClientError, match=r"is full; try again in \d+ s"):
            async with connect(url, SPEAK):
                pass


@pytest.mark.parametrize(
    ("path", "expected"), [("/v1/watch/nosuch", "nosuch"), ("/nothing", "no such path"), ("/", "HTTP 200")]
)
async def test_wrong_paths_are_told(path: str, expected: str) -> None:
    """A session or path that does not exist is named."""
    async with daemon() as url:
        with pytest.raises(ClientError, match=expected):
            async with connect(url.removesuffix("/v1/session") + path):
                pass


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ('{"type":"error","code":"full","message":"all taken","retry_after":3}', "all taken; try again in 3 s"),
        ('{"type":"partial"}', "'partial' instead of 'ready'"),
        ("[]", "it has no type"),
        ("no json", "not an event"),
        (b"\xc1", "not an event"),
        (b"\x81", "not an event"),
        (b"\x81\x80\x01", "not an event"),
    ],
)
async def test_odd_answers_to_hello(answer: str | bytes, expected: str) -> None:
    """What a server answers instead of `ready` is told."""

    async def behave(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(answer)
        await socket.wait_closed()

    async with odd_server(behave) as url:
        with pytest.raises(ClientError, match=expected):
            async with connect(url, SPEAK):
                pass


@pytest.mark.parametrize("closing", [(1013, "too slow"), (4408, "idle")])
async def test_a_close_in_the_middle_names_code_and_reason(closing: tuple[int, str]) -> None:
    """A session that the server closes with an error is an error for the reader."""

    async def behave(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(READY)
        await socket.close(*closing)

    async with odd_server(behave) as url, connect(url, SPEAK) as client:
        with pytest.raises(ClientError, match=f"{closing[0]}.*{closing[1]}"):
            await collect(client)


async def test_a_connection_that_breaks_is_an_error() -> None:
    """A server that dies is told apart from one that says goodbye."""

    async def behave(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(READY)
        socket.transport.abort()

    async with odd_server(behave) as url, connect(url, SPEAK) as client:
        with pytest.raises(ClientError, match="the connection to the server broke"):
            await collect(client)


async def test_a_fatal_error_ends_the_events() -> None:
    """The event is seen, then it is raised."""

    async def behave(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(READY)
        await socket.send('{"type":"error","code":"internal","message":"a fault","fatal":true}')
        await socket.wait_closed()

    seen: list[Event] = []

    async def read(client: Client) -> None:
        async for event in client:
            seen.append(event)  # noqa: PERF401 - what came before the error is wanted

    async with odd_server(behave) as url, connect(url, SPEAK) as client:
        with pytest.raises(ClientError, match="a fault"):
            await read(client)
    assert [event["type"] for event in seen] == ["error"]


async def test_a_server_that_takes_no_more_holds_the_sender_back() -> None:
    """Sending waits for the server instead of piling up sound in memory."""
    go_on = asyncio.Event()

    async def behave(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(READY)
        await go_on.wait()
        async for _ in socket:
            pass

    async with odd_server(behave) as url, connect(url, SPEAK) as client:
        sending = asyncio.create_task(client.send_audio(bytes(64 << 20)))
        _, waiting = await asyncio.wait({sending}, timeout=0.5)
        assert waiting
        go_on.set()
        await sending


def test_events_are_read_from_both_encodings() -> None:
    """The same event in JSON and msgpack is the same map."""
    event = {"type": "gap", "from": 1, "to": 2.5, "why": "ü"}
    assert decode_event(json.dumps(event)) == decode_event(msgpack.packb(event)) == event
