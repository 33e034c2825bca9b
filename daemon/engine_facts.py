"""What the engine is and what it has done, as `/healthz` and `amanuensis doctor` tell it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from amanuensis.npu.engine.api import EngineInfo, EngineStats


def engine_facts(info: EngineInfo, stats: EngineStats) -> dict[str, Any]:
    """Return devices, counts and failures for programs.

    `work` holds only devices that were given something to do: a device that is not in it has computed nothing.
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
        "restarts": stats.restarts,
        "lost": stats.lost,
    }
