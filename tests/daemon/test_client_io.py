"""Keep-alive and closing, with clients that do not take part."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack

from websockets.asyncio.server import ServerConnection, serve

from amanuensis.daemon.client_io import Inbox
from amanuensis.daemon.live_session import LiveSession
from tests.helpers.daemon_client import connected, cut, hello, pcm, running
from tests.helpers.held_engine import HeldEngine
from tests.helpers.tone_engine import say, spell

UPGRADE = (
    "GET /v1/session HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Protocol: amanuensis.v1\r\n\r\n"
)


def masked(text: str) -> bytes:
    """Return a text frame of a client, RFC 6455 section 5.2, masked with zeros."""
    data = text.encode()
    return bytes([0x81, 0x80 | 126, *len(data).to_bytes(2, "big"), 0, 0, 0, 0]) + data


async def test_a_burst_of_small_frames_gives_others_their_turn() -> None:
    """A client that sends thousands of messages at once does not keep the daemon from everybody else."""
    burst = 5000
    inboxes: list[Inbox] = []

    async def drain(websocket: ServerConnection) -> None:
        inboxes.append(Inbox(websocket))
        async for _ in inboxes[0].rest():
            pass

    async with serve(drain, "127.0.0.1", 0, max_queue=4) as server:
        port = server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(UPGRADE.encode() + burst * masked('{"type":"flush"}'))
        seen, most = 0, 0
        while seen < burst:
            await asyncio.sleep(0)
            frames = inboxes[0].frames if inboxes else 0
            seen, most = frames, max(most, frames - seen)
        writer.transport.abort()
    assert most <= 2


async def test_client_that_answers_no_ping_is_closed() -> None:
    """A client that is gone without a word is closed with 1011 after two intervals."""
    async with running(ping_s=0.1, resume_s=0) as (daemon, address):
        reader, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(UPGRADE.encode() + masked(json.dumps(hello())))
        raw = await reader.read()
        writer.close()
        while len(daemon.sessions):
            await asyncio.sleep(0)
    assert b"\x03\xf3no answer to a ping for 0.1 s" in raw  # 1011 and its reason, in the close frame


async def test_speaker_that_waits_for_the_engine_is_alive() -> None:
    """A client whose pongs lie behind audio that is not read yet is not taken for dead."""
    engine = HeldEngine()
    words = [k % 7 for k in range(60)]
    async with (
        running(engine, ping_s=0.3, backlog_s=2) as (daemon, address),
        connected(address, hello(), ping_interval=None) as client,
    ):
        await client.until(type="ready")
        session = daemon.sessions.find("latest")
        assert isinstance(session, LiveSession)
        sender = asyncio.create_task(_send(client.socket, cut(pcm(say(words)), [32000])))
        await client.until(type="stats")  # a second: more than the two intervals
        assert session.pump.session.lag_ms > 2000
        engine.go.set()
        await sender
        assert await client.over() == (1000, "end")
    assert client.text == spell(words)


async def test_what_came_before_the_end_is_heard() -> None:
    """Frames that were received before the speaker's connection broke are not thrown away with it."""
    engine = HeldEngine()
    words = [k % 7 for k in range(9)]
    data = pcm(say(words))
    async with running(engine, ping_s=0.3, backlog_s=1, resume_s=0) as (_, address), AsyncExitStack() as stack:
        speaker = await stack.enter_async_context(connected(address, hello()))
        await speaker.until(type="ready")
        watcher = await stack.enter_async_context(connected(address, hello("watch"), "/v1/watch/latest"))
        await watcher.until(type="snapshot")
        frames = cut(data, [32000])
        assert len(frames) == 5  # the second waits for the engine, three behind it for the second
        for frame in frames:
            await speaker.socket.send(frame)
        await (await speaker.socket.ping())
        speaker.socket.transport.abort()
        await watcher.until(type="stats")  # up to a second, in which the server has noticed
        engine.go.set()
        assert await watcher.over() == (1000, "speaker_left")
    assert watcher.text == spell(words)


async def test_client_that_does_not_close_is_cut_off() -> None:
    """A client that ignores the close frame does not keep its connection."""
    async with running() as (_, address):
        reader, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(UPGRADE.encode() + masked("not a hello"))
        raw = await reader.read()
        assert b"bad_message" in raw
        assert b"\x11\x30" in raw  # 4400
        writer.close()


async def _send(socket: object, chunks: list[bytes]) -> None:
    for chunk in chunks:
        await socket.send(chunk)  # type: ignore[attr-defined]
    await socket.send('{"type":"end"}')  # type: ignore[attr-defined]
