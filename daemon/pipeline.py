"""What turns sound into words: settings, engine, tokeniser; for the daemon and for the commands that need none."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from amanuensis.daemon.commands.common import config_flags
from amanuensis.daemon.config import Config, load_config
from amanuensis.daemon.enrolled import VoiceFile
from amanuensis.daemon.voice_desk import VoiceDesk
from amanuensis.npu.engine.api import Engine, EngineConfig, EngineInfo
from amanuensis.npu.reclaim import give_back_start
from amanuensis.npu.speakers import builtin_network
from amanuensis.npu.tokenizer import Tokenizer

if TYPE_CHECKING:
    from amanuensis.daemon.cluster.engine import RayEngine
    from amanuensis.npu.engine.process import SupervisedEngine
    from amanuensis.npu.engine.supervision import Supervision

HEAD_START_S: Final = 0.05  # of the engine's process: a thread that loads would hold up its start
RESTARTS: Final = 8  # half a minute: a command that somebody waits for ends then, a daemon does not


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A running engine and what a `StreamSession` needs beside it; without `voices` nobody is told apart."""

    engine: Engine
    tokenizer: Tokenizer
    config: Config
    voices: VoiceDesk | None = None


def load(args: argparse.Namespace) -> Config:
    """Return the settings of files, environment and flags; ConfigError in one line where one is wrong."""
    config, _ = load_config(config_flags(args))
    return config


@contextlib.asynccontextmanager
async def open_pipeline(
    config: Config, *, restarts: int | None = RESTARTS, live: bool = True
) -> AsyncIterator[Pipeline]:
    """Find the model and start an engine with it, for as many streams as there may be sessions; stop it afterwards.

    Args:
        config: what to run.
        restarts: of the engine, in a row without an answer, after which it is lost; None: it is tried for ever.
        live: False where speakers are told apart only if these settings ask for it: else nothing is loaded for that.

    Raises:
        amanuensis.npu.engine.api.EngineError: there is no such model, or it cannot run on this device.
        amanuensis.stream.config.StreamConfigError: the model cannot do what is asked.

    """
    from amanuensis.npu.engine.supervision import Supervision
    from amanuensis.npu.store import resolve

    folder = resolve(config.engine.model)
    settings = config.engine
    what = EngineConfig(
        folder,
        settings.device,
        settings.threads,
        config.limits.sessions,
        settings.precision,
        settings.encoder,
        settings.decoder,
        voices=builtin_network(folder) if _wants_voices(config, live=live) else None,
    )
    async with _loading_voices(folder, config, live=live) as loading:
        engine = await _start(config, what, Supervision(nice=settings.nice, restarts=restarts))
        try:
            config.stream.check_model(engine.info)
            desk = await loading
            if desk is not None:
                desk.use(engine)
            pipeline = Pipeline(engine, Tokenizer(folder), config, desk)
            give_back_start()
            yield pipeline
        finally:
            await engine.aclose()


async def _start(config: Config, what: EngineConfig, supervision: Supervision) -> SupervisedEngine | RayEngine:
    """Start the engine where the settings want it; Ray is imported for no other."""
    if config.engine.backend == "ray":
        from amanuensis.daemon.cluster.engine import start_ray_engine

        return await start_ray_engine(what, config.cluster.address, supervision, capacity=config.cluster.capacity)
    from amanuensis.npu.engine.process import start_engine

    return await start_engine(what, supervision)


def _wants_voices(config: Config, *, live: bool) -> bool:
    return live or config.stream.asks_for_speakers


@contextlib.asynccontextmanager
async def _loading_voices(folder: Path, config: Config, *, live: bool) -> AsyncIterator[Awaitable[VoiceDesk | None]]:
    """Load what tells voices apart, in a thread, while the engine starts; whoever awaits it is told what is wrong."""
    wanted = _wants_voices(config, live=live)
    loading = asyncio.ensure_future(_voices_later(folder, config) if wanted else asyncio.sleep(0))
    try:
        yield loading
    finally:
        (desk,) = await asyncio.gather(loading, return_exceptions=True)
        if isinstance(desk, VoiceDesk):
            desk.close()


async def _voices_later(folder: Path, config: Config) -> VoiceDesk:
    await asyncio.sleep(HEAD_START_S)
    return await asyncio.to_thread(_voices, folder, config)


def _voices(folder: Path, config: Config) -> VoiceDesk:
    return VoiceDesk.open(folder, VoiceFile.of(os.environ), known=config.stream.known_speakers)


def engine_line(info: EngineInfo) -> str:
    """Say in words what runs where, and why."""
    where = info.encoder if info.encoder == info.decoder else f"{info.encoder} (encoder) and {info.decoder} (decoder)"
    return f"model {info.model} on {where}, {info.precision}" + (f": {info.why}" if info.why else "")
