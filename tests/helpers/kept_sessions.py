"""Sessions that are kept on a disk, left as a killed daemon leaves them, and taken up again."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from amanuensis.daemon.config import Config, LimitSettings, ServerSettings
from amanuensis.daemon.connection import Chunk
from amanuensis.daemon.journal import Entry
from amanuensis.daemon.keeper import Keeper
from amanuensis.daemon.live_session import LiveSession
from amanuensis.daemon.metrics import Metrics
from amanuensis.daemon.sessions import Sessions
from amanuensis.daemon.spool.clock import Clock, machine_clock
from amanuensis.daemon.spool.event_maps import event_map
from amanuensis.daemon.spool.places import RecordingMode
from amanuensis.daemon.spool.spool_folder import SpoolFolder
from amanuensis.daemon.voice_desk import VoiceDesk
from amanuensis.stream.config import StreamConfig
from tests.helpers.tone_engine import ToneEngine, ToneTokenizer

ROOM = 2**30


@asynccontextmanager
async def kept_sessions(
    folder: Path,
    *,
    engine: ToneEngine | None = None,
    mode: RecordingMode = "off",
    max_bytes: int = ROOM,
    clock: Clock = machine_clock,
    config: StreamConfig | None = None,
    voices: VoiceDesk | None = None,
    **limits: Any,
) -> AsyncIterator[Sessions]:
    """Give the sessions of a daemon that keeps them in `folder`, those that were left there taken up again."""
    spool = SpoolFolder(folder / "spool", "spool.max_bytes", max_bytes, clock)
    recordings = SpoolFolder(folder / "recordings", "recording.max_bytes", max_bytes, clock) if mode != "off" else None
    settings = Config(ServerSettings(), stream=config or StreamConfig(), limits=LimitSettings(**limits))
    keeper = Keeper(spool, recordings, mode, clock)
    sessions = Sessions(engine or ToneEngine(), ToneTokenizer(), settings, Metrics(), keeper=keeper, voices=voices)
    sessions.recover()
    try:
        yield sessions
    finally:
        await sessions.close(5)
        keeper.close()


def as_killed(folder: Path, copy: Path) -> Path:
    """Copy what a kill at this moment would leave behind."""
    shutil.copytree(folder, copy)
    return copy


async def settle(session: LiveSession) -> None:
    """Wait until everything that can be decoded now is told."""
    await session.room()
    await session.pump.settled()


async def speak(session: LiveSession, chunks: list[bytes]) -> None:
    """Send the chunks that the session wants next, up to the end of the list."""
    for n in range(session.cursor.next_chunk, len(chunks)):
        session.cursor.next_chunk, session.cursor.controls = n + 1, 0
        session.cursor.position_bytes += len(chunks[n])
        session.hear(Chunk(n, 0, chunks[n]))
        await settle(session)


def only(sessions: Sessions) -> LiveSession:
    """Return the one session that goes on."""
    session = sessions.find("latest")
    assert isinstance(session, LiveSession)
    assert len(sessions) == 1
    return session


def told(entries: list[Entry]) -> list[dict[str, Any]]:
    """Return durable events as clients get them."""
    return [event_map(entry.event, entry.seq) for entry in entries if entry.seq is not None]
