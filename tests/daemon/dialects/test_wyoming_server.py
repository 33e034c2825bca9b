"""Wyoming over real sockets: the unmodified client library, as Home Assistant drives it, and what goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from wyoming.asr import Transcribe, Transcript, TranscriptChunk
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncClient
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import Describe, Info

from amanuensis.daemon.access import Access
from amanuensis.daemon.addresses import Address, parse_address
from amanuensis.daemon.dialects.settings import WyomingSettings
from amanuensis.daemon.dialects.wyoming_server import WyomingServer, check_trust, is_trusted
from amanuensis.daemon.listeners import ServeError, open_listeners
from amanuensis.daemon.security import Security
from amanuensis.daemon.server import Daemon
from tests.helpers.daemon_client import connected, cut, hello, pcm, running
from tests.helpers.tone_engine import ToneEngine, say

START = b'{"type": "audio-start", "data": {"rate": 16000, "width": 2, "channels": 1}}\n'
TOKEN = "a-token-of-thirty-two-characters"


@asynccontextmanager
async def serving(
    listen: str = "127.0.0.1:0", *, trusted: tuple[str, ...] = (), token: str | None = None, **limits: float
) -> AsyncIterator[tuple[Daemon, str]]:
    """Run a daemon with Wyoming beside it; gives its address for the client library."""
    settings = WyomingSettings(listen, trusted)
    engine = ToneEngine()
    async with running(engine, token, **limits) as (daemon, _):
        with open_listeners(settings.addresses, {}) as listeners:
            server = WyomingServer(daemon, engine, settings)
            address = str(listeners[0].address)
            await server.listen(listeners[0])
            try:
                yield daemon, f"unix://{address.removeprefix('unix:')}" if "unix" in address else f"tcp://{address}"
            finally:
                await server.aclose()


async def speak(client: AsyncClient, words: list[int], *, stop: bool = True) -> None:
    """Send a cycle as Home Assistant does."""
    await client.write_event(Transcribe(language="en").event())
    await client.write_event(AudioStart(16000, 2, 1).event())
    for piece in cut(pcm(say(words, pauses_s=[0, 1.2])), [2048]):
        await client.write_event(AudioChunk(16000, 2, 1, piece).event())
    if stop:
        await client.write_event(AudioStop().event())


async def answer(client: AsyncClient) -> list[Event]:
    """Read until the end of a cycle or of the connection."""
    events: list[Event] = []
    while (event := await client.read_event()) is not None:
        events.append(event)
        if event.type in ("transcript-stop", "error"):
            return events
    return events


async def test_the_unmodified_client_gets_info_chunks_and_transcripts() -> None:
    """Several cycles on one connection, each with its chunks and the transcript after them."""
    async with serving() as (_, uri), AsyncClient.from_uri(uri) as client:
        await client.write_event(Describe().event())
        info = await client.read_event()
        assert info is not None
        (program,) = Info.from_event(info).asr
        assert program.supports_transcript_streaming
        assert (program.models[0].name, program.models[0].languages, program.installed) == ("tones", ["en"], True)
        for words, text in (([0, 1, 2], "alfa bravo charlie"), ([3], "delta")):
            await speak(client, words)
            events = await answer(client)
            chunks = [TranscriptChunk.from_event(event).text for event in events if TranscriptChunk.is_type(event.type)]
            transcript = Transcript.from_event(events[-2])
            assert (transcript.text, transcript.language) == (text, "en")
            assert "".join(chunks) == text


async def test_words_come_while_people_still_speak() -> None:
    """A chunk is there before the sound has ended."""
    async with serving() as (_, uri), AsyncClient.from_uri(uri) as client:
        await speak(client, [0, 1, 2, 3], stop=False)
        while (event := await client.read_event()) is not None and not TranscriptChunk.is_type(event.type):
            pass
        assert event is not None
        assert TranscriptChunk.from_event(event).text == "alfa"


async def test_a_unix_socket_is_served(tmp_path: Path) -> None:
    """The kernel says who is there: tokens are not needed."""
    async with serving(f"unix:{tmp_path}/w.sock", token=TOKEN) as (_, uri), AsyncClient.from_uri(uri) as client:
        await speak(client, [4])
        assert Transcript.from_event((await answer(client))[-2]).text == "echo"


async def test_where_there_are_tokens_an_address_must_be_trusted() -> None:
    """Wyoming has no place for a token: who comes from a trusted network may speak, nobody else."""
    for trusted, kind in (((), "error"), (("10.0.0.0/8",), "error"), (("127.0.0.0/8",), "transcript-stop")):
        async with serving(token=TOKEN, trusted=trusted) as (_, uri), AsyncClient.from_uri(uri) as client:
            try:
                await speak(client, [0])
            except ConnectionError:
                assert kind == "error"
                continue
            assert (await answer(client))[-1].type == kind


def test_an_address_for_others_needs_somebody_who_is_trusted() -> None:
    """The daemon does not start with a door that anybody in the network could use."""
    open_house = Security(Access(), None)
    check_trust(WyomingSettings("127.0.0.1:10300"), open_house)
    check_trust(WyomingSettings("0.0.0.0:10300", ("192.168.1.0/24",)), open_house)
    with pytest.raises(ServeError, match=r"name who may speak there in wyoming\.trusted"):
        check_trust(WyomingSettings("0.0.0.0:10300"), open_house)


@pytest.mark.parametrize(
    ("host", "trusted"),
    [("192.168.1.7", True), ("::ffff:192.168.1.7", True), ("fe80::1%eth0", True), ("192.168.2.7", False), ("", False)],
)
def test_networks_are_known_by_their_addresses(host: str, trusted: bool) -> None:
    """An address is what it is, whichever socket it comes by."""
    networks = WyomingSettings("0.0.0.0:1", ("192.168.1.0/24", "fe80::/10")).networks
    assert is_trusted(host, networks) == trusted


async def test_an_unknown_language_is_an_error_event() -> None:
    """The error has the dialect's own form, and the connection is closed."""
    async with serving() as (daemon, uri), AsyncClient.from_uri(uri) as client:
        await client.write_event(Transcribe(language="xx").event())
        await client.write_event(AudioStart(16000, 2, 1).event())
        events = await answer(client)
        error = Error.from_event(events[0])
        assert (error.code, "language 'xx' is not known to model tones" in error.text) == ("bad_request", True)
        assert await client.read_event() is None
        assert len(daemon.sessions) == 0


async def test_a_full_daemon_says_so() -> None:
    """Nobody waits for a transcript that will not come."""
    async with serving(sessions=1) as (_, uri), AsyncClient.from_uri(uri) as one, AsyncClient.from_uri(uri) as two:
        await one.write_event(AudioStart(16000, 2, 1).event())
        await one.write_event(Describe().event())
        await one.read_event()  # the session is open
        await two.write_event(AudioStart(16000, 2, 1).event())
        assert Error.from_event((await answer(two))[0]).code == "full"


async def test_garbage_is_an_error_event_and_the_end() -> None:
    """A browser that is led here gets nowhere."""
    async with serving() as (_, uri):
        host, _, port = uri.removeprefix("tcp://").rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b'"code": "bad_frame"' in await reader.read()
        writer.close()


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        (b'{"type": "audio-chunk", "payload_length": 5000}\n123', "the connection ended within 'audio-chunk'"),
        (START + b'{"type": "describe"}\n', "the connection ended before audio-stop"),
    ],
)
async def test_what_breaks_off_is_told(sent: bytes, says: str) -> None:
    """Who closes its side in the middle of a frame or of a cycle can still read that no transcript will come."""
    async with serving() as (daemon, uri):
        host, _, port = uri.removeprefix("tcp://").rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(sent)
        writer.write_eof()
        assert says in (await reader.read()).decode()
        writer.close()
        await asyncio.gather(*(session.task for session in daemon.sessions.live if session.task))


async def test_a_client_that_goes_silent_is_told_and_closed() -> None:
    """What it said is final for those who watch."""
    async with serving(idle_s=1) as (daemon, uri), AsyncClient.from_uri(uri) as client:
        await speak(client, [0, 1], stop=False)
        events = await answer(client)
        assert Error.from_event(events[-1]).code == "idle"
        await asyncio.gather(*(session.task for session in daemon.sessions.live if session.task))
        assert "".join(word.text for words in daemon.sessions.ended[0].journal.utterances() for word in words) == (
            " alfa bravo"
        )


async def test_who_hangs_up_leaves_its_words_behind() -> None:
    """A half-open cycle becomes final, and its session does not stay."""
    async with serving() as (daemon, uri):
        async with AsyncClient.from_uri(uri) as client:
            await speak(client, [0, 1], stop=False)
            await client.write_event(Describe().event())
            while (event := await client.read_event()) is not None and event.type != "info":
                pass
        (session,) = daemon.sessions.live or [None]
        if session is not None and session.task is not None:
            await asyncio.gather(session.task)
        assert [ended.reason for ended in daemon.sessions.ended] == ["speaker_left"]


async def test_the_end_of_the_daemon_loses_no_words() -> None:
    """A client in the middle of a sentence gets the transcript of what it said."""
    async with serving() as (daemon, uri), AsyncClient.from_uri(uri) as client:
        await speak(client, [0, 1], stop=False)
        await client.write_event(Describe().event())
        while (event := await client.read_event()) is not None and event.type != "info":
            pass
        await daemon.drain()
        events = await answer(client)
        assert Transcript.from_event(events[-2]).text.endswith("bravo")


async def test_others_can_watch() -> None:
    """A session of Wyoming is one like any other."""
    async with serving() as (daemon, uri), AsyncClient.from_uri(uri) as client:
        await speak(client, [0], stop=False)
        await client.write_event(Describe().event())
        while (event := await client.read_event()) is not None and event.type != "info":
            pass
        async with connected(address_of(daemon), hello("watch"), "/v1/watch/latest") as watcher:
            await watcher.until(type="ready")
            await client.write_event(AudioStop().event())
            await watcher.over()
        assert watcher.text == "alfa"


async def test_a_client_that_never_reads_is_closed() -> None:
    """It is not waited for longer than a ping would be."""
    async with serving(ping_s=0.2) as (daemon, uri):
        host, _, port = uri.removeprefix("tcp://").rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
        question = b'{"type": "ping", "data": {"text": "%b"}}\n' % (b"x" * 60_000)
        with suppress(ConnectionError):
            while not writer.is_closing():
                writer.write(question)
                await writer.drain()
        assert daemon.metrics.slow_clients._value.get() == 1
        assert reader.exception() is not None or not reader.at_eof()


def address_of(daemon: Daemon) -> Address:
    """Return where its WebSocket is."""
    return parse_address(daemon.urls[0].removeprefix("ws://").removesuffix("/v1/session"))
