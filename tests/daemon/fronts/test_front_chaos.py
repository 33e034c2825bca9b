"""Fronts and their store die, hang, forget and are cut off in turn: no word is lost, doubled or changed."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.helpers.front_chaos import suffer

SEEDS = (2, 3)


async def test_no_word_is_lost_whatever_happens(tmp_path: Path) -> None:
    """What each speaker and watcher knows for good is the same, and all that was said; every sample has its fate."""
    async with asyncio.TaskGroup() as tasks:
        found = [tasks.create_task(suffer(seed, tmp_path / str(seed))) for seed in SEEDS]
    outcomes = [task.result() for task in found]
    problems = [problem for outcome in outcomes for problem in outcome.problems]
    assert not problems, "\n".join(problems)
    assert sum(outcome.struck.total() for outcome in outcomes) > len(SEEDS)
