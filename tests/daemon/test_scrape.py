"""What a scrape of /metrics says, against what clients saw: the true engine process and the true model."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import pytest
import soundfile
from prometheus_client.parser import text_string_to_metric_families

from amanuensis.daemon.addresses import Address, parse_address
from amanuensis.daemon.config import Config, EngineSettings, ServerSettings
from amanuensis.daemon.lifecycle import serve
from amanuensis.daemon.spool.places import SpoolSettings
from tests.helpers.daemon_client import Event, check_invariants, connected, cut, get, hello, pcm

SECONDS = 8


@dataclass
class Scrape:
    """One answer of /metrics."""

    samples: dict[tuple[str, frozenset[tuple[str, str]]], float]

    def value(self, name: str, **labels: str) -> float:
        """Return a sample by its name, without our prefix, and its labels."""
        return self.samples[f"amanuensis_{name}", frozenset(labels.items())]

    def total(self, name: str) -> float:
        """Return the sum of all samples of a name."""
        return sum(value for (found, _), value in self.samples.items() if found == f"amanuensis_{name}")


async def scrape(address: Address) -> Scrape:
    """Ask for the metrics."""
    text = (await get(address, "/metrics"))[2]
    families = text_string_to_metric_families(text)
    return Scrape({(it.name, frozenset(it.labels.items())): it.value for family in families for it in family.samples})


def count(events: Sequence[Event]) -> Counter[str]:
    """Return how many durable events of each type there are."""
    return Counter(event["type"] for event in events if "seq" in event and event["type"] != "snapshot")


@asynccontextmanager
async def served(model: Path, folder: Path) -> AsyncIterator[Address]:
    """A daemon with the true engine, stopped by a signal as a service manager does it."""
    engine, spool = EngineSettings(str(model), device="cpu", threads=1), SpoolSettings(folder=str(folder))
    config = Config(ServerSettings("127.0.0.1:0"), engine, spool=spool)
    listening: asyncio.Future[Sequence[str]] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(config, listening.set_result, lambda: config))
    await asyncio.wait([serving, listening], return_when=asyncio.FIRST_COMPLETED)
    try:
        yield parse_address(listening.result()[0].split("/")[2])
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        await serving


async def test_a_scrape_says_what_clients_saw(builtin_model: Path, tmp_path: Path) -> None:
    """Sessions, sound, fates, words, events, latencies, windows and refusals are those that two clients saw."""
    sound, rate = soundfile.read(str(resources.files("amanuensis.daemon").joinpath("data", "demo.flac")))
    audio = {"enc": "s16le", "rate": rate, "ch": 1, "framing": "raw"}
    async with served(builtin_model, tmp_path / "spool") as address:
        before = await scrape(address)
        async with connected(address, hello(audio=audio)) as speaker:
            name = (await speaker.until(type="ready"))["session"]
            async with connected(address, hello("watch"), f"/v1/watch/{name}") as watcher:
                await watcher.until(type="ready")
                for chunk in cut(pcm(sound[: SECONDS * rate]), [rate // 5 * 2]):
                    await speaker.send(chunk)
                await speaker.send({"type": "flush", "id": "all"})
                await speaker.send({"type": "nonsense"})
                await speaker.until(type="marked", id="all")
                check_during(await scrape(address))
                await speaker.send({"type": "end"})
                await speaker.over()
                await watcher.over()
        assert (await get(address, "/v1/nothing"))[0] == 404
        after = await scrape(address)
        export = json.loads((await get(address, f"/v1/sessions/{name}.json"))[2])
        health = json.loads((await get(address, "/healthz"))[2])["engine"]
    check_invariants(speaker.events)
    check_after(after, speaker.events, export["ledger"]["seconds"])
    windows = after.value("engine_encodes_total", device="cpu") - before.total("engine_encodes_total")
    assert windows == after.value("tick_seconds_count") == health["encodes"]["cpu"]


def check_during(seen: Scrape) -> None:
    """What stands in a scrape while a speaker and a watcher are in a session that has been flushed."""
    assert (seen.value("open_sessions"), seen.value("clients")) == (1, 2)
    assert seen.value("connections") == 3  # the scrape's own among them
    assert seen.value("audio_seconds_total") == pytest.approx(SECONDS)
    fates = seen.total("ledger_seconds_total") + seen.value("unsettled_seconds")
    assert fates == pytest.approx(seen.value("audio_seconds_total"))
    assert (seen.value("engine_up"), seen.value("lag_seconds")) == (1, pytest.approx(0, abs=1))


def check_after(seen: Scrape, told: Sequence[Event], ledger: dict[str, float]) -> None:
    """What stands in a scrape when the session is over, against what its speaker was told."""
    words = sum(len(event["words"]) for event in told if event["type"] == "commit")
    events = count(told)
    assert words > 5
    assert (seen.value("sessions_total"), seen.value("open_sessions"), seen.value("ended_sessions")) == (1, 0, 1)
    assert seen.value("words_total") == words == seen.value("commit_latency_seconds_count")
    assert seen.value("final_latency_seconds_count") == events["final"]
    assert {kind: seen.value("events_total", type=kind) for kind in events} == dict(events)
    for fate in ("transcribed", "silence", "gap"):
        assert seen.value("ledger_seconds_total", fate=fate) == pytest.approx(ledger[fate])
    assert seen.total("ledger_seconds_total") == pytest.approx(SECONDS)
    assert seen.value("refused_total", code="bad_message") == 1
    assert [event["code"] for event in told if event["type"] == "error"] == ["bad_message"]
    assert seen.value("refused_total", code="http_404") == 1
    assert seen.value("engine_restarts_total") == 0
    assert seen.value("warnings_total", code="recording_stopped") == 0
