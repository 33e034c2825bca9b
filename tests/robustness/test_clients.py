"""Clients that misbehave hurt themselves only."""

from __future__ import annotations

import asyncio
import json
import select
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgpack
import numpy as np
import pytest
from numpy.typing import NDArray
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as ws_connect
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from amanuensis.daemon.client import PROTO, ClientError, Hello, connect
from amanuensis.stream.formats import AudioFormat
from tests.helpers.daemon_process import MONO_16K, DaemonProcess, caption, check_whole, speak, text_of

HELLO = {"type": "hello", "proto": PROTO, "role": "speak", "audio": {"enc": "s16le", "rate": 16_000, "ch": 1}}
N_CLIENTS = 20


def hello(**changes: object) -> str:
    """A hello with something changed."""
    return json.dumps({**HELLO, **changes})


def audio(**changes: object) -> str:
    """A hello with another audio format."""
    return hello(audio={"enc": "s16le", "rate": 16_000, "ch": 1, **changes})


@asynccontextmanager
async def raw(url: str, *first: str | bytes) -> AsyncIterator[ClientConnection]:
    """A bare WebSocket that has sent some frames."""
    async with ws_connect(url, subprotocols=[Subprotocol(PROTO)], ping_interval=None) as socket:
        for frame in first:
            await socket.send(frame)
        yield socket


async def answers(socket: ClientConnection) -> tuple[list[dict[str, object]], int | None]:
    """Return everything that the server says until it closes, and its close code."""
    said = []
    try:
        while True:
            said.append(json.loads(await socket.recv()))
    except ConnectionClosed as closed:
        return said, closed.rcvd.code if closed.rcvd else None


async def test_twenty_clients_at_once(daemon: DaemonProcess, speech: NDArray[np.float32]) -> None:
    """Twenty speakers at once all get their words, numbered without holes, and a goodbye."""
    sessions = await asyncio.gather(*(caption(daemon.url, speech) for _ in range(N_CLIENTS)))
    alone = text_of(await caption(daemon.url, speech)).lower().split()
    for events in sessions:
        check_whole(events)
        assert not [event for event in events if event["type"] == "gap"]
        heard = text_of(events).lower().split()
        assert abs(len(heard) - len(alone)) <= 0.2 * len(alone)
    assert daemon.readiness()["sessions"] == 0


BAD_FIRST_FRAMES: Sequence[tuple[str | bytes, str]] = [
    ("not json", "JSON"),
    ("[1, 2]", "object"),
    ('{"type": "dance"}', "dance"),
    ('{"type": "end"}', "hello"),
    (b"\x00\xff\xfe", "hello"),
    (hello(proto="amanuensis.v9"), "amanuensis.v9"),
    (hello(role="sing"), "sing"),
    (hello(audio=None), "audio"),
    (hello(lang="Englisch"), "Englisch"),
    (hello(surprise=1), "surprise"),
    (audio(rate=7), "7"),
    (audio(rate=10**9), "1000000000"),
    (audio(rate=44_100.5), "44100.5"),
    (audio(ch=0), "0"),
    (audio(enc="mp3"), "mp3"),
    (audio(enc="opus"), "opus"),
    ("[" * 4000, "JSON"),
]


@pytest.mark.parametrize(("frame", "named"), BAD_FIRST_FRAMES)
async def test_bad_first_frames_are_refused_by_name(daemon: DaemonProcess, frame: str | bytes, named: str) -> None:
    """What is wrong with the first frame is said in one line that names it, and the connection is closed with 4400."""
    async with raw(daemon.url, frame) as socket:
        said, code = await answers(socket)
    assert code == 4400
    (error,) = said
    assert error["type"] == "error"
    assert error["fatal"] is True
    assert named in str(error["message"])
    assert "\n" not in str(error["message"])


GARBAGE: Sequence[str | bytes] = [
    b"",
    b"\xc1",
    b"\x81\xa1t\xa1a",
    msgpack.packb([0] * 10),
    msgpack.packb({"t": "a", "n": -1, "d": b""}),
    msgpack.packb({"t": "a", "n": 0, "d": [0] * 10}),
    msgpack.packb({"t": "a", "n": 0, "at": 2**60, "d": b"\0\0"}),
    "}{",
    '{"type": "mark"}',
    '{"type": "config", "rate": 5}',
    '{"type": "hello"}',
]


@pytest.mark.parametrize("frame", GARBAGE)
async def test_garbage_in_a_session_is_answered(daemon: DaemonProcess, frame: str | bytes) -> None:
    """A bad frame after `ready` gets an error or a warning with code and message, and no traceback or silence."""
    async with raw(daemon.url, hello()) as socket:
        assert json.loads(await socket.recv())["type"] == "ready"
        await socket.send(frame)
        await socket.send('{"type": "end"}')
        said, _ = await answers(socket)
    complaints = [event for event in said if event["type"] in ("error", "warning")]
    assert complaints, said
    assert all(event["code"] and event["message"] for event in complaints)


async def test_too_large_frames_close_only_their_connection(daemon: DaemonProcess, speech: NDArray[np.float32]) -> None:
    """A frame above the limit closes with 1009; a speaker beside it does not notice."""

    async def flood() -> int | None:
        async with raw(daemon.url, hello()) as socket:
            assert json.loads(await socket.recv())["type"] == "ready"
            await socket.send(bytes(2**20 + 1))
            return (await answers(socket))[1]

    events, code = await asyncio.gather(caption(daemon.url, speech), flood())
    assert code == 1009
    check_whole(events)


@pytest.mark.parametrize("rate", [8_000, 11_025, 44_100, 48_000])
async def test_wrong_but_possible_rates_are_taken_at_their_word(daemon: DaemonProcess, rate: int) -> None:
    """Sound of any allowed rate and of noise ends in a whole session, whatever was heard."""
    noise = np.random.default_rng(rate).standard_normal(rate).astype(np.float32) * np.float32(0.1)
    events = await caption(daemon.url, noise, Hello(audio=AudioFormat("f32le", rate, 1)))
    check_whole(events)


async def test_not_a_number_and_clipping_are_survived_and_told(
    daemon: DaemonProcess, speech: NDArray[np.float32]
) -> None:
    """NaN, infinity and samples far outside of [-1, 1] cost no session; a warning says what was found."""
    broken = speech.copy()
    broken[1000:2000] = np.nan
    broken[3000:3100] = np.inf
    broken[5000:5100] = -1e30
    events = await caption(daemon.url, broken)
    check_whole(events)
    assert [event for event in events if event["type"] == "warning"]
    assert text_of(events)


async def test_a_session_without_sound_ends_well(daemon: DaemonProcess) -> None:
    """`end` right after `ready` gives `bye` and no words."""
    events = await caption(daemon.url, np.zeros(0, np.float32))
    check_whole(events)
    assert text_of(events) == ""


async def test_killing_the_sender_leaves_only_what_was_said(daemon: DaemonProcess, speech: NDArray[np.float32]) -> None:
    """A connection cut in mid-sentence ends its session with words of the sound that came; the next one is served."""
    sent_s = 2
    async with connect(daemon.url, Hello(audio=MONO_16K)) as client:
        watch = daemon.url.replace("/v1/session", f"/v1/watch/{client.session}")
        async with connect(watch, Hello(role="watch")) as watcher:
            await client.send_audio(speech[: sent_s * 16_000].tobytes())
            await client.aclose()
            events = [event async for event in watcher]
    check_whole(events)
    words = [word for event in events if event["type"] == "commit" for word in event["words"]]
    assert words
    assert all(0 <= word["from"] <= word["to"] <= sent_s * 1000 for word in words)
    check_whole(await caption(daemon.url, speech))


async def test_a_speaker_that_does_not_read_is_closed(daemon: DaemonProcess, speech: NDArray[np.float32]) -> None:
    """A client that answers no pings is cut off, and a speaker beside it gets all its words meanwhile."""
    stalled = await asyncio.to_thread(open_and_ignore, daemon.url)
    with stalled:
        check_whole(await caption(daemon.url, speech))
        assert await asyncio.to_thread(wait_for_hangup, stalled)


async def test_a_watcher_that_does_not_read_is_closed(daemon: DaemonProcess, speech: NDArray[np.float32]) -> None:
    """A stalled watcher of a session costs the session nothing: the speaker gets every word and its goodbye."""
    async with connect(daemon.url, Hello(audio=MONO_16K)) as client, asyncio.TaskGroup() as tasks:
        watch = daemon.url.replace("/v1/session", f"/v1/watch/{client.session}")
        stalled = await asyncio.to_thread(open_and_ignore, watch, {"type": "hello", "proto": PROTO, "role": "watch"})
        tasks.create_task(speak(client, speech.tobytes()))
        events = [event async for event in client]
    with stalled:
        check_whole(events)
        assert await asyncio.to_thread(wait_for_hangup, stalled)


async def test_silence_before_hello_is_closed(daemon: DaemonProcess) -> None:
    """A connection that never says hello is closed after the time for it."""
    async with raw(daemon.url) as socket:
        said, code = await answers(socket)
    assert code == 4408
    assert "no_hello" in str(said)


async def test_unknown_session_is_refused(daemon: DaemonProcess) -> None:
    """Watching a session that does not exist is refused with a message that names it."""
    with pytest.raises(ClientError, match="no-such-session"):
        async with connect(daemon.url.replace("/v1/session", "/v1/watch/no-such-session"), Hello(role="watch")):
            pass


def open_and_ignore(url: str, first: dict[str, object] | None = None) -> socket.socket:
    """Open a WebSocket, say hello and never read again."""
    uri = parse_uri(url)
    protocol = ClientProtocol(uri, subprotocols=[Subprotocol(PROTO)])
    protocol.send_request(protocol.connect())
    link = socket.create_connection((uri.host, uri.port))
    link.sendall(b"".join(protocol.data_to_send()))
    protocol.receive_data(link.recv(65536))
    protocol.send_text(json.dumps(first or HELLO).encode())
    link.sendall(b"".join(protocol.data_to_send()))
    return link


def wait_for_hangup(link: socket.socket) -> bool:
    """Wait, without reading, until the other side has closed; the test's own time limit bounds it."""
    poll = select.poll()
    poll.register(link, select.POLLRDHUP | select.POLLHUP | select.POLLERR)
    return bool(poll.poll())
