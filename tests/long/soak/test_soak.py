"""A day of sound: daemon and engine grow no larger, hold no more files and tasks, and every sample has its fate.

AMANUENSIS_SOAK_HOURS shortens it.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.helpers.soak import NUMBERS, Look, soak
from tests.helpers.spoken_numbers import RATE

HOURS = float(os.environ.get("AMANUENSIS_SOAK_HOURS", "24"))
LOOK_S = 600
WARM_UP = 1 / 8  # of it
MAX_SLOPE_MB_H = 1.0
MAX_MISREAD = 0.002  # of the numbers: the model may read one otherwise, as windows fall
MAX_SPOOL_KB = 4096.0


async def test_a_day_of_sound(builtin_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """RSS grows by less than 1 MB an hour of audio after the warm-up; descriptors, tasks and the spool do not grow."""

    def tell(look: Look) -> None:
        with capsys.disabled():
            print(look.line(), flush=True)

    started_s = time.monotonic()
    soaked = await soak(builtin_model, tmp_path, HOURS * 3600, LOOK_S, tell)
    taken_s = time.monotonic() - started_s
    daemon, engine = (
        soaked.slope_mb_h(of, HOURS * WARM_UP) for of in (lambda look: look.daemon_mb, lambda look: look.engine_mb)
    )
    numbers = NUMBERS * len(soaked.readings())
    with capsys.disabled():
        print(
            f"\nsoak: {soaked.n_samples / RATE / 3600:.2f} h of audio in {taken_s:.0f} s; after {HOURS * WARM_UP:.2f} h"
            f" the daemon grows by {daemon:+.3f} MB/h, the engine by {engine:+.3f} MB/h; {numbers} numbers, "
            f"{soaked.misread()} misread; gaps {soaked.gap_s:.2f} s; {soaked.ledger}"
        )
    assert max(daemon, engine) < MAX_SLOPE_MB_H
    warm = [look for look in soaked.looks if look.audio_h >= HOURS * WARM_UP]
    early, late = warm[: len(warm) // 2], warm[len(warm) // 2 :]
    for name in ("descriptors", "tasks", "threads"):
        assert max(getattr(look, name) for look in late) <= max(getattr(look, name) for look in early), name
    assert max(look.spool_kb for look in soaked.looks) < MAX_SPOOL_KB
    fates = soaked.ledger["transcribed"] + soaked.ledger["silence"] + soaked.ledger["gap"]
    assert fates == soaked.ledger["received"] == soaked.n_samples
    assert soaked.gap_s == 0
    assert soaked.misread() <= MAX_MISREAD * numbers
