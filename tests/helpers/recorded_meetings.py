"""A daemon that records meetings, and those who speak in them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from amanuensis.daemon.addresses import Address
from amanuensis.daemon.client import AmanuensisClient, Hello, connect
from amanuensis.daemon.config import Config, LimitSettings, ServerSettings
from amanuensis.daemon.keeper import Keeper
from amanuensis.daemon.meetings.library import Library
from amanuensis.daemon.meetings.secretary import Secretary
from amanuensis.daemon.meetings.settings import MeetingSettings
from amanuensis.daemon.server import Daemon
from amanuensis.daemon.spool.places import RecordingSettings, SpoolSettings
from amanuensis.stream.formats import AudioFormat
from tests.helpers.tone_engine import ToneEngine, ToneTokenizer, say

RATE = 16_000
FORMAT = AudioFormat("f32le", RATE, 1)
NO_RULES = MeetingSettings()


def config_of(
    folder: Path, settings: MeetingSettings, token: str | None = None, max_recorded: int = 2**34, **limits: Any
) -> Config:
    """Settings of a daemon that keeps everything in a folder."""
    return Config(
        ServerSettings("127.0.0.1:0", token),
        limits=LimitSettings(**limits),
        spool=SpoolSettings(enabled=False),
        recording=RecordingSettings("asked", str(folder / "recordings"), max_recorded),
        meetings=replace(settings, folder=str(folder / "data")),
    )


def library(folder: Path) -> Library:
    """Where that daemon keeps meetings."""
    return Library.of(config_of(folder, NO_RULES), {})


@asynccontextmanager
async def recording_daemon(
    folder: Path, settings: MeetingSettings = NO_RULES, token: str | None = None, **limits: Any
) -> AsyncIterator[Address]:
    """A daemon that records, in `folder`; what it has written down is there when it is left."""
    config = config_of(folder, settings, token, **limits)
    keeper = Keeper.open(config, {})
    daemon = Daemon(config, ToneEngine(), ToneTokenizer(), keeper=keeper)
    try:
        async with Secretary(library(folder), settings).attending(daemon.sessions), daemon.listening() as address:
            yield address
    finally:
        keeper.close()


@asynccontextmanager
async def track(address: Address, name: str, **meeting: Any) -> AsyncIterator[AmanuensisClient]:
    """A speaker of a track."""
    hello = Hello("speak", FORMAT, meeting={"track": name, **meeting})
    async with connect(f"ws://{address}/v1/session", hello) as client:
        yield client


async def speak(client: AmanuensisClient, *words: int) -> None:
    """Say words."""
    await client.send_audio(say(words).astype("<f4").tobytes())


async def finish(client: AmanuensisClient) -> None:
    """End a track, and wait until all is told."""
    await client.end()
    assert [event async for event in client][-1] == {"type": "bye", "reason": "end"}
