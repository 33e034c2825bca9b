"""Many schedules of two real daemons that share their sessions: no number is lost or said twice."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.helpers.front_chaos import suffer as suffer_in_process
from tests.helpers.front_service import KINDS, Scene, environment, kill_store, quick_cluster, suffer
from tests.helpers.ray_cluster import RayCluster
from tests.helpers.service_checks import told_of

SEEDS = 40
SEEDS_IN_PROCESS = 200
FAULTS = 4


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    """A cluster of one node."""
    with quick_cluster() as running:
        yield running


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_no_number_is_lost_whatever_happens(
    builtin_model: Path, cluster: RayCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Every number is committed once and in order, every sample has its fate, and all watchers know the same."""
    for name, value in environment(cluster, tmp_path).items():
        monkeypatch.setenv(name, value)
    faults = tuple(random.Random(seed).choices(KINDS, k=FAULTS))
    scene = partial(Scene, end_store=partial(kill_store, cluster))
    found = await suffer(builtin_model, scene, tmp_path, seed, faults)
    assert not told_of([found]), told_of([found])
    assert not any(session.gaps for session in found.sessions)


@pytest.mark.parametrize("seed", range(SEEDS_IN_PROCESS))
async def test_no_word_is_lost_whatever_happens(tmp_path: Path, seed: int) -> None:
    """The same of three fronts in one process, whose store also forgets and whose answers are lost."""
    outcome = await suffer_in_process(seed, tmp_path)
    assert not outcome.problems, "\n".join(outcome.problems)
