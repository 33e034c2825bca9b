"""A real daemon with the built-in model, and speakers whose wire is cut: every word is told once."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from amanuensis.daemon.addresses import parse_address
from amanuensis.daemon.client import AmanuensisClient, Event, Hello, Patience, connect
from amanuensis.stream.formats import AudioFormat, Encoding
from amanuensis.stream.wer import word_errors
from tests.helpers.daemon_process import DaemonProcess, caption, check_whole, running_daemon, text_of
from tests.helpers.pure_session import encoded
from tests.helpers.wire import wired

RATE = 16_000
STEP_S = 0.1
CUTS = 12


async def collect(client: AmanuensisClient) -> list[Event]:
    """All events to the end."""
    return [event async for event in client]


@pytest.mark.parametrize("encoding", ["s16le", "f32le", "mulaw"])
async def test_a_speaker_on_a_bad_wire_gets_every_word_once(
    daemon: DaemonProcess, speech: NDArray[np.float32], encoding: Encoding
) -> None:
    """A wire that is cut twelve times costs neither a word nor a sample, and what is told equals the transcript."""
    fmt = AudioFormat(encoding, RATE, 1)
    data = encoded(speech, fmt)
    step = round(STEP_S * fmt.rate) * fmt.frame_bytes
    every = len(data) // CUTS
    async with wired(parse_address(daemon.address)) as wire:
        url, patience = f"ws://{wire.address}/v1/session", Patience(first_s=0.001, most_s=0.1)

        def again() -> None:
            wire.budget = every if wire.cuts < CUTS else None

        async with connect(url, Hello(audio=fmt), patience=patience) as client:
            wire.on_cut = again
            again()
            collecting = asyncio.create_task(collect(client))
            for at in range(0, len(data), step):
                await client.send_audio(data[at : at + step])
            await client.end()
            events = await collecting
    check_whole(events)
    assert client.reconnects == CUTS
    document = json.loads(await asyncio.to_thread(daemon.get, f"/v1/sessions/{client.session}.json"))
    assert text_of(events).split() == document["text"].split()
    samples = document["ledger"]["samples"]
    assert samples["received"] == len(speech)
    assert samples["transcribed"] + samples["silence"] == samples["received"]
    whole = text_of(await caption(daemon.url, speech)).lower().split()
    heard = text_of(events).lower().split()
    assert abs(len(heard) - len(whole)) <= 0.2 * len(whole)  # windows differ with the time of each cut


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_a_daemon_that_is_restarted_costs_no_word(
    builtin_model: Path, tmp_path: Path, speech: NDArray[np.float32], how: signal.Signals
) -> None:
    """A client does nothing about a daemon that stops, or is killed, in mid-sentence: it goes on with the next one."""
    fmt, half = AudioFormat("s16le", RATE, 1), len(speech) // 2
    data = encoded(speech, fmt)
    folders = {name: str(tmp_path / name) for name in ("AMANUENSIS_SPOOL_FOLDER", "AMANUENSIS_RECORDING_FOLDER")}
    with running_daemon(builtin_model, tmp_path, env=folders) as first:
        whole = text_of(await caption(first.url, speech)).lower().split()
        async with wired(parse_address(first.address)) as wire:
            url = f"ws://{wire.address}/v1/session"
            async with connect(url, Hello(audio=fmt), patience=Patience(give_up_s=60)) as client:
                collecting = asyncio.create_task(collect(client))
                await client.send_audio(data[: half * fmt.frame_bytes])
                while client.acked < 0:
                    await asyncio.sleep(0)
                first.process.send_signal(how)
                await asyncio.to_thread(first.process.wait)
                with running_daemon(builtin_model, tmp_path, env=folders) as second:
                    wire.target = parse_address(second.address)
                    await client.send_audio(data[half * fmt.frame_bytes :])
                    await client.end()
                    events = await collecting
                    document = json.loads(await asyncio.to_thread(second.get, f"/v1/sessions/{client.session}.json"))
    check_whole(events)
    kinds = [event["type"] for event in events if event["type"] in ("commit", "final", "warning")]
    told_before = kinds[: kinds.index("warning")]
    assert how == signal.SIGKILL or not told_before or told_before[-1] == "final"
    assert [event["code"] for event in events if event["type"] == "warning"] == ["recovered"]
    samples = document["ledger"]["samples"]
    assert samples["received"] == len(speech)
    assert samples["transcribed"] + samples["silence"] == samples["received"]
    assert text_of(events).split() == document["text"].split()
    heard = text_of(events).lower().split()
    assert abs(len(heard) - len(whole)) <= 0.2 * len(whole)
    print(f"{how.name}: {word_errors(whole, heard).total} of {len(whole)} words differ from the undisturbed session")
