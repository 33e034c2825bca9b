"""Bill of materials and notices of what packages carry, from an environment made of the lock."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
OFFLINE = re.compile(r"NameResolutionError|NewConnectionError|ConnectTimeout|Network is unreachable", re.I)


def written(folder: Path) -> Path:
    """Write both into a folder; skips by name where the environment cannot be filled."""
    env = os.environ | {"SOURCE_DATE_EPOCH": "1700000000"}
    command = [ROOT / "script/package-sbom", folder]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode and OFFLINE.search(done.stderr):
        pytest.skip("no package registry in reach: the wheels of the lock cannot be fetched")
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


def test_papers_of_the_lock(tmp_path: Path) -> None:
    """All that is locked is in both, in its locked version, with a licence that is allowed; twice the same bytes."""
    first, second = written(tmp_path / "first"), written(tmp_path / "second")
    names = {path.name for path in first.iterdir()}
    assert names == {"amanuensis.cdx.json", "THIRD-PARTY.txt"}
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in names)
    lock = (ROOT / "packaging/requirements.lock").read_text()
    locked = {(re.sub(r"[-_.]+", "-", name), version) for name, version in re.findall(r"^(\S+)==(\S+)", lock, re.M)}
    parts = json.loads((first / "amanuensis.cdx.json").read_text())["components"]
    told = {(re.sub(r"[-_.]+", "-", part["name"]).lower(), part["version"]) for part in parts}
    assert told == locked
    assert all(part["licenses"] for part in parts)
    notices = (first / "THIRD-PARTY.txt").read_text()
    headed = re.findall(r"^(\S+) (\S+)\n  licence: \S", notices, re.MULTILINE)
    assert {(re.sub(r"[-_.]+", "-", name).lower(), version) for name, version in headed} == locked
