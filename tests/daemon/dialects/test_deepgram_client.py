"""Deepgram's live protocol over real sockets: its unmodified SDK, and what goes wrong."""

from __future__ import annotations

import asyncio
import io
import json
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import numpy as np
import pytest
from deepgram import AsyncDeepgramClient
from deepgram.core.api_error import ApiError
from deepgram.core.events import EventType
from deepgram.environment import DeepgramClientEnvironment
from deepgram.listen.v1.types import ListenV1Metadata, ListenV1Results, ListenV1SpeechStarted, ListenV1UtteranceEnd
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as websocket_connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from amanuensis.daemon.config import Address
from tests.helpers.daemon_client import connected, cut, hello, pcm, running
from tests.helpers.tone_engine import say

RAW = "encoding=linear16&sample_rate=16000"
SOUND = pcm(say([0, 1, 2, 3], pauses_s=[0, 1.5]))
TOKEN = "a-token-of-thirty-two-characters"


@asynccontextmanager
async def listening(address: Address, query: str = RAW, **options: Any) -> AsyncIterator[ClientConnection]:
    """Connect as a client does that has no SDK."""
    async with websocket_connect(f"ws://{address}/v1/listen?{query}", **options) as socket:
        yield socket


async def heard(socket: ClientConnection) -> tuple[list[dict[str, Any]], int, str]:
    """Return all messages until the connection is closed, and how it was."""
    messages = []
    with suppress(ConnectionClosed):
        while True:
            messages.append(json.loads(await socket.recv()))
    return messages, socket.close_code or 0, socket.close_reason or ""


def text(messages: list[dict[str, Any]], channel: int = 0) -> str:
    """Return the final words of a channel."""
    finals = [m for m in messages if m["type"] == "Results" and m["is_final"] and m["channel_index"][0] == channel]
    return " ".join(filter(None, (m["channel"]["alternatives"][0]["transcript"] for m in finals)))


async def refused(address: Address, query: str = RAW, **options: Any) -> tuple[int, dict[str, Any], Any]:
    """Return status, body and headers of a connection that is refused."""
    with pytest.raises(InvalidStatus) as error:
        async with listening(address, query, **options):
            pass
    response = error.value.response
    return response.status_code, json.loads(response.body or b"{}"), response.headers


async def test_the_unmodified_sdk_is_served() -> None:
    """Interim and final results, speech and utterance events, Finalize, KeepAlive and CloseStream, typed by the SDK."""
    got: list[Any] = []
    async with running() as (_, address):
        environment = DeepgramClientEnvironment(
            base=f"http://{address}", production=f"ws://{address}", agent="", agent_rest=""
        )
        client = AsyncDeepgramClient(api_key="any key is taken on loopback", environment=environment)
        async with client.listen.v1.connect(
            model="nova-3",
            encoding="linear16",
            sample_rate=16000,
            interim_results=True,
            vad_events=True,
            utterance_end_ms=1000,
        ) as connection:
            connection.on(EventType.MESSAGE, got.append)
            reading = asyncio.create_task(connection.start_listening())
            for piece in cut(SOUND, [3200]):
                await connection.send_media(piece)
            await connection.send_keep_alive()
            await connection.send_finalize()
            await connection.send_close_stream()
            await reading
    finals = [each for each in got if isinstance(each, ListenV1Results) and each.is_final]
    assert " ".join(filter(None, (each.channel.alternatives[0].transcript for each in finals))) == (
        "alfa bravo charlie delta"
    )
    assert any(isinstance(each, ListenV1Results) and not each.is_final for each in got)
    assert sum(isinstance(each, ListenV1SpeechStarted) for each in got) == 2
    assert sum(isinstance(each, ListenV1UtteranceEnd) for each in got) == 2
    assert any(each.from_finalize for each in finals)
    assert isinstance(got[-1], ListenV1Metadata)
    assert got[-1].duration == pytest.approx(len(SOUND) / 32000)


async def test_a_finalize_leaves_the_session_open() -> None:
    """What follows a Finalize is heard, and the tail before CloseStream is not lost."""
    async with running() as (_, address), listening(address) as socket:
        await socket.send(pcm(say([0])))
        await socket.send(json.dumps({"type": "Finalize"}))
        await socket.send(pcm(say([1])))
        await socket.send(json.dumps({"type": "CloseStream"}))
        messages, code, _ = await heard(socket)
    assert text(messages) == "alfa bravo"
    assert next(m["from_finalize"] for m in messages if m["type"] == "Results")
    assert (messages[-1]["type"], code) == ("Metadata", 1000)


async def test_a_finalize_of_nothing_is_answered_at_once() -> None:
    """There is an empty result even before any sound."""
    async with running() as (_, address), listening(address) as socket:
        await socket.send(json.dumps({"type": "Finalize"}))
        answer = json.loads(await socket.recv())
    assert answer["from_finalize"]
    assert answer["channel"]["alternatives"][0]["transcript"] == ""


async def test_channels_are_heard_by_themselves() -> None:
    """With `multichannel` each has its own words and index."""
    one, two = say([0, 1]), say([5, 6])
    sound = pcm(np.stack([one, two], axis=1).reshape(-1))
    async with running() as (_, address), listening(address, f"{RAW}&channels=2&multichannel=true") as socket:
        for piece in cut(sound, [3201]):
            await socket.send(piece)
        await socket.send(json.dumps({"type": "CloseStream"}))
        messages, _, _ = await heard(socket)
    assert [text(messages, 0), text(messages, 1)] == ["alfa bravo", "foxtrot golf"]
    assert messages[-1]["channels"] == 2


async def test_a_wav_file_says_its_own_format() -> None:
    """Without an encoding the header is read, also when it comes in pieces."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(8000)
        writer.writeframes(pcm(say([2], rate=8000)))
    async with running() as (_, address), listening(address, "model=nova-3") as socket:
        for piece in cut(file.getvalue(), [10, 7000]):
            await socket.send(piece)
        await socket.send(b"")  # an empty frame ends the stream, as with Deepgram
        messages, code, _ = await heard(socket)
    assert (text(messages), code) == ("charlie", 1000)


async def test_what_is_no_sound_is_refused_in_its_form() -> None:
    """Bytes without a header and without an encoding are DATA-0000."""
    async with running() as (daemon, address), listening(address, "model=nova-3") as socket:
        await socket.send(b"this is not a sound file")
        messages, code, reason = await heard(socket)
        assert len(daemon.sessions) == 0
    assert (messages[0]["type"], code) == ("Error", 1008)
    assert reason.startswith("DATA-0000: ")


async def test_silence_on_the_line_is_net_0001() -> None:
    """Without sound or KeepAlive the connection is closed, and what was heard before is told."""
    async with running(idle_s=1) as (_, address), listening(address) as socket:
        await socket.send(pcm(say([0, 1])))
        messages, code, reason = await heard(socket)
    assert (code, reason[:8]) == (1011, "NET-0001")
    assert text(messages) == "alfa bravo"
    assert messages[-1]["type"] == "Metadata"


async def test_a_wrong_message_is_answered_and_survived() -> None:
    """A schema error names what came and what may come; too many end the connection."""
    async with running() as (_, address), listening(address) as socket:
        for bad in ("{", '{"type": "Finalise"}', "[]", '{"type": "Finalize", "channel": 3}'):
            await socket.send(bad)
            answer = json.loads(await socket.recv())
            assert (answer["type"], answer["variant"], answer["message"]) == ("Error", "SchemaError", bad)
        for _ in range(16):
            await socket.send("{")
        messages, code, _ = await heard(socket)
    assert (messages[-1]["type"], code) == ("Metadata", 1008)


async def test_the_answer_names_the_request_and_what_has_no_effect() -> None:
    """`dg-request-id` is that of the results; parameters without effect stand in a header and in Metadata."""
    async with running() as (_, address), listening(address, f"{RAW}&redact=pci&foo=1") as socket:
        assert socket.response is not None
        headers = socket.response.headers
        await socket.send(json.dumps({"type": "CloseStream"}))
        messages, _, _ = await heard(socket)
    assert messages[-1]["request_id"] == headers["dg-request-id"]
    assert "redact has no effect" in headers["dg-warning"]
    assert "unknown parameter 'foo' has no effect" in messages[-1]["warnings"]


async def test_new_key_terms_are_confirmed() -> None:
    """`Configure` says what holds now, and `Metadata` what of it had no effect."""
    asked = [{"keyterms": ["Ada"]}, {"keyterms": None}, {"keyterms": [], "features": {"numerals": True}}]
    async with running() as (_, address), listening(address) as socket:
        for fields in asked:
            await socket.send(json.dumps({"type": "Configure"} | fields))
        await socket.send(json.dumps({"type": "CloseStream"}))
        messages, _, _ = await heard(socket)
    assert [message.get("keyterms") for message in messages[:3]] == [["Ada"], None, []]
    assert {message["type"] for message in messages[:3]} == {"ConfigureSuccess"}
    assert messages[-1]["warnings"] == ["Configure: 'features' has no effect here"]


async def test_a_stream_without_a_byte_has_its_metadata_too() -> None:
    """Who closes before any header of a WAV stream came is told that nothing was heard."""
    async with running() as (_, address), listening(address, "model=nova-3") as socket:
        await socket.send(json.dumps({"type": "CloseStream"}))
        messages, code, _ = await heard(socket)
    assert [(message["type"], message["duration"]) for message in messages] == [("Metadata", 0.0)]
    assert code == 1000


async def test_keys_are_taken_in_three_ways_where_there_are_tokens() -> None:
    """`Token`, `Bearer`, and for browsers the subprotocol `token, KEY`, of which `token` is echoed."""
    async with running(token=TOKEN) as (_, address):
        for scheme in ("Token", "token", "Bearer"):
            async with listening(address, additional_headers={"Authorization": f"{scheme} {TOKEN}"}) as socket:
                await socket.send(json.dumps({"type": "CloseStream"}))
                assert (await heard(socket))[1] == 1000
        async with listening(address, subprotocols=[Subprotocol("token"), Subprotocol(TOKEN)]) as socket:
            assert socket.subprotocol == "token"
        status, body, headers = await refused(address, additional_headers={"Authorization": "Token wrong"})
        assert (status, body["err_code"]) == (401, "INVALID_AUTH")
        assert headers["dg-request-id"] == body["request_id"]
        assert (await refused(address))[0] == 401


async def test_what_cannot_be_is_refused_before_the_upgrade() -> None:
    """The status is 400, and JSON and `dg-error` say why."""
    async with running() as (_, address):
        status, body, headers = await refused(address, "encoding=opus&sample_rate=48000")
        assert status == 400
        assert body["err_msg"] == headers["dg-error"]
        assert "encoding is 'opus'" in body["err_msg"]
        status, body, _ = await refused(address, f"{RAW}&language=xx")
        assert (status, "language 'xx' is not known to model tones" in body["err_msg"]) == (400, True)


async def test_files_are_refused_in_its_form() -> None:
    """Who sends a whole file by POST, as the SDK does for recordings, reads what it may do instead."""
    async with running() as (_, address):
        environment = DeepgramClientEnvironment(base=f"http://{address}", production="", agent="", agent_rest="")
        client = AsyncDeepgramClient(api_key="any", environment=environment, max_retries=0)
        with pytest.raises(ApiError) as refused:
            await client.listen.v1.media.transcribe_file(request=SOUND * 20, model="nova-3")
    assert refused.value.status_code == 405
    assert "files are not taken here; stream them" in refused.value.body["err_msg"]
    assert refused.value.body["request_id"] == refused.value.headers["dg-request-id"]  # type: ignore[index]


async def test_a_full_daemon_says_so() -> None:
    """The refusal has the form of the dialect and says when to try again."""
    async with running(sessions=1) as (_, address), connected(address, hello()) as speaker:
        await speaker.until(type="ready")
        status, body, headers = await refused(address)
    assert (status, body["err_code"]) == (503, "UNAVAILABLE")
    assert int(headers["Retry-After"]) > 0


async def test_channels_for_which_there_is_no_room_are_refused_together() -> None:
    """Half of a conversation is of no use: no session is left open."""
    async with running(sessions=1) as (daemon, address):
        async with listening(address, f"{RAW}&channels=2&multichannel=true") as socket:
            messages, code, _ = await heard(socket)
        assert (messages[0]["type"], messages[0]["variant"], code) == ("Error", "full", 1013)
        await asyncio.gather(*(session.task for session in daemon.sessions.live if session.task))
        assert len(daemon.sessions) == 0


async def test_others_can_watch_what_a_deepgram_client_says() -> None:
    """Its session is one like any other; when it goes without a word, what it said becomes final."""
    async with running() as (_, address), listening(address) as socket:
        await socket.send(pcm(say([0, 1])))
        await socket.send(json.dumps({"type": "KeepAlive"}))
        async with connected(address, hello("watch"), "/v1/watch/latest") as watcher:
            await watcher.until(type="ready")
            socket.transport.abort()
            await watcher.over()
    assert watcher.text == "alfa bravo"


async def test_the_end_of_the_daemon_loses_no_words() -> None:
    """A client that cannot come back gets its finals and Metadata before it is told to go."""
    async with running() as (daemon, address), listening(address) as socket:
        await socket.send(pcm(say([0, 1])))
        await socket.send(json.dumps({"type": "Finalize"}))
        await socket.recv()
        await socket.send(pcm(say([2])))
        await socket.ping()
        await daemon.drain()
        messages, code, reason = await heard(socket)
    assert (messages[-1]["type"], code, reason) == ("Metadata", 1001, "shutdown")


async def test_a_client_that_never_reads_is_closed() -> None:
    """What waits for it is bounded; it loses its own connection and nothing else."""
    deaf = {"max_queue": 1, "ping_interval": None}  # nor does it hang up by itself because no pong comes
    async with running(queue_events=64) as (daemon, address), listening(address, **deaf) as socket:
        answered_at_length = json.dumps({"type": "Configure", "keyterms": ["x" * 60] * 100})
        with suppress(ConnectionClosed):
            while True:
                await socket.send(answered_at_length)
        while daemon.sessions.live:
            await asyncio.gather(*(session.task for session in daemon.sessions.live if session.task))
        assert daemon.metrics.slow_clients._value.get() == 1


async def test_words_come_before_the_error_that_ends_the_session() -> None:
    """A fault of the server is told in the form of the dialect, after what was final, and without a wait."""
    async with running() as (daemon, address), listening(address) as socket:
        await socket.send(pcm(say([0, 1])))
        await socket.send(json.dumps({"type": "Finalize"}))
        before = json.loads(await socket.recv())
        daemon.sessions.live[0].pump.attempt(lambda: 1 // 0)
        messages, code, _ = await heard(socket)
    assert text([before, *messages]) == "alfa bravo"
    assert [message["type"] for message in messages[-2:]] == ["Error", "Metadata"]
    assert (messages[-2]["variant"], code) == ("internal", 1011)


async def test_sound_that_was_not_heard_is_told() -> None:
    """There is no message for a gap: Metadata names it."""
    async with running() as (daemon, address), listening(address) as socket:
        await socket.send(pcm(say([0])))
        await socket.send(json.dumps({"type": "Finalize"}))
        await socket.recv()
        daemon.sessions.live[0].lose(16_000, "a test")
        await socket.send(json.dumps({"type": "CloseStream"}))
        messages, _, _ = await heard(socket)
    assert messages[-1]["warnings"] == ["1.00 to 2.00 s were not heard: a test"]


@pytest.mark.parametrize(("query", "n_ends"), [("", 2), ("&endpointing=3000", 1), ("&endpointing=false", 0)])
async def test_the_silence_that_ends_speech_is_the_clients(query: str, n_ends: int) -> None:
    """A pause of 1.6 s ends speech by our own rules, but not where more was asked for, or no endpoint at all."""
    async with running() as (_, address), listening(address, RAW + query) as socket:
        await socket.send(SOUND)
        await socket.send(json.dumps({"type": "CloseStream"}))
        messages, _, _ = await heard(socket)
    assert text(messages) == "alfa bravo charlie delta"
    assert sum(message.get("speech_final", False) for message in messages) == n_ends
