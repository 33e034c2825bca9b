"""What a front tells the cluster of itself once a second: numbers, never what was said."""

from __future__ import annotations

import os
import socket
from typing import Any

from amanuensis.daemon.cluster.spec import versions
from amanuensis.daemon.metrics import FATES
from amanuensis.daemon.server import Daemon
from amanuensis.npu.engine.api import Engine


def report_of(daemon: Daemon, engine: Engine) -> dict[str, Any]:
    """Return how a daemon does, as plain values.

    Args:
        daemon: that serves.
        engine: of it.

    """
    for session in daemon.sessions.live:
        session.count_fates()
    gauges, stats, registry = daemon.sessions.gauges(), engine.stats(), daemon.metrics.registry
    seconds = {fate: registry.get_sample_value("amanuensis_ledger_seconds_total", {"fate": fate}) for fate in FATES}
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "urls": list(daemon.urls),
        "versions": versions(),
        "sessions": gauges.sessions,
        "lag_ms": round(gauges.lag_ms, 3),
        "queued": stats.queued,
        "restarts": stats.restarts,
        "superseded": stats.superseded,
        "poisoned": stats.poisoned,
        "down_why": stats.down_why,
        "ledger_s": {fate: round(value or 0.0, 3) for fate, value in seconds.items()}
        | {"received": round(registry.get_sample_value("amanuensis_audio_seconds_total") or 0.0, 3)},
    }
