"""The real daemon and its real model, spoken to by unmodified clients of other systems; and doors that stay shut."""

from __future__ import annotations

import asyncio
import io
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from deepgram import AsyncDeepgramClient
from deepgram.core.events import EventType
from deepgram.environment import DeepgramClientEnvironment
from deepgram.listen.v1.types import ListenV1Results
from openai import AsyncOpenAI
from wyoming.asr import Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncClient

from amanuensis.benchmarks.sound import SAMPLE_RATE, conversation
from amanuensis.daemon.config import Config
from amanuensis.daemon.dialects.doors import check_doors, open_doors
from amanuensis.daemon.dialects.settings import RestSettings, WyomingSettings
from amanuensis.daemon.listeners import ServeError
from amanuensis.daemon.security import Security
from tests.helpers.daemon_client import cut
from tests.helpers.daemon_process import run_command, running_daemon

ENV = {"AMANUENSIS_WYOMING_LISTEN": "127.0.0.1:0", "AMANUENSIS_REST_LISTEN": "127.0.0.1:0"}


def sound() -> bytes:
    """Return ten seconds of the bundled conversation, s16le."""
    return (conversation()[: 10 * SAMPLE_RATE] * np.iinfo(np.int16).max).astype(np.int16).tobytes()


def bare(text: str) -> list[str]:
    """Return the words of a text without case and punctuation."""
    return "".join(c for c in text.lower() if c.isalnum() or c.isspace()).split()


async def by_deepgram(address: str) -> str:
    """Return what Deepgram's SDK hears."""
    got: list[Any] = []
    environment = DeepgramClientEnvironment(
        base=f"http://{address}", production=f"ws://{address}", agent="", agent_rest=""
    )
    client = AsyncDeepgramClient(api_key="x", environment=environment)
    async with client.listen.v1.connect(model="nova-3", encoding="linear16", sample_rate=SAMPLE_RATE) as connection:
        connection.on(EventType.MESSAGE, got.append)
        reading = asyncio.create_task(connection.start_listening())
        for piece in cut(sound(), [3200]):
            await connection.send_media(piece)
        await connection.send_close_stream()
        await reading
    return " ".join(each.channel.alternatives[0].transcript for each in got if isinstance(each, ListenV1Results))


async def by_wyoming(uri: str) -> str:
    """Return what Wyoming's client library hears."""
    async with AsyncClient.from_uri(uri) as client:
        await client.write_event(AudioStart(SAMPLE_RATE, 2, 1).event())
        for piece in cut(sound(), [2048]):
            await client.write_event(AudioChunk(SAMPLE_RATE, 2, 1, piece).event())
        await client.write_event(AudioStop().event())
        while (event := await client.read_event()) is not None:
            if Transcript.is_type(event.type):
                return Transcript.from_event(event).text
    raise AssertionError("the connection was closed without a transcript")


async def by_openai(url: str) -> str:
    """Return what OpenAI's SDK hears."""
    file = io.BytesIO()
    soundfile.write(file, np.frombuffer(sound(), np.int16), SAMPLE_RATE, format="WAV")
    async with AsyncOpenAI(api_key="x", base_url=url) as client:
        return (await client.audio.transcriptions.create(model="whisper-1", file=("a.wav", file.getvalue()))).text


async def half_an_upload(url: str) -> asyncio.StreamWriter:
    """Send the first two megabytes of a file."""
    host, _, port = url.removeprefix("http://").removesuffix("/v1").rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n"
        b"Content-Type: multipart/form-data; boundary=x\r\n\r\n"
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n' + bytes(2_000_000)
    )
    return writer


def held_open(process: int, folder: Path) -> list[str]:
    """Return the files below a folder that a process has open."""
    names = []
    for entry in Path(f"/proc/{process}/fd").iterdir():
        with suppress(OSError):  # of one that was closed meanwhile
            names.append(str(entry.readlink()))
    return [name for name in names if name.startswith(str(folder))]


async def test_three_clients_of_other_systems_hear_the_same(builtin_model: Path, tmp_path: Path) -> None:
    """Deepgram's SDK, Wyoming's library and OpenAI's SDK, unmodified, get the words of a recording from one daemon.

    And when it is killed in the middle of an upload, nothing of that is left on the disk.
    """
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    with running_daemon(builtin_model, tmp_path, env=ENV | {"TMPDIR": str(uploads)}) as daemon:
        assert daemon.process.stdout is not None
        doors = dict(daemon.process.stdout.readline().split()[1:] for _ in range(2))
        texts = [await by_deepgram(daemon.address), await by_wyoming(doors["wyoming"]), await by_openai(doors["rest"])]
        writer = await half_an_upload(doors["rest"])
        while not held_open(daemon.process.pid, uploads):
            await asyncio.sleep(0)
        daemon.process.kill()
        daemon.process.wait()
        writer.close()
    assert list(uploads.iterdir()) == []
    assert all(len(bare(text)) > 8 for text in texts), texts
    assert len({" ".join(bare(text)[:4]) for text in texts}) == 1, texts


def test_settings_that_open_the_house_are_refused() -> None:
    """`serve --check` says what is missing before anything listens."""
    for name, says in (("WYOMING", "wyoming.trusted"), ("REST", "no token is set")):
        done = run_command("serve", "--check", env={f"AMANUENSIS_{name}_LISTEN": "0.0.0.0:0"})
        assert done.returncode == 1
        assert says in done.stderr


@pytest.mark.parametrize(
    ("module", "config", "says"),
    [
        ("uvicorn", Config(rest=RestSettings("127.0.0.1:0")), r"pip install 'amanuensis\[rest\]'"),
        (
            "zeroconf.asyncio",
            Config(wyoming=WyomingSettings("127.0.0.1:0", announce=True)),
            r"pip install 'amanuensis\[zeroconf\]'",
        ),
    ],
)
def test_what_is_not_installed_is_named(
    module: str, config: Config, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An extra that is missing is told at the start, with the command that brings it."""
    for name in [name for name in sys.modules if name.startswith("amanuensis.daemon.rest")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ServeError, match=says):
        check_doors(config, Security.load(config.server, {}))


def test_nothing_listens_unless_it_is_asked_for() -> None:
    """Without settings there are no doors."""
    with open_doors(Config(), Security.load(Config().server, {}), {}) as doors:
        assert (doors.wyoming, doors.rest) == ([], [])
