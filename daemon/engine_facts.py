"""What the engine is and what it has done, as `/healthz` and `amanuensis doctor` tell it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from amanuensis.npu.engine.api import EngineInfo, EngineStats

DOWN_S: Final = 5.0  # a process that died is replaced sooner, unless something is wrong


def engine_trouble(stats: EngineStats) -> str:
    """Return why the engine takes no windows, "" while it does or will in a moment."""
    if stats.lost or stats.down_s < DOWN_S:
        return stats.lost
    return f"the engine has been down for {stats.down_s:.0f} s: {stats.down_why}"


def engine_facts(info: EngineInfo, stats: EngineStats) -> dict[str, Any]:
    """Return devices, counts and failures for programs.

    `work` holds only devices that were given something to do: a device that is not in it has computed nothing.
    `voices` is where the network of speaker embeddings is computed; `embeddings` counts what of that the engine did.
    """
    return {
        "model": info.model,
        "encoder": info.encoder,
        "decoder": info.decoder,
        "why": info.why,
        "precision": info.precision,
        "hardware": info.hardware,
        "architecture": info.architecture,
        "encodes": stats.encodes,
        "decodes": stats.decodes,
        "work": {device: asdict(work) for device, work in stats.work.items()},
        "device_share": round(stats.device_share, 6),
        "fallbacks": stats.fallbacks,
        "fallback": stats.fallback,
        "on_host": stats.on_host,
        "voices": info.voices or "cpu",
        "voices_why": info.voices_why,
        "embeddings": stats.embeddings,
        "restarts": stats.restarts,
        "poisoned": stats.poisoned,
        "down_s": round(stats.down_s, 3),
        "down_why": stats.down_why,
        "progress_age_s": round(stats.progress_age_s, 3),
        "lost": stats.lost,
    }
