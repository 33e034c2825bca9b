"""A hundred schedules of two daemons on four nodes, all of which fail: no number is lost or said twice."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from amanuensis.benchmarks.network_nodes import NetworkNodes
from tests.helpers.cluster_chaos import KINDS, ClusterScene, environment, four_nodes
from tests.helpers.front_service import suffer
from tests.helpers.service_checks import told_of

SEEDS = 100
FAULTS = 3


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of which each node has its own."""
    return tmp_path_factory.mktemp("disk")


@pytest.fixture(scope="module")
def nodes(disk: Path) -> Iterator[NetworkNodes]:
    """Four nodes with networks of their own."""
    with four_nodes(disk) as running:
        if running.kind != "namespaces":
            pytest.skip("network namespaces are not permitted here: no node can be cut off")
        yield running


@pytest.fixture(scope="module")
def struck() -> Iterator[Counter[str]]:
    """Count the faults that struck."""
    counted = Counter[str]()
    yield counted
    print(f"cluster chaos: faults that struck {dict(counted)}")


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_no_number_is_lost_whatever_happens(
    builtin_model: Path,
    nodes: NetworkNodes,
    disk: Path,
    struck: Counter[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
) -> None:
    """Every number is committed once and in order, every sample has its fate, and all watchers know the same."""
    for name, value in environment(nodes, disk).items():
        monkeypatch.setenv(name, value)
    draw = random.Random(seed)
    faults = (KINDS[seed % len(KINDS)], *draw.choices(KINDS, k=FAULTS - 1))
    found = await suffer(builtin_model, partial(ClusterScene, nodes=nodes), tmp_path, seed, faults)
    struck.update(found.outcome.struck)
    assert not told_of([found]), told_of([found])
    assert not any(session.gaps for session in found.sessions)
