"""A session with a daemon whose engine process has a device in trouble, over a real socket."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from amanuensis.benchmarks.clips import RATE, Samples
from amanuensis.daemon.config import Config, ServerSettings
from amanuensis.daemon.server import Daemon
from amanuensis.npu.engine.api import EngineConfig
from amanuensis.npu.engine.process import start_engine
from amanuensis.npu.engine.supervision import Supervision
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.stream.wer import word_errors
from tests.helpers.chaos import Outcome
from tests.helpers.chaos_engine import DISPATCHES, LOADER
from tests.helpers.chaos_faults import MAY_PASS, TOLD_AS, draw_trouble
from tests.helpers.daemon_client import Event, TestClient, check_invariants, cut, get, pcm, speak

MAX_ERRORS = 2  # words
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Served:
    """What a client was told, what /healthz tells of the engine, and which faults struck while windows were decoded."""

    client: TestClient
    health: Event
    struck: frozenset[str]


async def served_session(model: Path, sound: Samples, seed: int, folder: Path, patch: pytest.MonkeyPatch) -> Served:
    """Speak to a daemon whose engine process has the trouble of a seed."""
    log = folder / f"struck-{seed}"
    log.touch()
    for name, value in {"PYTHONPATH": str(ROOT), "CHAOS_SEED": str(seed), "CHAOS_STRUCK": str(log)}.items():
        patch.setenv(name, value)
    engine = await start_engine(EngineConfig(model, "sim", threads=1), Supervision(loader=LOADER))
    try:
        async with Daemon(Config(ServerSettings("127.0.0.1:0")), engine, Tokenizer(model)).listening() as address:
            client = await speak(address, cut(pcm(sound), [RATE // 5 * 2]), want=["words", "stats"])
            health = json.loads((await get(address, "/healthz"))[2])["engine"]
    finally:
        await engine.aclose()
    return Served(client, health, frozenset(log.read_text().split()))


def check_served(served: Served, undisturbed: Outcome, seed: int) -> None:
    """Assert that the client has all words once, and that event, final and health tell every failure and its reason.

    The windows depend on the machine's speed here, so a word may be read otherwise than in the undisturbed session.
    """
    client, health = served.client, served.health
    check_invariants(client.events)
    assert word_errors(undisturbed.words, client.text.split()).total <= MAX_ERRORS
    n_ended = sum(not event["on"] for event in client.find(type="speech"))
    assert len(client.find(type="final")) >= n_ended == undisturbed.utterances
    assert not client.find(type="gap")
    assert health["restarts"] == 0
    planned = {name for fault in draw_trouble(seed, DISPATCHES).faults for name in TOLD_AS[fault.kind]}
    assert health["fallbacks"].keys() <= planned
    assert health["encodes"].get("cpu", 0) == health["decodes"].get("cpu", 0) == sum(health["fallbacks"].values())
    warnings = [event for event in client.find(type="warning") if event["code"].startswith("device_")]
    replaced = [event["message"] for event in warnings if event["code"] == "device_replaced"]
    assert bool(replaced) == bool(health["fallbacks"])
    assert replaced or served.struck <= MAY_PASS, f"{set(served.struck)} struck, and nobody was told"
    assert bool(health["fallback"]) == (bool(warnings) and warnings[-1]["code"] == "device_replaced")
    for final in client.find(type="final"):
        if final["engine"]["decoder"] == "cpu":
            assert any(final["engine"]["why"] in message for message in replaced)
