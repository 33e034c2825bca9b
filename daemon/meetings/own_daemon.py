"""A daemon for one recording, where none runs: in this process, reached through a socket that nobody else knows."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import Final

from amanuensis.daemon.access import Access
from amanuensis.daemon.config import Config
from amanuensis.daemon.keeper import Keeper
from amanuensis.daemon.live_session import SPEAKER_LEFT
from amanuensis.daemon.meetings.library import Library
from amanuensis.daemon.meetings.recorder import Door
from amanuensis.daemon.meetings.secretary import Secretary
from amanuensis.daemon.pipeline import engine_line, open_pipeline
from amanuensis.daemon.security import Security
from amanuensis.daemon.server import Daemon

RESUME_S: Final = 2.0  # speakers live in this process: those of one that was killed do not come back


@asynccontextmanager
async def own_daemon(config: Config) -> AsyncIterator[tuple[Door, str]]:
    """Run a daemon that records while inside; meetings that a killed process has left are finished in it.

    Yields:
        The way to it, and what runs where.

    Raises:
        amanuensis.daemon.spool.log_file.SpoolError: the folder of recordings cannot be used, or another daemon has it.
        amanuensis.npu.engine.api.EngineError: the model or the device cannot be used.

    """
    with tempfile.TemporaryDirectory(prefix="amanuensis-") as folder:
        socket = Path(folder) / "socket"
        config = replace(
            config,
            server=replace(config.server, listen=f"unix:{socket}", token=None, tls_cert=None, tls_key=None),
            limits=replace(config.limits, resume_s=RESUME_S, linger_s=0.0),
            recording=replace(config.recording, mode="asked"),
            spool=replace(config.spool, enabled=False),
        )
        with closing(Keeper.open(config, os.environ)) as keeper:
            security = Security(Access(uid=os.geteuid()), None)
            async with open_pipeline(config) as pipeline:
                daemon = Daemon(config, pipeline.engine, pipeline.tokenizer, security, keeper, voices=pipeline.voices)
                secretary = Secretary(Library.of(config, os.environ), config.meetings)
                async with secretary.attending(daemon.sessions), daemon.listening():
                    yield Door(f"unix:{socket}"), engine_line(pipeline.engine.info)
                    for session in daemon.sessions.live:  # left by a process that was killed
                        session.finish(SPEAKER_LEFT)
