"""The server over real sockets: admission, HTTP, faults of one client that touch no other, and the end."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from contextlib import AsyncExitStack, suppress

import pytest
from websockets.exceptions import InvalidHandshake, InvalidStatus

from amanuensis.daemon.config import Address, Config, ServerSettings
from amanuensis.daemon.listeners import ServeError, open_listener
from amanuensis.daemon.server import Daemon
from amanuensis.npu.engine.api import EngineLostError
from tests.helpers.daemon_client import check_invariants, connected, cut, exchange, get, hello, pcm, running, speak
from tests.helpers.tone_engine import ToneEngine, ToneTokenizer, say, spell

WORDS = [0, 1, 2, 3]
SOUND = pcm(say(WORDS))
TOKEN = "0123456789abcdef"


async def test_speech_becomes_text() -> None:
    """What is said comes back as text, final, with times and an orderly end."""
    async with running() as (_, address):
        client = await speak(address, cut(SOUND, [3200]))
    check_invariants(client.events)
    assert client.text == spell(WORDS)
    assert client.closed == (1000, "end")
    assert client.events[0]["type"] == "ready"
    assert client.find(type="ack")[-1]["n"] == len(cut(SOUND, [3200])) - 1


async def test_twenty_clients_at_once() -> None:
    """Twenty speakers each get their own words."""
    said = [[(k + j * (1 + k // 7)) % 7 for j in range(6)] for k in range(20)]
    said = [[w for i, w in enumerate(words) if i == 0 or w != words[i - 1]] for words in said]
    async with running() as (daemon, address):
        clients = await asyncio.gather(*(speak(address, cut(pcm(say(words)), [1600])) for words in said))
        assert daemon.sessions.gauges().ended_sessions == 16
    for words, client in zip(said, clients, strict=True):
        check_invariants(client.events)
        assert client.text == spell(words)


@pytest.mark.parametrize(
    ("first", "code", "words"),
    [
        (b"\0\0", "bad_hello", "binary"),
        ("not json", "bad_message", "not JSON"),
        ('{"type":"end"}', "bad_hello", "must be a hello"),
        (hello(proto="amanuensis.v9"), "bad_hello", "amanuensis.v9"),
        (hello(audio={"enc": "s16le", "rate": 7, "ch": 1}), "bad_hello", "rate is 7"),
        (hello(lang="xx"), "bad_hello", "'xx' is not known"),
        (hello(task="translate"), "bad_hello", "English-only"),
        (hello(session="abc"), "bad_hello", "resume_token is missing"),
        (hello(session="abc", resume_token="x", after_seq=0), "no_such_session", "no session 'abc'"),
        (hello("watch", session="abc"), "no_such_session", "no session 'abc'"),
    ],
)
async def test_refused_hello(first: dict[str, object] | str | bytes, code: str, words: str) -> None:
    """A hello that cannot be taken is answered with a fatal error and its close code."""
    async with running() as (_, address), connected(address, first) as client:
        close_code, _ = await client.over()
    (error,) = client.events
    assert (error["type"], error["code"], error["fatal"]) == ("error", code, True)
    assert words in error["message"]
    assert close_code == {"no_such_session": 4404}.get(code, 4400)


async def test_silent_client_is_closed() -> None:
    """A connection without hello is closed after its time."""
    async with running(hello_s=0.1) as (_, address), connected(address) as client:
        assert (await client.over())[0] == 4408
    assert client.events[0]["code"] == "no_hello"
    assert "no hello within 0.1 s" in client.events[0]["message"]


async def test_only_the_protocols_name_is_spoken() -> None:
    """A client that offers another subprotocol, or none, is refused before the upgrade."""
    async with running() as (_, address):
        with pytest.raises(InvalidHandshake):
            async with connected(address, path="/v1/nothing"):
                pass
        raw = "GET /v1/session HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        raw += "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        assert b"400 Bad Request" in await exchange(address, raw.encode())


async def test_full_daemon_answers_before_the_upgrade() -> None:
    """With all sessions taken a speaker gets 503 and when to try again; a watcher may still come."""
    async with running(sessions=1) as (_, address), connected(address, hello()) as speaker:
        ready = await speaker.until(type="ready")
        with pytest.raises(InvalidStatus) as caught:
            async with connected(address):
                pass
        assert caught.value.response.status_code == 503
        assert caught.value.response.headers["Retry-After"] == "60"
        async with connected(address, hello("watch"), f"/v1/watch/{ready['session']}") as watcher:
            await watcher.until(type="ready")


async def test_full_engine_is_told_after_the_hello() -> None:
    """When the engine has no stream left the client is told when to try again, and closed with 1013."""
    async with running(ToneEngine(max_streams=0)) as (_, address), connected(address, hello()) as client:
        assert (await client.over())[0] == 1013
    assert client.events[0] | {"message": ""} == {
        "type": "error",
        "code": "full",
        "message": "",
        "fatal": True,
        "retry_after": 1.0,
    }


async def test_connections_are_bounded() -> None:
    """A connection over the limit is cut; the others go on, and there is room again when one leaves."""
    async with running(connections=2) as (_, address):
        async with connected(address, hello()) as first, connected(address, hello()) as second:
            await first.until(type="ready")
            await second.until(type="ready")
            assert await exchange(address, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n") == b""
            await second.send({"type": "end"})
            await second.over()
            await first.settled()
        assert (await get(address, "/healthz"))[0] == 200


async def test_garbage_is_answered_and_harms_nobody() -> None:
    """Wrong frames get an error each and at last a close; another session does not notice."""
    async with running() as (daemon, address), connected(address, hello()) as good:
        await good.until(type="ready")
        audio = {"enc": "s16le", "rate": 16000, "ch": 1}
        async with connected(address, hello(audio=audio)) as bad:
            await bad.until(type="ready")
            for k in range(17):
                await bad.socket.send(os.urandom(k + 1) if k % 2 else f"{{garbage {k}")
            assert (await bad.over())[0] == 4400
        assert len(bad.find(type="error", fatal=False)) == 16
        assert bad.find(type="error", fatal=True)[0]["code"] == "too_many_errors"
        for data in (b"\x16\x03\x01\x02\x00", os.urandom(64) + b"\r\n\r\n", b"GET / HTTP/1.1\r\nx: " + b"y" * 20000):
            reader, writer = await asyncio.open_connection(address.host, address.port)
            writer.write(data)
            writer.write_eof()
            with suppress(ConnectionError):
                await reader.read()
            writer.close()
        await good.send(SOUND)
        await good.send({"type": "end"})
        await good.over()
        assert good.text == spell(WORDS)
        assert daemon.metrics.registry.get_sample_value("amanuensis_refused_total", {"code": "bad_message"}) == 16


async def test_too_big_a_message_closes() -> None:
    """A message above the limit closes with 1009; before the hello the limit is 4 KiB."""
    async with running(message_bytes=8192) as (_, address):
        async with connected(address, hello()) as client:
            await client.until(type="ready")
            await client.send(bytes(8192))
            await client.settled()
            await client.send(bytes(8193))
            await client.over()
        assert client.closed is not None
        async with connected(address, " " * 4097) as early:
            await early.over()
    assert early.events == []


async def test_broken_sound_is_told_and_survived() -> None:
    """NaN and infinite samples are reported once and taken as silence; the words around them come."""
    sound = say(WORDS)
    sound[:2000] = float("nan")
    sound[2000:2400] = float("inf")
    async with running() as (_, address):
        audio = {"enc": "f32le", "rate": 16000, "ch": 1, "framing": "raw"}
        client = await speak(address, cut(sound.astype("<f4").tobytes(), [6401]), audio=audio)
    check_invariants(client.events)
    assert [event["code"] for event in client.find(type="warning")] == ["non_finite"]
    assert client.text == spell(WORDS)


async def test_token_is_asked_of_everybody() -> None:
    """With a token set nothing that was said is told without it, whichever way it is asked for."""
    async with running(token=TOKEN) as (_, address):
        async with connected(address, hello()) as client:
            assert (await client.over())[0] == 4401
        with pytest.raises(InvalidStatus, match="401"):
            async with connected(address, additional_headers={"Authorization": "Bearer wrong"}):
                pass
        for options in ({"auth": TOKEN}, {}):
            headers = {} if options else {"Authorization": f"Bearer {TOKEN}"}
            async with connected(address, hello(**options), additional_headers=headers) as client:
                await client.until(type="ready")
        assert (await get(address, "/metrics"))[0] == 401
        assert (await get(address, "/v1/sessions/latest.txt"))[0] == 401
        assert (await get(address, "/captions"))[0] == 200
        assert (await get(address, "/metrics", Authorization=f"Bearer {TOKEN}"))[0] == 200


async def test_pages_of_others_cannot_connect() -> None:
    """A browser's page of another origin is refused, for the socket and for HTTP."""
    async with running() as (_, address):
        with pytest.raises(InvalidStatus, match="403"):
            async with connected(address, origin="https://evil.example"):
                pass
        assert (await get(address, "/readyz", Origin="https://evil.example"))[0] == 403
        assert (await get(address, "/readyz", Host="evil.example"))[0] == 421
        assert (await get(address, "//[?token=x"))[0] == 404
        doubled = await exchange(address, b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n")
        assert doubled.startswith(b"HTTP/1.1 400 ")


async def test_http_beside_the_socket() -> None:
    """Health, readiness, metrics, the page and exports are answered on the same port, also after the end."""
    async with running() as (_, address):
        client = await speak(address, [SOUND])
        name = client.events[0]["session"]
        status, headers, body = await get(address, "/readyz")
        assert (status, json.loads(body)["engine"]["model"], headers["Connection"]) == (200, "tones", "close")
        assert (await get(address, f"/v1/sessions/{name}.txt"))[2] == spell(WORDS) + "\n"
        assert "amanuensis_words_total 4.0" in (await get(address, "/metrics"))[2]
        assert 'amanuensis_engine_encodes_total{device="cpu"}' in (await get(address, "/metrics"))[2]
        assert (await get(address, "/captions"))[2].startswith("<!doctype html>")
        assert (await get(address, "/v1/session"))[0] == 426
        head = await exchange(address, b"HEAD /captions HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK")
        assert head.endswith(b"\r\n\r\n")
        for body in (b"", b"x" * 10**6):  # which nobody reads
            head = b"POST /readyz HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
            assert (await exchange(address, head + body)).startswith(b"HTTP/1.1 405 Method Not Allowed")


async def test_lost_engine_becomes_a_gap_and_is_told() -> None:
    """When the engine is gone the sound becomes a gap, nothing hangs, and readiness says why."""
    engine = ToneEngine(fail_with=EngineLostError("the engine died 5 times"))
    async with running(engine) as (daemon, address):
        client = await speak(address, cut(SOUND, [3200]))
        check_invariants(client.events)
        assert client.find(type="gap")
        status, _, body = await get(address, "/readyz")
        assert (status, json.loads(body)["why"]) == (503, "the engine died 5 times")
        assert daemon.metrics.registry.get_sample_value("amanuensis_gap_seconds_total") > 1  # type: ignore[operator]
        engine.fail_with = None
        assert (await speak(address, cut(SOUND, [3200]))).text == spell(WORDS)
        assert (await get(address, "/readyz"))[0] == 200


async def test_fault_ends_one_session_only(caplog: pytest.LogCaptureFixture) -> None:
    """A fault of the program ends its session with 1011 and a word to the client; others can be opened."""
    engine = ToneEngine(fail_with=ZeroDivisionError("a fault"))
    async with running(engine) as (_, address):
        async with connected(address, hello()) as client:
            await client.until(type="ready")
            await client.send(SOUND)
            assert await client.over() == (1011, "fault")
        assert client.find(type="error", code="internal", fatal=True)
        engine.fail_with = None
        assert (await speak(address, [SOUND])).text == spell(WORDS)
    assert "stopped by a fault" in caplog.text


async def test_stopping_makes_everything_final() -> None:
    """A daemon that stops makes open sessions final, says bye and closes with 1001."""
    async with AsyncExitStack() as stack:
        async with running() as (_, address):
            speaker = await stack.enter_async_context(connected(address, hello()))
            ready = await speaker.until(type="ready")
            path = f"/v1/watch/{ready['session']}"
            watcher = await stack.enter_async_context(connected(address, hello("watch"), path))
            await watcher.until(type="ready")
            await speaker.send(SOUND)
            await speaker.settled()
        for client in (speaker, watcher):
            assert await client.over() == (1001, "shutdown")
            assert client.text == spell(WORDS)
            assert client.events[-1] == {"type": "bye", "reason": "shutdown"}
    check_invariants(speaker.events)


async def test_idle_speaker_is_closed() -> None:
    """A speaker that sends nothing at all is closed with 4408 after its words were made final."""
    async with running(idle_s=1) as (_, address), connected(address, hello()) as client:
        await client.until(type="ready")
        await client.send(SOUND)
        assert await client.over() == (4408, "idle")
    assert client.text == spell(WORDS)
    check_invariants(client.events)


def test_events_are_not_held_back_by_tcp() -> None:
    """Connections have TCP_NODELAY: without it Nagle's algorithm delays events by 40 ms."""
    with open_listener(Address("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_port_in_use_is_one_clear_line() -> None:
    """A taken port, and an address of somebody else, are refused in words."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        daemon = Daemon(Config(ServerSettings(listen)), ToneEngine(), ToneTokenizer())
        with pytest.raises(ServeError, match=f"cannot listen on {listen}: Address already in use: another program"):
            async with daemon.listening():
                pass
    with pytest.raises(ServeError, match="this machine has no such address"):
        open_listener(Address("192.0.2.1", 80))
    with pytest.raises(ServeError, match=r"cannot listen on no\.such\.invalid:80: .*: check server\.listen"):
        open_listener(Address("no.such.invalid", 80))


async def test_ipv6_loopback() -> None:
    """The daemon listens on IPv6 as well."""
    daemon = Daemon(Config(ServerSettings("[::1]:0")), ToneEngine(), ToneTokenizer())
    try:
        async with daemon.listening() as address:
            assert address == Address("::1", address.port)
            assert (await speak(address, [SOUND])).text == spell(WORDS)
    except ServeError as error:
        pytest.skip(f"no IPv6 here: {error}")
