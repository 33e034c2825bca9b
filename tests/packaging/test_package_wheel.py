"""Wheel and sdist of `script/package-wheel`: the same bytes from the same commit, and nothing of where it was built."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def git(*arguments: str) -> bytes:
    """What git says of this checkout."""
    try:
        return subprocess.run(["git", "-C", str(ROOT), *arguments], check=True, capture_output=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout: there is no commit to build from")


def sha256(path: Path) -> str:
    """The digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def commit() -> str:
    """The commit that is packed."""
    return git("rev-parse", "HEAD").decode().strip()


@pytest.fixture(scope="module")
def dist(commit: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the script makes of it."""
    out = tmp_path_factory.mktemp("dist")
    subprocess.run([ROOT / "script/package-wheel", out, commit], check=True, capture_output=True)
    return out


def test_wheel_of_the_sdist_is_that_of_the_tree(commit: str, dist: Path, tmp_path: Path) -> None:
    """A wheel that is built in another folder, of the commit itself and not of the sdist, has the same bytes."""
    tree = tmp_path / "elsewhere"
    tree.mkdir()
    subprocess.run(
        ["tar", "-x", "--no-same-permissions"], cwd=tree, input=git("archive", commit), check=True, umask=0o022
    )
    env = {**os.environ, "SOURCE_DATE_EPOCH": git("log", "-1", "--format=%ct", commit).decode().strip()}
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(tree)]
    subprocess.run(command, check=True, capture_output=True, env=env, umask=0o022)
    (ours,), (theirs,) = dist.glob("*.whl"), tmp_path.glob("*.whl")
    assert (ours.name, sha256(ours)) == (theirs.name, sha256(theirs))


def test_sdist_tells_nothing_of_its_build(commit: str, dist: Path) -> None:
    """Every file in the sdist has the time of the commit and belongs to nobody; names are in order."""
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        members = archive.getmembers()
    assert {member.mtime for member in members} == {int(git("log", "-1", "--format=%ct", commit))}
    assert {(member.uid, member.gid, member.uname, member.gname) for member in members} == {(0, 0, "", "")}
    assert [member.name for member in members] == sorted(member.name for member in members)
    assert sdist.read_bytes()[4:8] == bytes(4)  # gzip's own time


def test_version_stands_in_one_place(commit: str, dist: Path) -> None:
    """Both are named after the version of pyproject.toml, and no Python file of a part holds it."""
    version = tomllib.loads(git("show", f"{commit}:pyproject.toml").decode())["project"]["version"]
    assert {path.name for path in dist.iterdir()} == {
        f"amanuensis-{version}.tar.gz",
        f"amanuensis-{version}-py3-none-any.whl",
    }
    parts = ("benchmarks", "client", "daemon", "kernels", "npu", "packaging", "stream", "training")
    holds = re.compile(rf"""["']{re.escape(version)}["']""")
    sources = [path for part in parts for path in (ROOT / part).rglob("*.py")]
    assert sources
    assert [path for path in sources if holds.search(path.read_text())] == []
