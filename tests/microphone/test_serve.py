"""`amanuensis serve --input default` with a real PortAudio, a real sound server and a sound that plays."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path

import pytest

from amanuensis.daemon.client import Hello, connect
from amanuensis.stream.wer import wer
from tests.helpers.daemon_process import Event, running_daemon
from tests.microphone.conftest import SINK, SoundServer, pulseaudio_command, wait_until_up

MAX_WER = 0.34  # of two short sentences, as in test_listen


@pytest.fixture(scope="module")
def clips(repository: Path) -> dict[Path, str]:
    """Synthetic sentences and their texts."""
    folder = repository / "tests" / "data" / "synthetic"
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    wanted = ("narrow_seen_010.flac", "narrow_seen_012.flac")
    return {folder / row["path"]: row["text"] for row in rows if row["path"] in wanted}


@pytest.mark.long
async def test_capture_goes_on_after_the_device_was_lost(
    sound_server: SoundServer, clips: dict[Path, str], builtin_model: Path, tmp_path: Path
) -> None:
    """The same session captions what is said before and after, and the time between is one gap by the clock."""
    (first, before), (second, after) = clips.items()
    with running_daemon(builtin_model, tmp_path, ["--input", "default"], sound_server.env) as daemon:
        heard: list[Event] = []
        while not (await asyncio.to_thread(daemon.readiness))["sessions"]:
            pass  # each question waits for its answer
        async with connect(daemon.url.replace("session", "watch/latest"), Hello("watch")) as watcher:
            events = aiter(watcher)

            async def until(kind: str) -> Event:
                async for event in events:
                    heard.append(event)
                    if event["type"] == kind:
                        return event
                raise AssertionError(f"no {kind}: {heard[-3:]}")

            await until("stats")
            await asyncio.to_thread(sound_server.play(first).wait)
            await until("final")
            await asyncio.to_thread(sound_server.kill)
            with (tmp_path / "again.log").open("wb") as log:
                again = subprocess.Popen(pulseaudio_command(tmp_path), env=sound_server.env, stdout=log, stderr=log)
            wait_until_up(again, sound_server.env, tmp_path / "again.log")
            sound_server.pactl("load-module", "module-null-sink", f"sink_name={SINK}", "rate=48000")
            gap = await until("gap")
            await asyncio.to_thread(sound_server.play(second).wait)
            await until("final")
        again.kill()
        again.wait()
    text = " ".join(event["text"].strip() for event in heard if event["type"] == "final")
    assert wer(f"{before} {after}", text) <= MAX_WER, text
    assert gap["why"] == "the input was away"
    assert gap["to"] - gap["from"] > 1000  # at least the first wait
