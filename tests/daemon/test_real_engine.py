"""The server with the true engine process and the true model: the whole way from sound to text."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import pytest
import soundfile

from amanuensis.daemon.addresses import parse_address
from amanuensis.daemon.config import Config, EngineSettings, ServerSettings
from amanuensis.daemon.lifecycle import serve
from amanuensis.npu.engine.api import EngineError
from amanuensis.npu.store import resolve
from amanuensis.stream.english import normalise_english
from amanuensis.stream.wer import wer
from tests.helpers.daemon_client import check_invariants, connected, cut, get, hello, pcm, speak


@pytest.fixture
def model() -> Path:
    """The model that a fresh installation has."""
    try:
        return resolve(None)
    except EngineError as error:
        pytest.skip(f"no model: {error}")


def children() -> list[int]:
    """Return the processes that this one has started."""
    found = Path("/proc/self/task").glob("*/children")
    return [int(child) for file in found for child in file.read_text().split()]


def niceness(process: int) -> int:
    """Return how nice a process is."""
    return os.getpriority(os.PRIO_PROCESS, process)


async def test_conversation_through_the_true_engine(model: Path) -> None:
    """The bundled conversation becomes text, the counters prove where, and SIGTERM stops everything in order."""
    folder = resources.files("amanuensis.daemon").joinpath("data")
    sound, rate = soundfile.read(str(folder.joinpath("demo.flac")), dtype="float32")
    said = [line for line in json.loads(folder.joinpath("demo.json").read_text()) if line["end_s"] < 20]
    data = pcm(sound[: 20 * rate])
    audio = {"enc": "s16le", "rate": rate, "ch": 1, "framing": "raw"}
    listening: asyncio.Future[Sequence[str]] = asyncio.get_running_loop().create_future()
    config = Config(ServerSettings("127.0.0.1:0"), EngineSettings(str(model), device="cpu", threads=1, nice=3))
    serving = asyncio.create_task(serve(config, listening.set_result, lambda: config))
    await asyncio.wait([serving, listening], return_when=asyncio.FIRST_COMPLETED)
    address = parse_address(listening.result()[0].split("/")[2])
    try:
        assert os.getpriority(os.PRIO_PROCESS, 0) + 3 in map(niceness, children())
        client = await speak(address, cut(data, [rate // 5 * 2]), audio=audio)
        check_invariants(client.events)
        assert client.events[0]["engine"]["encoder"] == "cpu"
        assert not client.find(type="gap")
        metrics = (await get(address, "/metrics"))[2]
        assert 'amanuensis_engine_encodes_total{device="cpu"}' in metrics
        spoken = " ".join(line["text"] for line in said)
        print(client.text)
        assert wer(normalise_english(spoken), normalise_english(client.text)) < 0.6
        async with connected(address, hello(audio=audio)) as open_client:
            await open_client.until(type="ready")
            await open_client.send(data[: 3 * 2 * rate])
            await open_client.settled()
            os.kill(os.getpid(), signal.SIGTERM)
            assert await open_client.over() == (1001, "shutdown")
            check_invariants(open_client.events)
    finally:
        await asyncio.wait_for(serving, 60)
