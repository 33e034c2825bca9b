"""A daemon that is full or pressed says so, and bounds what it takes, over real sockets."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from amanuensis.daemon.client import ClientError, Hello, connect
from amanuensis.daemon.config import Config, LimitSettings, ServerSettings
from amanuensis.daemon.server import Daemon
from amanuensis.npu.window import WindowJob, WindowResult
from amanuensis.stream.formats import AudioFormat
from tests.helpers.daemon_client import check_invariants, connected, cut, exchange, hello, pcm, running
from tests.helpers.tone_engine import ToneEngine, ToneTokenizer, say, spell

WORDS = [0, 1, 2, 3, 4, 5]
SOUND = pcm(say(WORDS))


@dataclass(slots=True)
class CostlyEngine(ToneEngine):
    """Reads tones, and says that it took two seconds for each window."""

    async def decode(self, stream: int, job: WindowJob, deadline_s: float) -> WindowResult:
        return replace(await ToneEngine.decode(self, stream, job, deadline_s), encode_ms=2000.0)


async def test_a_busy_engine_is_told_with_the_time_to_try_again() -> None:
    """When one speaker more would overload the engine it gets 503, or after the upgrade `full` and 1013."""
    async with running(CostlyEngine()) as (daemon, address), AsyncExitStack() as stack:
        speaker = await stack.enter_async_context(connected(address, hello()))
        await speaker.until(type="ready")
        early = await stack.enter_async_context(connected(address))  # past the upgrade while there was room
        await early.socket.ping()
        for chunk in cut(SOUND, [3200]):
            await speaker.send(chunk)
            await speaker.settled()
        daemon.sessions.tick()
        with pytest.raises(InvalidStatus) as caught:
            await stack.enter_async_context(connected(address))
        assert caught.value.response.status_code == 503
        assert b"% busy" in (caught.value.response.body or b"")
        after_s = int(caught.value.response.headers["Retry-After"])
        assert 1 <= after_s <= 120
        await early.send(hello())
        assert (await early.over())[0] == 1013
        (error,) = early.events
        assert (error["code"], error["fatal"]) == ("full", True)
        assert 1 <= error["retry_after"] <= 120
        await speaker.send({"type": "end"})
        assert await speaker.over() == (1000, "end")
        await stack.enter_async_context(connected(address, hello()))
    assert speaker.text == spell(WORDS)


async def test_one_user_has_its_share_of_sessions(tmp_path: Path) -> None:
    """On a unix socket users are told apart, and one that has its sessions gets no more until one ends."""
    place = f"unix:{tmp_path}/s"
    config = Config(ServerSettings((place,)), limits=LimitSettings(sessions_each=2))
    fmt = AudioFormat()
    async with Daemon(config, ToneEngine(), ToneTokenizer()).listening(), AsyncExitStack() as stack:
        first = await stack.enter_async_context(connect(place, Hello(audio=fmt)))
        await stack.enter_async_context(connect(place, Hello(audio=fmt)))
        with pytest.raises(ClientError, match=r"is full; try again in \d+ s"):
            await stack.enter_async_context(connect(place, Hello(audio=fmt)))
        await first.end()
        assert [event async for event in first][-1]["type"] == "bye"
        await stack.enter_async_context(connect(place, Hello(audio=fmt)))


async def test_who_sends_too_fast_is_held_back_and_loses_nothing() -> None:
    """A client over its rate is read more slowly; another is served meanwhile, and both get all their words."""
    async with running(client_bytes_s=200_000, backlog_s=1) as (daemon, address):
        async with connected(address, hello()) as fast, connected(address, hello()) as other:
            for client in (fast, other):
                await client.until(type="ready")
            for chunk in cut(
                SOUND * 3, [240_000]
            ):  # more than the burst in one message: whatever the time, it must wait
                await fast.send(chunk)
            await fast.send({"type": "end"})
            for chunk in cut(SOUND, [16_000]):
                await other.send(chunk)
            await other.send({"type": "end"})
            for client in (other, fast):
                assert await client.over() == (1000, "end")
                check_invariants(client.events)
        held_back_s = daemon.metrics.registry.get_sample_value("amanuensis_held_back_seconds_total")
    assert held_back_s is not None
    assert held_back_s > 0
    assert other.text == spell(WORDS)
    assert fast.text == spell(WORDS * 3)


@pytest.mark.parametrize("start", [b"GET /v1/session HTTP/1.1\r\nHost: loc", b"GET", b""])
async def test_a_request_that_never_ends_is_cut(start: bytes) -> None:
    """Somebody who sends a request slower than a person types is closed after the time for it."""
    async with running(hello_s=0.2) as (_, address):
        assert await exchange(address, start) == b""


async def test_a_hello_that_never_ends_is_cut() -> None:
    """Half a frame is no hello: the connection is closed after the time for it, with the reason."""
    upgrade = (
        b"GET /v1/session HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Protocol: amanuensis.v1\r\n\r\n"
    )
    text = json.dumps(hello()).encode()
    frame = bytes([0x81, 0x80 | 126, *len(text).to_bytes(2, "big"), 0, 0, 0, 0]) + text  # RFC 6455: masked with zeros
    async with running(hello_s=0.2) as (daemon, address):
        raw = await exchange(address, upgrade + frame[:-1])
        assert b"no hello within 0.2 s" in raw
        assert len(daemon.sessions) == 0


async def test_a_full_daemon_serves_those_it_has() -> None:
    """Refusing many speakers costs those that speak nothing."""
    async with running(sessions=1) as (_, address), connected(address, hello()) as speaker:
        await speaker.until(type="ready")

        async def refused() -> int:
            try:
                async with connected(address):
                    return 101
            except InvalidStatus as error:
                return error.response.status_code

        storm = asyncio.gather(*(refused() for _ in range(100)))
        for chunk in cut(SOUND, [3200]):
            await speaker.send(chunk)
        await speaker.send({"type": "end"})
        assert await speaker.over() == (1000, "end")
        assert set(await storm) <= {503, 101}
    check_invariants(speaker.events)
    assert speaker.text == spell(WORDS)


async def test_pauses_of_days_are_taken_at_once() -> None:
    """Silence of weeks is no work and no wait, words before and behind it are told, and all of it is a gap."""
    async with running() as (_, address), connected(address, hello()) as client:
        await client.until(type="ready")
        await client.send(SOUND)
        for _ in range(8):
            await client.send({"type": "skip", "samples": 48 * 3600 * 16_000, "why": "paused"})
        await client.send(SOUND)
        await client.send({"type": "end"})
        assert await client.over() == (1000, "end")
    check_invariants(client.events)
    assert client.text == spell(WORDS * 2)
    assert sum(gap["to"] - gap["from"] for gap in client.find(type="gap")) == 8 * 48 * 3_600_000


async def test_a_pause_counts_like_a_moment_of_sound() -> None:
    """Whoever leaves out again and again is held back as one that sends too fast."""
    moment_bytes = 10 * 32_000
    async with running(client_bytes_s=moment_bytes - 20_000, backlog_s=1) as (daemon, address):
        async with connected(address, hello()) as client:
            await client.until(type="ready")
            await client.send({"type": "skip", "samples": 48 * 3600 * 16_000, "why": "paused"})
            await client.send({"type": "end"})
            assert await client.over() == (1000, "end")
        held_back_s = daemon.metrics.registry.get_sample_value("amanuensis_held_back_seconds_total")
    assert held_back_s is not None
    assert held_back_s > 0
