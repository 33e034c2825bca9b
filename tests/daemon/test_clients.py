"""Speakers and watchers: what each may do and what each gets, over real sockets."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect as websocket_connect
from websockets.typing import Subprotocol

from amanuensis.daemon.live_session import LiveSession
from amanuensis.stream.config import StreamConfig
from amanuensis.stream.events import Warning as WarningEvent
from tests.helpers.daemon_client import (
    check_invariants,
    committed_text,
    connected,
    cut,
    hello,
    pcm,
    running,
    speak,
)
from tests.helpers.held_engine import HeldEngine
from tests.helpers.tone_engine import GAP_S, WORD_S, ToneEngine, say, spell

WORDS = [0, 1, 2, 3, 4, 5, 6, 0, 2, 4]
SOUND = pcm(say(WORDS))
LEAD_S = 0.6


@st.composite
def talks(draw: st.DrawFn) -> tuple[list[int], list[float]]:
    """Words, no two alike in a row, and pauses after them."""
    first = draw(st.integers(0, 6))
    steps = draw(st.lists(st.integers(1, 6), max_size=9))
    words = [first]
    for step in steps:
        words.append((words[-1] + step) % 7)
    return words, draw(st.lists(st.sampled_from([0.0, 0.0, 0.3, 1.2]), min_size=1, max_size=4))


@settings(max_examples=20, deadline=None)
@given(
    talks(),
    st.sampled_from([8_000, 11_025, 16_000, 22_050, 44_100, 48_000]),
    st.sampled_from(["s16le", "f32le"]),
    st.sampled_from([1, 2]),
    st.lists(st.floats(0.001, 2.0), min_size=1, max_size=5),
    st.integers(0, 3),
)
async def test_invariants_hold_for_any_cuts_rates_and_pauses(
    talk: tuple[list[int], list[float]], rate: int, enc: str, ch: int, chunks_s: list[float], odd: int
) -> None:
    """However sound is cut, sampled and paused: every promise of the protocol holds, and every sample has its fate."""
    words, pauses_s = talk
    sound = np.repeat(say(words, rate, LEAD_S, pauses_s), ch)
    data = pcm(sound) if enc == "s16le" else sound.astype("<f4").tobytes()
    frame = (2 if enc == "s16le" else 4) * ch
    sizes = [max(1, round(seconds * rate) * frame + odd) for seconds in chunks_s]
    async with running() as (daemon, address):
        audio = {"enc": enc, "rate": rate, "ch": ch, "framing": "raw"}
        async with connected(address, hello(audio=audio)) as client:
            await client.until(type="ready")
            session = daemon.sessions.find("latest")
            assert isinstance(session, LiveSession)
            for chunk in cut(data, sizes):
                await client.send(chunk)
            await client.send({"type": "end"})
            assert await client.over() == (1000, "end")
    check_invariants(client.events)
    assert client.text == spell(words)
    totals = session.pump.session.ledger.totals()
    assert totals.received == len(data) // frame
    assert totals.unsettled == 0
    assert totals.transcribed + totals.silence + totals.gap == totals.received
    assert totals.gap == 0


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.001, 1.5), st.sampled_from([0, 0, 0, 1, 777, 20_000])), min_size=1, max_size=12),
    st.sampled_from(["s16le", "mulaw"]),
    st.integers(0, 1),
    st.data(),
)
async def test_every_sample_has_its_fate_whatever_is_lost(
    chunks: list[tuple[float, int]], enc: str, odd: int, data: st.DataObject
) -> None:
    """With chunks that come twice and sound that the client lost: no hole in `seq`, and the ledger adds up."""
    rate, width = 8000, 2 if enc == "s16le" else 1
    sound = np.tile(say(WORDS, rate), 5)
    source = pcm(sound) if enc == "s16le" else bytes(np.random.default_rng(0).integers(0, 256, len(sound), np.uint8))
    received, lost_total = 0, 0  # bytes of sound and of losses; samples
    async with running() as (daemon, address):
        audio = {"enc": enc, "rate": rate, "ch": 1}
        async with connected(address, hello(audio=audio)) as client:
            await client.until(type="ready")
            session = daemon.sessions.find("latest")
            assert isinstance(session, LiveSession)
            for n, (seconds, lost) in enumerate(chunks):
                size = round(seconds * rate) * width + odd
                at = received // width + lost
                received = at * width if lost else received
                frame = msgpack.packb({"t": "a", "n": n, "at": at, "d": source[received : received + size]})
                received += len(source[received : received + size])
                lost_total += lost
                for _ in range(data.draw(st.sampled_from([1, 1, 2]))):
                    await client.send(frame)
            await client.send({"type": "end"})
            assert await client.over() == (1000, "end")
    check_invariants(client.events)
    totals = session.pump.session.ledger.totals()
    assert totals.received == received // width
    assert totals.unsettled == 0
    assert totals.transcribed + totals.silence + totals.gap == totals.received
    assert lost_total - len(chunks) <= totals.gap <= lost_total
    told_ms = sum(event["to"] - event["from"] for event in client.find(type="gap"))
    assert told_ms == pytest.approx(1000 * totals.gap / rate)


async def test_words_come_while_sound_is_sent() -> None:
    """Partial and committed words arrive during speech, never before they were said, at least one in 2 s."""
    words = [k % 7 for k in range(24)]
    data = pcm(say(words))
    async with running() as (_, address), connected(address, hello()) as client:
        await client.until(type="ready")
        sent_ms, newest_ms, seen = 0.0, 0.0, 0
        for chunk in cut(data, [3200]):
            await client.send(chunk)
            sent_ms += 100
            await client.settled()
            for event in client.events[seen:]:
                if event["type"] in ("partial", "commit"):
                    last = event["to"] if event["type"] == "partial" else event["words"][-1]["to"]
                    assert last <= sent_ms
                if event["type"] == "commit":
                    newest_ms = event["words"][-1]["to"]
            seen = len(client.events)
            if sent_ms > 1000 * LEAD_S + 2500:
                assert sent_ms - newest_ms < 2500
        assert client.find(type="commit")
        await client.send({"type": "end"})
        await client.over()
    check_invariants(client.events)
    assert client.text == spell(words)


@pytest.mark.parametrize("share", [0.3, 0.55, 0.8])
async def test_killed_speaker_leaves_only_words_already_spoken(share: float) -> None:
    """When the sender dies in mid-sentence its words so far become final for the watchers, and no other."""
    data = SOUND[: int(len(SOUND) * share) // 2 * 2]
    said = sum(LEAD_S + k * (WORD_S + GAP_S) + WORD_S / 2 < len(data) / 32000 for k in range(len(WORDS)))
    async with running(resume_s=0) as (daemon, address), AsyncExitStack() as stack:
        speaker = await stack.enter_async_context(connected(address, hello()))
        name = (await speaker.until(type="ready"))["session"]
        watcher = await stack.enter_async_context(connected(address, hello("watch"), f"/v1/watch/{name}"))
        await watcher.until(type="snapshot")
        for chunk in cut(data, [3200]):
            await speaker.send(chunk)
        await speaker.settled()
        speaker.socket.transport.abort()
        assert await watcher.over() == (1000, "speaker_left")
        assert len(daemon.sessions) == 0
    assert watcher.text == spell(WORDS[:said])
    assert watcher.events[-1] == {"type": "bye", "reason": "speaker_left"}
    assert watcher.find(type="final")


async def test_numbered_chunks() -> None:
    """Msgpack chunks are counted and acknowledged; one that comes again is not heard twice."""
    audio = {"enc": "s16le", "rate": 16000, "ch": 1}
    async with running() as (_, address), connected(address, hello(audio=audio)) as client:
        assert (await client.until(type="ready"))["next"] == 0
        for n, data in enumerate(cut(SOUND, [3200])):
            frame = msgpack.packb({"t": "a", "n": n, "at": n * 1600, "d": data})
            await client.send(frame)
            await client.send(frame)
        await client.send({"type": "end"})
        await client.over()
    check_invariants(client.events)
    assert client.text == spell(WORDS)
    assert client.find(type="ack")[-1]["n"] == len(cut(SOUND, [3200])) - 1


async def test_sound_that_the_client_lost_is_a_gap() -> None:
    """A jump of `at` becomes a gap of that length, and later words keep their true times."""
    first, second = pcm(say([0, 1, 2], lead_s=0.6)), pcm(say([3, 4], lead_s=1.0))
    lost = 4 * 16000
    audio = {"enc": "s16le", "rate": 16000, "ch": 1}
    async with running() as (_, address), connected(address, hello(audio=audio)) as client:
        await client.until(type="ready")
        await client.send(msgpack.packb({"t": "a", "n": 0, "at": 0, "d": first}))
        await client.send(msgpack.packb({"t": "a", "n": 1, "at": len(first) // 2 + lost, "d": second}))
        await client.send({"type": "end"})
        await client.over()
    check_invariants(client.events)
    (gap,) = client.find(type="gap")
    start_ms = 1000 * (len(first) // 2) / 16000
    assert (gap["from"], gap["to"]) == (start_ms, start_ms + 4000)
    assert client.text == spell([0, 1, 2, 3, 4])
    late = client.find(type="commit")[-1]["words"][-1]
    assert late["to"] > start_ms + 5000


async def test_lost_sound_may_cut_a_sample() -> None:
    """When the loss begins inside a sample, every later one keeps its place."""
    audio = {"enc": "f32le", "rate": 8000, "ch": 2}
    async with running() as (daemon, address), connected(address, hello(audio=audio)) as client:
        await client.until(type="ready")
        session = daemon.sessions.find("latest")
        assert isinstance(session, LiveSession)
        await client.send(msgpack.packb({"t": "a", "n": 0, "d": bytes(805)}))
        await client.send(msgpack.packb({"t": "a", "n": 1, "at": 8000, "d": bytes(800)}))
        await client.send({"type": "end"})
        assert await client.over() == (1000, "end")
    totals = session.pump.session.ledger.totals()
    assert (totals.received, totals.gap, totals.silence) == (8100, 8000 - 101, 201)


async def test_watcher_that_talks_nonsense_is_told() -> None:
    """A watcher's wrong messages are answered, its pings too, and it may hide what it does not want."""
    async with running() as (_, address), AsyncExitStack() as stack:
        speaker = await stack.enter_async_context(connected(address, hello()))
        await speaker.until(type="ready")
        watcher = await stack.enter_async_context(connected(address, hello("watch"), "/v1/watch/latest"))
        await watcher.until(type="snapshot")
        await watcher.send(b"sound")
        assert (await watcher.until(type="error"))["code"] == "bad_message"
        await watcher.send({"type": "flush"})
        await watcher.until(type="error", code="not_allowed")
        await watcher.send({"type": "config", "want": []})
        await watcher.settled()
        await speaker.send(SOUND)
        await speaker.send({"type": "end"})
        await watcher.over()
    assert watcher.text == spell(WORDS)
    assert not watcher.find(type="partial")


async def test_hole_between_chunks_ends_the_session_in_order() -> None:
    """A missing chunk closes the speaker with 4400; what it had said becomes final for the watchers."""
    audio = {"enc": "s16le", "rate": 16000, "ch": 1}
    async with running(resume_s=0) as (_, address), AsyncExitStack() as stack:
        client = await stack.enter_async_context(connected(address, hello(audio=audio)))
        name = (await client.until(type="ready"))["session"]
        watcher = await stack.enter_async_context(connected(address, hello("watch", session=name)))
        await watcher.until(type="ready")
        await client.send(msgpack.packb({"t": "a", "n": 0, "d": SOUND}))
        await client.send(msgpack.packb({"t": "a", "n": 2, "d": SOUND}))
        assert (await client.over())[0] == 4400
        assert client.find(type="error", code="chunk_hole", fatal=True)
        assert await watcher.over() == (1000, "protocol_error")
    assert watcher.text == spell(WORDS)


async def test_flush_mark_and_config() -> None:
    """`flush` makes words final at once, `mark` is answered after them, and settings change or are refused."""
    async with running() as (_, address), connected(address, hello()) as client:
        await client.until(type="ready")
        await client.send(SOUND)
        await client.send({"type": "flush", "id": "f"})
        await client.send({"type": "mark", "id": 7})
        marks = [await client.until(type="marked", id=label) for label in ("f", 7)]
        final = client.find(type="final")[-1]
        assert (final["reason"], client.text) == ("flush", spell(WORDS))
        assert final["seq"] < marks[0]["seq"] < marks[1]["seq"]
        await client.send({"type": "config", "prompt": "alfa bravo", "hotwords": ["golf"], "want": ["words"]})
        await client.send({"type": "config", "lang": "xx"})
        error = await client.until(type="error")
        assert (error["code"], error["fatal"]) == ("bad_config", False)
        seen = len(client.events)
        await client.send(SOUND)
        await client.send({"type": "end"})
        await client.over()
    assert not [event for event in client.events[seen:] if event["type"] in ("partial", "stats")]
    check_invariants(client.events)


async def test_marks_are_bounded() -> None:
    """The 65th mark that waits is refused, and the session goes on."""
    engine = ToneEngine()
    async with running(engine) as (_, address), connected(address, hello()) as client:
        await client.until(type="ready")
        await client.send(SOUND[: 2 * 16000])  # the last word is not over: nothing is final
        for k in range(65):
            await client.send({"type": "mark", "id": k})
        assert (await client.until(type="error"))["code"] == "too_many_marks"
        await client.send({"type": "end"})
        await client.over()
    assert len(client.find(type="marked")) == 64
    check_invariants(client.events)


async def test_late_watcher_gets_a_snapshot_and_then_everything() -> None:
    """A watcher that comes late has the same text as one that was there from the start."""
    async with running() as (_, address), AsyncExitStack() as stack:
        speaker = await stack.enter_async_context(connected(address, hello()))
        name = (await speaker.until(type="ready"))["session"]
        early = await stack.enter_async_context(connected(address, hello("watch"), f"/v1/watch/{name}"))
        await early.until(type="snapshot")
        half = len(SOUND) // 2 // 3200 * 3200
        for chunk in cut(SOUND[:half], [3200]):
            await speaker.send(chunk)
        await speaker.until(type="commit")
        late = await stack.enter_async_context(connected(address, hello("watch"), "/v1/watch/latest"))
        snapshot = await late.until(type="snapshot")
        assert "resume_token" not in late.events[0]
        await speaker.send(SOUND[half:])
        await speaker.send({"type": "end"})
        for client in (speaker, early, late):
            assert await client.over() == (1000, "end")
    assert early.text == speaker.text == spell(WORDS)
    assert f"{snapshot['text']} {late.text}".strip() == spell(WORDS)
    durable = [[event for event in client.events if "seq" in event] for client in (speaker, early, late)]
    assert durable[0] == durable[1][1:]
    assert durable[2][1:] == durable[0][snapshot["seq"] :]


async def test_watcher_comes_back_after_seq() -> None:
    """With `after_seq` exactly the missing durable events come, also after the session has ended."""
    async with running() as (_, address):
        speaker = await speak(address, [SOUND])
        name = speaker.events[0]["session"]
        durable = [event for event in speaker.events if "seq" in event]
        for after in (0, 2, len(durable)):
            async with connected(address, hello("watch", after_seq=after), f"/v1/watch/{name}") as watcher:
                assert await watcher.over() == (1000, "end")
            assert [event for event in watcher.events if "seq" in event] == durable[after:]
        async with connected(address, hello("watch", after_seq=999), f"/v1/watch/{name}") as watcher:
            await watcher.over()
        assert watcher.find(type="snapshot")[0]["text"] == spell(WORDS)
        async with connected(address, hello("watch"), "/v1/watch/latest") as watcher:
            assert (await watcher.over())[0] == 4404


async def test_msgpack_events_say_the_same() -> None:
    """A watcher that asks for msgpack gets the same events, and without `words` the text only."""
    async with running() as (_, address):
        speaker = await speak(address, [SOUND])
        url = f"ws://{address}/v1/watch/{speaker.events[0]['session']}"
        async with websocket_connect(url, subprotocols=[Subprotocol("amanuensis.v1")]) as raw:
            await raw.send(
                '{"type":"hello","proto":"amanuensis.v1","role":"watch","events":"msgpack","want":[],"after_seq":0}'
            )
            frames: list[Any] = [frame async for frame in raw]
    events = [msgpack.unpackb(frame) for frame in frames]
    assert committed_text(events) == spell(WORDS)
    assert all(word.keys() == {"text"} for event in events if event["type"] == "commit" for word in event["words"])


async def test_reader_that_stops_is_closed_and_nobody_else_notices() -> None:
    """A watcher that does not read is cut off with a stated reason; the speaker and another watcher get everything."""
    async with running(queue_events=64) as (daemon, address), AsyncExitStack() as stack:
        speaker = await stack.enter_async_context(connected(address, hello()))
        name = (await speaker.until(type="ready"))["session"]
        session = daemon.sessions.find(name)
        assert isinstance(session, LiveSession)
        good = await stack.enter_async_context(connected(address, hello("watch", session=name)))
        await good.until(type="ready")
        with _stalled_watcher(address.port, name):
            while len(session.hub.clients) < 3:
                await asyncio.sleep(0)
            count = 0
            while daemon.metrics.registry.get_sample_value("amanuensis_slow_clients_total") == 0:
                session.publish([WarningEvent("test", "x" * 4000)])
                count += 1
                await speaker.settled()
                assert max(len(queue) for queue in session.hub.clients) <= 64
                assert count < 2000
        await speaker.send({"type": "end"})
        for client in (speaker, good):
            assert await client.over() == (1000, "end")
            assert len(client.find(type="warning")) == count
        check_invariants(speaker.events)


def _stalled_watcher(port: int, session: str) -> socket.socket:
    """Return a plain socket that has asked to watch and then reads nothing."""
    stalled = socket.socket()
    stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stalled.connect(("127.0.0.1", port))
    stalled.sendall(
        f"GET /v1/watch/{session} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Protocol: amanuensis.v1\r\n\r\n".encode()
    )
    text = b'{"type":"hello","proto":"amanuensis.v1","role":"watch"}'
    stalled.sendall(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)  # RFC 6455: masked with zeros
    return stalled


async def test_fast_sender_waits_and_loses_nothing() -> None:
    """A file sent at full speed to a stalled engine is held back by TCP, bounded, and then read whole."""
    words = [k % 7 for k in range(200)]
    data = pcm(say(words))
    engine = HeldEngine()
    options = {"stream": StreamConfig(max_pending_s=40), "backlog_s": 5}
    async with (
        running(engine, **options) as (daemon, address),
        connected(address, hello(), ping_interval=None) as client,
    ):
        await client.until(type="ready")
        session = daemon.sessions.find("latest")
        assert isinstance(session, LiveSession)
        sender = asyncio.create_task(_send_all(client, cut(data, [64000])))
        while session.pump.session.lag_ms <= 5000:
            await asyncio.sleep(0)
        for _ in range(200):
            await asyncio.sleep(0)
            assert session.pump.session.lag_ms < 7000
        engine.go.set()
        await sender
        assert await client.over() == (1000, "end")
    check_invariants(client.events)
    assert not client.find(type="gap")
    assert client.text == spell(words)


async def _send_all(client: Any, chunks: list[bytes]) -> None:
    for chunk in chunks:
        await client.send(chunk)
    await client.send({"type": "end"})
