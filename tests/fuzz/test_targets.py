"""Every reader of foreign bytes on a few hundred inputs, the same each time; `script/fuzz` goes on for longer."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.fuzz.mutate import inputs
from tests.fuzz.target import NAMES, REGRESSIONS, regressions


@pytest.mark.parametrize("name", NAMES)
def test_reader_survives(name: str) -> None:
    """Seeds, former findings and mutations raise only errors that are foreseen, in bounded memory and time."""
    command = [sys.executable, "-m", "tests.fuzz.sample", name, "--inputs", "300"]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, env=environment)
    assert done.returncode == 0, done.stderr[-4000:]
    count = int(done.stdout.split()[1])
    assert count == 300 + len(regressions(name))


def test_former_findings_belong_to_targets() -> None:
    """Each folder of regressions is read by a target, and none is empty."""
    folders = [path for path in REGRESSIONS.iterdir() if path.is_dir()]
    assert {folder.name for folder in folders} <= set(NAMES)
    assert all(regressions(folder.name) for folder in folders)


def test_mutations_are_the_same_each_time() -> None:
    """A seed of the generator gives its inputs again, within their length; another one gives others."""
    seeds = [b'{"type": "end"}', bytes(range(64))]
    first, again, other = ([*inputs(seeds, 200, 48, seed)] for seed in (1, 1, 2))
    assert first == again
    assert first[2:] != other[2:]
    assert first[:2] == seeds
    assert max(map(len, first[2:])) <= 48
