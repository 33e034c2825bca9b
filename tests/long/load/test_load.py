"""Five hundred watchers on one session, fifty that wait: all are told everything, and the speaker does not notice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.helpers.load import measure
from tests.helpers.spoken_numbers import counted

WATCHERS = 500
IDLE = 50
CROWDS = (0, WATCHERS, 0, WATCHERS, 0)  # by turns, so that what else the machine does strikes both
MAX_RATIO = 1.25  # of the medians: "unchanged" on a machine that does other things too


async def test_a_crowd_is_told_everything(
    builtin_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every watcher is told every durable event once, and the speaker's commits take as long as without a crowd."""
    stream = counted(range(101, 121))
    spoken = await measure(builtin_model, tmp_path, stream, CROWDS, IDLE)
    alone, crowded = (
        float(
            np.median([latency_s for one in spoken if (one.watchers > 0) == with_crowd for latency_s in one.commit_s])
        )
        for with_crowd in (False, True)
    )
    with capsys.disabled():
        print()
        for one in spoken:
            print(one.line())
        print(f"load: {IDLE} sessions wait beside the crowd; commit latency with it / without: {crowded / alone:.3f}")
    assert [one.untold for one in spoken] == [0] * len(CROWDS)
    assert crowded / alone < MAX_RATIO
