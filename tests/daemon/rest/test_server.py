"""OpenAI's REST API over real sockets: the unmodified SDK, and what goes wrong."""

from __future__ import annotations

import asyncio
import io
import json
import ssl
import tempfile
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
import pytest
import soundfile
from openai import AsyncOpenAI

from amanuensis.daemon.addresses import parse_address
from amanuensis.daemon.config import Config, LimitSettings, ServerSettings
from amanuensis.daemon.dialects.settings import RestSettings
from amanuensis.daemon.listeners import open_listeners
from amanuensis.daemon.pipeline import Pipeline
from amanuensis.daemon.rest.server import RestServer
from amanuensis.daemon.server import Daemon
from amanuensis.npu.window import WindowJob, WindowResult
from tests.helpers.certificates import make_certificate
from tests.helpers.daemon_client import connected, cut, hello, pcm
from tests.helpers.tone_engine import INFO, ToneEngine, ToneTokenizer, say

TOKEN = "a-token-of-thirty-two-characters"
MULTILINGUAL = replace(INFO, multilingual=True, languages=("en", "de"))


@asynccontextmanager
async def serving(
    engine: ToneEngine | None = None,
    token: str | None = None,
    limits: dict[str, float] | None = None,
    listen: str = "127.0.0.1:0",
    server: dict[str, str] | None = None,
    **settings: Any,
) -> AsyncIterator[tuple[Daemon, str]]:
    """Run a daemon with the REST API beside it; gives HOST:PORT."""
    engine = engine or ToneEngine()
    rest = RestSettings(listen, **settings)
    config = Config(
        ServerSettings("127.0.0.1:0", token, **(server or {})),
        limits=LimitSettings(**(limits or {})),  # type: ignore[arg-type]  # whole numbers where they must be
    )
    daemon = Daemon(config, engine, ToneTokenizer())
    async with daemon.listening():
        pipeline = Pipeline(engine, ToneTokenizer(), Config())  # type: ignore[arg-type]  # all that is used of it
        with open_listeners(rest.addresses, {}) as listeners:
            server = RestServer(daemon, lambda: pipeline, rest)
            address = str(listeners[0].address)
            await server.listen(listeners[0])
            try:
                yield daemon, address
            finally:
                await server.aclose()


def sdk(address: str, key: str = "any key is taken on loopback") -> AsyncOpenAI:
    """Return the client as a program makes it."""
    return AsyncOpenAI(api_key=key, base_url=f"http://{address}/v1", max_retries=0)


def wav(words: list[int], rate: int = 16_000) -> bytes:
    """Return a WAV file in which these words are said."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(pcm(say(words, rate=rate, pauses_s=[0, 1.2])))
    return file.getvalue()


def encoded(words: list[int], form: str, codec: str) -> bytes:
    """Return a file of a container that only FFmpeg's libraries read."""
    av = pytest.importorskip("av")
    file = io.BytesIO()
    with av.open(file, "w", format=form) as container:
        stream = container.add_stream(codec, rate=48_000, layout="mono")
        sound = (say(words, rate=48_000) * 32767).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(sound, format="s16", layout="mono")
        frame.sample_rate = 48_000
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return file.getvalue()


def open_files() -> set[str]:
    """Return the names of the files that this process has open, deleted ones included."""
    names = set()
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # of one that was closed meanwhile
            names.add(str(entry.readlink()))
    return {name for name in names if name.startswith(tempfile.gettempdir())}


async def exchange(address: str, request: bytes, *, finish: bool = True) -> tuple[int, dict[str, Any]]:
    """Send bytes; return status and body of the answer."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    if finish:
        writer.write_eof()
    raw = await reader.read()
    writer.close()
    head, _, body = raw.partition(b"\r\n\r\n")
    return int(head.split()[1]) if head else 0, json.loads(body) if body else {}


def post(body: bytes, *, length: int | None = None, kind: str = "multipart/form-data; boundary=x") -> bytes:
    """Return the bytes of a request."""
    head = f"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
    return head.encode() + f"Content-Length: {len(body) if length is None else length}\r\n\r\n".encode() + body


def part(name: str, data: bytes, filename: str | None = None) -> bytes:
    """Return a part of a form."""
    file = f'; filename="{filename}"' if filename else ""
    return f'--x\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + data + b"\r\n"


CHUNKED = post(b"").partition(b"Content-Length")[0] + b"Transfer-Encoding: chunked\r\n\r\n"


async def test_the_unmodified_sdk_gets_every_form() -> None:
    """JSON, text, SRT, VTT and `verbose_json` with words and segments."""
    async with serving() as (daemon, address), sdk(address) as client:
        speech = client.audio.transcriptions
        file = ("talk.wav", wav([0, 1, 2]))
        assert (await speech.create(model="whisper-1", file=file)).text == "alfa bravo charlie"
        assert await speech.create(model="tones", file=file, response_format="text") == "alfa bravo charlie\n"
        assert "00:00:00,740 -->" in await speech.create(model="tones", file=file, response_format="srt")
        assert (await speech.create(model="tones", file=file, response_format="vtt")).startswith("WEBVTT")
        verbose = await speech.create(
            model="tones",
            file=file,
            response_format="verbose_json",
            language="en",
            timestamp_granularities=["word", "segment"],
        )
    assert daemon.metrics.files._value.get() == 5
    assert daemon.metrics.file_s._value.get() == pytest.approx(5 * (verbose.duration or 0))
    assert (verbose.text, verbose.language) == ("alfa bravo charlie", "english")
    assert verbose.duration == pytest.approx(3.0, abs=0.1)
    assert [word.word for word in verbose.words or []] == ["alfa", "bravo", "charlie"]
    assert "".join(segment.text for segment in verbose.segments or []).strip() == verbose.text


async def test_words_are_streamed() -> None:
    """Deltas put together are the text of the last event."""
    async with serving() as (_, address), sdk(address) as client:
        stream = await client.audio.transcriptions.create(model="tones", file=("a.wav", wav([0, 1, 2])), stream=True)
        events = [event async for event in stream]
    assert [event.type for event in events[-2:]] == ["transcript.text.delta", "transcript.text.done"]
    assert "".join(event.delta for event in events[:-1]) == events[-1].text == "alfa bravo charlie"  # type: ignore[union-attr]


async def test_translations_need_a_model_that_can() -> None:
    """A multilingual model is asked to translate; an English one says that it cannot."""
    async with serving(ToneEngine(MULTILINGUAL)) as (_, address), sdk(address) as client:
        assert (await client.audio.translations.create(model="tones", file=("a.wav", wav([3])))).text == "delta"
    async with serving() as (_, address), sdk(address) as client:
        with pytest.raises(openai.BadRequestError, match="English-only"):
            await client.audio.translations.create(model="tones", file=("a.wav", wav([3])))


async def test_the_model_is_listed() -> None:
    """There is the one that runs, and no other."""
    async with serving() as (_, address), sdk(address) as client:
        assert [model.id async for model in client.models.list()] == ["tones"]
        assert (await client.models.retrieve("tones")).owned_by == "amanuensis"
        with pytest.raises(openai.NotFoundError):
            await client.models.retrieve("gpt")


async def test_the_answer_says_what_ran_and_what_had_no_effect() -> None:
    """Whatever model was asked for, the one that ran is named."""
    async with serving() as (_, address), sdk(address) as client:
        answer = await client.audio.transcriptions.with_raw_response.create(
            model="whisper-1",
            file=("a.wav", wav([0])),
            temperature=0.5,
            extra_body={"langauge": "en"},
            extra_query={"diarise": "true"},
        )
    assert answer.headers["X-Amanuensis-Model"] == "tones"
    warning = answer.headers["X-Amanuensis-Warning"]
    assert "unknown field 'langauge' (did you mean 'language'?)" in warning
    assert "temperature has no effect" in warning
    assert "query parameter 'diarise' has no effect" in warning


@pytest.mark.parametrize(("form", "codec"), [("mp4", "aac"), ("webm", "libopus")])
async def test_any_container_is_read_whatever_its_name_says(form: str, codec: str) -> None:
    """The bytes decide, not the name or the type that came with them."""
    async with serving() as (_, address), sdk(address) as client:
        file = ("lie.wav", encoded([0, 4], form, codec), "audio/wav")
        assert (await client.audio.transcriptions.create(model="tones", file=file)).text == "alfa echo"


async def test_compressed_and_wide_sound_is_read() -> None:
    """FLAC at 44.1 kHz in stereo, named as something else."""
    file = io.BytesIO()
    sound = say([5, 6], rate=44_100)
    soundfile.write(file, np.stack([sound, sound], axis=1), 44_100, format="FLAC")
    async with serving() as (_, address), sdk(address) as client:
        heard = await client.audio.transcriptions.create(model="tones", file=("x.bin", file.getvalue()))
    assert heard.text == "foxtrot golf"


@pytest.mark.parametrize(
    ("file", "says"),
    [
        (b"", "is empty (0 bytes)"),
        (b"this is no sound" * 100, "not a sound file that can be read"),
        (wav([0])[:30], "not a sound file that can be read"),
        (wav([0])[:44], "there is no sound in it (0 samples)"),
    ],
    ids=["empty", "text", "header", "no samples"],
)
async def test_files_without_sound_are_refused(file: bytes, says: str) -> None:
    """The error is OpenAI's and names the field; nothing stays open."""
    before = open_files()
    async with serving() as (_, address), sdk(address) as client:
        with pytest.raises(openai.BadRequestError) as refused:
            await client.audio.transcriptions.create(model="tones", file=("a.wav", file))
        assert says in str(refused.value)
        assert refused.value.param == "file"
    assert open_files() <= before


async def test_damaged_files_are_refused() -> None:
    """A FLAC that breaks off in the middle is not passed off as a whole one."""
    whole = io.BytesIO()
    soundfile.write(whole, say([0, 1, 2, 3]), 16_000, format="FLAC")
    data = bytearray(whole.getvalue())
    data[len(data) // 2 : len(data) // 2 + 4000] = bytes(4000)
    async with serving() as (_, address), sdk(address) as client:
        with pytest.raises(openai.BadRequestError, match="damaged"):
            await client.audio.transcriptions.create(model="tones", file=("a.flac", bytes(data)))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"response_format": "diarized_json"}, "response_format is 'diarized_json'; it must be one of json, text"),
        ({"language": "xx"}, "language 'xx' is not known to model tones"),
        ({"prompt": "a" * 1001}, "prompt is longer than 1000 characters"),
        ({"timestamp_granularities": ["line"]}, "it must be one of word, segment"),
    ],
)
async def test_fields_that_cannot_be_are_refused(fields: dict[str, Any], says: str) -> None:
    """The error names the field, its value and what is allowed."""
    async with serving() as (_, address), sdk(address) as client:
        with pytest.raises(openai.BadRequestError, match=says):
            await client.audio.transcriptions.create(model="tones", file=("a.wav", wav([0])), **fields)


async def test_an_upload_that_is_too_large_is_refused() -> None:
    """By what it says of itself, and by what comes when it lies."""
    big = part("file", bytes(3 * 10**6), "a.wav") + b"--x--\r\n"
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in cut(big, [65536]))
    async with serving(upload_mb=1, stall_s=0.5) as (_, address):
        status, body = await exchange(address, post(b"", length=10**9), finish=False)
        assert (status, "larger than 1 MB (rest.upload_mb)" in body["error"]["message"]) == (413, True)
    async with serving(upload_mb=1) as (_, address):
        assert (await exchange(address, CHUNKED + chunks + b"0\r\n\r\n", finish=False))[0] == 413


async def test_half_an_upload_leaves_nothing() -> None:
    """A client that hangs up in the middle frees its place and its file; one that stalls gets 408."""
    before = open_files()
    half = post(part("file", bytes(2 * 10**6), "a.wav"), length=10**7)
    async with serving(stall_s=0.3, jobs=1) as (_, address):
        host, _, port = address.rpartition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(half)
        await writer.drain()
        writer.transport.abort()
        while (answer := await exchange(address, half, finish=False))[0] == 429:
            await asyncio.sleep(0)
        assert (answer[0], "nothing came for 0.3 s" in answer[1]["error"]["message"]) == (408, True)
    assert open_files() <= before


@pytest.mark.parametrize(
    ("request_bytes", "status", "says"),
    [
        (
            post(b"{}", kind="application/json"),
            400,
            "Content-Type is 'application/json'; it must be multipart/form-data",
        ),
        (post(b"RIFF", kind="audio/wav; x=1"), 400, "Content-Type is 'audio/wav'; it must be multipart/form-data"),
        (post(part("model", b"tones") + b"--x--\r\n"), 400, "the form needs a part 'file'"),
        (post(part("file", b"not a file") + b"--x--\r\n"), 400, "that has a filename"),
        (post(part("file", b"junk", "a\0\x1b[2J.wav") + b"--x--\r\n"), 400, "file: a??[2J.wav: not a sound file"),
        (post(b"rubbish"), 400, "no form that can be read"),
        (post(b"", kind="multipart/form-data"), 400, "no form that can be read"),
        (post(part("a", bytes(10**5)) + b"--x--\r\n"), 400, "no form that can be read"),
        (b"GET /v1/audio/speech HTTP/1.1\r\nHost: localhost\r\n\r\n", 404, "nothing here"),
        (b"PUT /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\n\r\n", 405, "PUT /v1/audio/transcriptions: not"),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", 400, "no HTTP/1.1 request that can be read"),
        (b"GET /v1/models HTTP/1.1\r\n\r\n", 400, "no HTTP/1.1 request that can be read"),
        (post(b"", length=-5), 400, "no HTTP/1.1 request that can be read"),
        (CHUNKED + b"ZZ\r\n", 400, "the body of the request is no HTTP/1.1"),
        (b"GET /v1/models HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421, "is not a name of this machine"),
        (b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n\r\n", 403, "may not connect"),
    ],
)
async def test_requests_that_cannot_be_are_refused(
    request_bytes: bytes, status: int, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Every refusal has the form of OpenAI's errors and is counted, and none writes a line in the log."""
    async with serving() as (daemon, address):
        got, body = await exchange(address, request_bytes, finish=False)
        assert daemon.metrics.refused.labels(f"rest_{status}")._value.get() == 1
    assert got == status
    assert says in body["error"]["message"]
    assert not caplog.records


async def test_an_upload_that_breaks_off_is_told() -> None:
    """Who closes its side in the middle can still read why that is no upload."""
    half = post(part("file", bytes(10**6), "a.wav"), length=10**7)
    async with serving() as (_, address):
        status, body = await exchange(address, half)
    assert (status, body["error"]["message"][:24]) == (400, "the upload broke off bef")


async def test_a_fault_of_the_server_has_the_form_of_its_errors(caplog: pytest.LogCaptureFixture) -> None:
    """The client is told that it is not its fault; the log has the traceback."""
    engine = ToneEngine(fail_with=ZeroDivisionError("a fault"))
    async with serving(engine) as (_, address), sdk(address) as client:
        with pytest.raises(openai.InternalServerError, match="a fault of the server"):
            await client.audio.transcriptions.create(model="tones", file=("a.wav", wav([0])))
    assert "ZeroDivisionError" in caplog.text


async def test_keys_are_tokens() -> None:
    """Where there are tokens the key must be one that may speak."""
    async with serving(token=TOKEN) as (_, address):
        async with sdk(address, TOKEN) as client:
            assert (await client.audio.transcriptions.create(model="tones", file=("a.wav", wav([0])))).text == "alfa"
        async with sdk(address, "wrong") as client:
            with pytest.raises(openai.AuthenticationError):
                await client.models.list()


async def test_more_than_can_be_served_is_told_to_come_again() -> None:
    """The SDK tries again by itself after `Retry-After`; live sessions have their streams first."""
    async with serving(ToneEngine(max_streams=1), limits={"sessions": 1}) as (daemon, address):
        door = daemon.urls[0].removeprefix("ws://").removesuffix("/v1/session")
        async with connected(parse_address(door), hello()) as speaker, sdk(address) as client:
            await speaker.until(type="ready")
            with pytest.raises(openai.RateLimitError) as refused:
                await client.audio.transcriptions.create(model="tones", file=("a.wav", wav([0])))
    assert int(refused.value.response.headers["Retry-After"]) > 0


async def test_too_much_sound_is_refused() -> None:
    """A small file may hold hours."""
    async with serving(audio_s=2) as (_, address), sdk(address) as client:
        with pytest.raises(openai.BadRequestError, match=r"more than 2 s of sound \(rest.audio_s\)"):
            await client.audio.transcriptions.create(model="tones", file=("a.wav", wav([0, 1, 2, 3, 4, 5])))


async def test_a_mute_connection_is_closed() -> None:
    """Who does not say what it wants in time is not waited for."""
    async with serving(limits={"hello_s": 0.2}) as (_, address):
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST /v1/audio")
        with suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()


class Waiting(ToneEngine):
    """An engine that takes its time, and tells who has left."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.closed = asyncio.Event(), asyncio.Event()

    def close_stream(self, stream: int) -> None:
        super().close_stream(stream)
        self.closed.set()

    async def decode(self, stream: int, job: WindowJob, deadline_s: float) -> WindowResult:
        self.asked.set()
        await asyncio.get_running_loop().create_future()
        raise AssertionError


async def test_who_hangs_up_while_it_is_heard_frees_the_engine() -> None:
    """Nobody waits for the answer, so nobody works for it."""
    engine = Waiting()
    async with serving(engine) as (_, address):
        host, _, port = address.rpartition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(post(part("file", wav([0, 1]), "a.wav") + b"--x--\r\n"))
        await engine.asked.wait()
        writer.transport.abort()
        await engine.closed.wait()
    assert engine.open == set()


async def test_a_certificate_of_the_daemon_is_used_here_too(tmp_path: Path) -> None:
    """With TLS for the daemon there is TLS for files."""
    certificate = make_certificate(tmp_path)
    async with serving(server=certificate.settings) as (_, address):
        async with httpx.AsyncClient(verify=ssl.create_default_context(cafile=certificate.cert)) as http:
            client = AsyncOpenAI(api_key="x", base_url=f"https://{address}/v1", http_client=http)
            assert [model.id async for model in client.models.list()] == ["tones"]
        with pytest.raises(httpx.TransportError):
            await httpx.AsyncClient().get(f"http://{address}/v1/models")


async def test_a_unix_socket_needs_no_key(tmp_path: Path) -> None:
    """Its rights let in its owner alone, and no origin of a browser comes that way."""
    async with serving(token=TOKEN, listen=f"unix:{tmp_path}/rest.sock") as (_, address):
        transport = httpx.AsyncHTTPTransport(uds=address.removeprefix("unix:"))
        async with httpx.AsyncClient(transport=transport) as http:
            client = AsyncOpenAI(api_key="none", base_url="http://localhost/v1", http_client=http)
            assert (await client.audio.transcriptions.create(model="tones", file=("a.wav", wav([1])))).text == "bravo"
