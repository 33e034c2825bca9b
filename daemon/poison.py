"""Windows that killed the engine, kept on disk for the operator: what a report of the fault needs.

One folder each, `TIME-SESSION/`, with `features.npy` (scaled log-mel, float32 [n_mels, n_frames]) and `window.json`
(where it was, what happened, the rest of the job). They hold what was said, so only the daemon's user may read them.
"""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np

from amanuensis.daemon.spool.places import state_folder
from amanuensis.npu.atomic import WriteError, whole_or_nothing
from amanuensis.npu.engine.api import EngineInfo, PoisonWindowError
from amanuensis.stream.session import Ticket

log = logging.getLogger(__name__)
KEPT: Final = 16  # of at most 1.5 MB; the oldest go
FACTS: Final = "window.json"
FEATURES: Final = "features.npy"


def poison_folder(env: Mapping[str, str]) -> Path:
    """Return where windows that killed the engine are kept."""
    return state_folder(env) / "poison"


class PoisonKeeper:
    """Keeps windows that killed the engine.

    Args:
        folder: made when the first one is kept, for the user alone.
        info: what the engine runs now.
        clock: seconds since the epoch.

    """

    def __init__(self, folder: Path, info: Callable[[], EngineInfo], clock: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._info = info
        self._clock = clock

    def keep(self, session: str, ticket: Ticket, error: PoisonWindowError) -> None:
        """Write a window down and drop the oldest; a disk that refuses is told in the log, and no more.

        Args:
            session: its public name.
            ticket: the window.
            error: what it did.

        """
        at_s = self._clock()
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(at_s))
        target = self._folder / f"{stamp}.{int(at_s % 1 * 1e6):06}-{session}"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with whole_or_nothing(target) as part:
                part.mkdir(mode=0o700)
                np.save(part / FEATURES, ticket.job.features)
                (part / FACTS).write_text(json.dumps(self._facts(session, ticket, error, at_s), indent=1))
            for old in kept_windows(self._folder)[:-KEPT]:
                shutil.rmtree(old, ignore_errors=True)
        except (OSError, WriteError) as failure:
            log.error("session %s: a window killed the engine and could not be kept: %s", session, failure)
        else:
            log.error("session %s: a window killed the engine %d times; kept in %s", session, error.crashes, target)

    def _facts(self, session: str, ticket: Ticket, error: PoisonWindowError, at_s: float) -> dict[str, Any]:
        info, job = self._info(), ticket.job
        return {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at_s)),
            "session": session,
            "audio_start_ms": ticket.audio_start_ms,
            "audio_end_ms": ticket.audio_end_ms,
            "crashes": error.crashes,
            "why": error.why,
            "model": info.model,
            "encoder": info.encoder,
            "decoder": info.decoder,
            "precision": info.precision,
            "hardware": info.hardware,
            "job": {
                "prompt": job.prompt,
                "forced": job.forced,
                "draft": job.draft,
                "edge_frames": job.edge_frames,
                "options": asdict(job.options),
                "seed": job.seed,
            },
        }


def kept_windows(folder: Path) -> list[Path]:
    """Return the folders of windows that are kept, the oldest first."""
    return sorted(path.parent for path in folder.glob(f"*/{FACTS}"))
