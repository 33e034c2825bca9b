"""The daemon on the simulated NPU: the same captions as on the CPU, with proof of where they were computed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import soundfile
from prometheus_client.parser import text_string_to_metric_families

from amanuensis.daemon.config import Address, Config, ServerSettings
from amanuensis.daemon.server import Daemon
from amanuensis.npu.engine.api import Device, EngineConfig
from amanuensis.npu.engine.process import start_engine
from amanuensis.npu.engine.supervision import LOADER, Supervision
from amanuensis.npu.tokenizer import Tokenizer
from tests.helpers.daemon_client import TestClient, check_invariants, cut, get, speak

HELPERS = Path(__file__).parents[1] / "helpers"
WANT = ["partial", "words", "stats", "proof"]


@asynccontextmanager
async def daemon(model: Path, device: Device, loader: str = LOADER) -> AsyncIterator[Address]:
    """Run a daemon with an engine process of its own."""
    engine = await start_engine(EngineConfig(model, device, threads=1), Supervision(loader=loader))
    try:
        async with Daemon(Config(ServerSettings("127.0.0.1:0")), engine, Tokenizer(model)).listening() as address:
            yield address
    finally:
        await engine.aclose()


async def say_clip(address: Address, repository: Path) -> TestClient:
    """Speak a short recording, with its rate, and return the client when all is over."""
    clip = repository / "tests" / "data" / "synthetic" / "narrow_seen_003.flac"
    samples, rate = soundfile.read(clip, dtype="int16")
    audio = {"enc": "s16le", "rate": rate, "ch": 1, "framing": "raw"}
    client = await speak(address, cut(samples.tobytes(), [rate // 5 * 2]), audio=audio, want=WANT)
    check_invariants(client.events)
    assert not client.find(type="gap")
    return client


async def samples_of(address: Address) -> dict[tuple[str, ...], float]:
    """Return what /metrics tells, by name and labels."""
    text = (await get(address, "/metrics"))[2]
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_captions_of_the_simulation_with_proof(builtin_model: Path, repository: Path) -> None:
    """The words are those of the CPU; each final, /metrics and /healthz tell the same dispatches and bytes."""
    async with daemon(builtin_model, "cpu") as address:
        expected = await say_clip(address, repository)
        assert all("work" not in event["engine"] for event in expected.find(type="final"))
    async with daemon(builtin_model, "sim") as address:
        client = await say_clip(address, repository)
        told = await samples_of(address)
        health = json.loads((await get(address, "/healthz"))[2])["engine"]
    assert client.text == expected.text
    finals = client.find(type="final")
    assert {(final["engine"]["encoder"], final["engine"]["decoder"]) for final in finals} == {("sim", "sim")}
    works = [final["engine"]["work"] for final in finals]
    assert {work["timing"] for work in works} == {"modelled"}
    dispatches = sum(work["dispatches"] for work in works)
    assert 0 < dispatches <= told["amanuensis_device_dispatches_total", "sim"] == health["work"]["sim"]["dispatches"]
    assert told["amanuensis_device_bytes_total", "sim", "to_device"] == health["work"]["sim"]["bytes_to_device"] > 0
    assert told["amanuensis_device_seconds_total", "sim", "modelled"] > 0
    assert set(health["encodes"]) == set(health["decodes"]) == {"sim"}
    assert (health["hardware"], health["architecture"]) == ("NPU Phoenix (emulated)", "npu1")
    assert (health["fallbacks"], health["fallback"]) == ({}, "")


async def test_many_speakers_share_the_device(builtin_model: Path, repository: Path) -> None:
    """Clients that speak at once get the words of one alone; no dispatch is told to two of them."""
    async with daemon(builtin_model, "cpu") as address:
        expected = await say_clip(address, repository)
    async with daemon(builtin_model, "sim") as address:
        clients = await asyncio.gather(*(say_clip(address, repository) for _ in range(5)))
        told = await samples_of(address)
    assert [client.text for client in clients] == [expected.text] * 5
    works = [final["engine"]["work"] for client in clients for final in client.find(type="final")]
    assert len(works) == 5
    assert all(work["dispatches"] > 0 for work in works)
    assert sum(work["dispatches"] for work in works) <= told["amanuensis_device_dispatches_total", "sim"]


@pytest.mark.parametrize(("loader", "kind"), [("hanging", "timeout"), ("lying", "wrong_answer")])
async def test_a_device_that_breaks_in_an_utterance_loses_no_word(
    builtin_model: Path, repository: Path, monkeypatch: pytest.MonkeyPatch, loader: str, kind: str
) -> None:
    """The CPU takes over in mid-utterance: the words are all there, and event, final, metrics and health say why."""
    async with daemon(builtin_model, "cpu") as address:
        expected = await say_clip(address, repository)
    monkeypatch.setenv("PYTHONPATH", str(HELPERS))
    async with daemon(builtin_model, "sim", f"failing_npu:{loader}") as address:
        clients = [await say_clip(address, repository) for _ in range(2)]
        told = await samples_of(address)
        health = json.loads((await get(address, "/healthz"))[2])["engine"]
    assert [client.text for client in clients] == [expected.text] * 2
    warnings = clients[-1].find(type="warning")
    assert {warning["code"] for warning in warnings} == {"device_replaced"}
    (final,) = clients[-1].find(type="final")
    assert (final["engine"]["encoder"], final["engine"]["decoder"]) == ("cpu", "cpu")
    assert any(final["engine"]["why"] in warning["message"] for warning in warnings)
    assert health["encodes"].keys() == {"sim", "cpu"}
    assert health["encodes"]["cpu"] == sum(health["fallbacks"].values())
    assert kind in health["fallbacks"]
    assert health["fallback"]
    assert told["amanuensis_engine_fallen_back",] == 1


async def test_a_device_with_wrong_operators_works_with_the_cpu_in_their_place(
    builtin_model: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Words and devices are those of a sound device; event, final, metrics and health name the operators and why."""
    async with daemon(builtin_model, "sim") as address:
        sound = await say_clip(address, repository)
    monkeypatch.setenv("PYTHONPATH", str(HELPERS))
    async with daemon(builtin_model, "sim", "failing_npu:spoiled") as address:
        client = await say_clip(address, repository)
        told = await samples_of(address)
        health = json.loads((await get(address, "/healthz"))[2])["engine"]
    assert client.text == sound.text
    (warning,) = client.find(type="warning")
    (final,), (theirs,) = client.find(type="final"), sound.find(type="final")
    assert warning["code"] == "operators_replaced"
    for name in ("LayerNorm (error", "Select (error"):
        assert name in warning["message"]
        assert name in final["engine"]["why"]
        assert name in health["on_host"]
    assert (final["engine"]["encoder"], final["engine"]["decoder"]) == ("sim", "sim")
    assert final["engine"]["work"]["dispatches"] > theirs["engine"]["work"]["dispatches"]
    assert (health["fallbacks"], health["fallback"]) == ({}, "")
    assert told["amanuensis_engine_operators_on_host",] == 1
    assert told["amanuensis_engine_fallen_back",] == 0
