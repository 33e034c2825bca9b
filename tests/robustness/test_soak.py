"""Four minutes of sound as fast as they are taken, of which a day is soaked in by `make test-long PART=soak`."""

from __future__ import annotations

from pathlib import Path

from tests.helpers.soak import soak

AUDIO_S = 240
LOOK_S = 60
MAX_SPOOL_KB = 4096.0


async def test_nothing_piles_up(builtin_model: Path, tmp_path: Path) -> None:
    """Sessions and watchers that come and go leave no descriptor and no task behind, and every sample has its fate."""
    soaked = await soak(builtin_model, tmp_path, AUDIO_S, LOOK_S)
    first, *_, last = soaked.looks
    # The lesser of two looks: files of the spool come and go.
    assert min(look.descriptors for look in soaked.looks[-2:]) <= first.descriptors + 2
    assert last.tasks <= first.tasks + 2  # a connection that is being closed
    assert max(look.spool_kb for look in soaked.looks) < MAX_SPOOL_KB
    fates = soaked.ledger["transcribed"] + soaked.ledger["silence"] + soaked.ledger["gap"]
    assert fates == soaked.ledger["received"] == soaked.n_samples
    assert (soaked.gap_s, soaked.misread()) == (0, 0)
