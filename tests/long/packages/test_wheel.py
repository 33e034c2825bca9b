"""The wheel as people install it: by pipx and by uv, in a home of its own with nothing in it."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
OFFLINE = re.compile(r"NameResolutionError|NewConnectionError|ConnectTimeout|Network is unreachable|dns error", re.I)
INSTALLERS = {
    "pipx": ["pipx", "install", "--python", sys.executable],
    "uv": ["uv", "tool", "install", "--python", sys.executable],
}


@pytest.fixture(scope="module")
def commit() -> str:
    """The commit that is packed, whatever is committed meanwhile."""
    words = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def packed(folder: Path, commit: str) -> dict[str, str]:
    """Build wheel and sdist into a folder and return their digests by name."""
    subprocess.run([ROOT / "script/package-wheel", folder, commit], check=True, capture_output=True)
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_two_builds_have_the_same_bytes(commit: str, tmp_path: Path) -> None:
    """Wheel and sdist of a commit, built twice in different folders."""
    first, second = packed(tmp_path / "first", commit), packed(tmp_path / "second", commit)
    assert len(first) == 2
    assert first == second


@pytest.mark.parametrize("installer", INSTALLERS)
def test_wheel_is_installed_as_a_tool(installer: str, commit: str, tmp_path: Path) -> None:
    """In an empty home the wheel becomes two commands on the path, which caption and go away again."""
    home, tools = tmp_path / "home", tmp_path / "tools"
    home.mkdir()
    venv.create(tools, with_pip=True)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "AMANUENSIS_", "PIPX_"))}
    env |= {"HOME": str(home), "PATH": f"{home}/.local/bin:{tools}/bin:/usr/bin:/bin"}

    def run(*words: str | Path) -> str:
        done = subprocess.run(list(map(str, words)), env=env, cwd=home, capture_output=True, text=True, check=False)
        if done.returncode and OFFLINE.search(done.stderr):
            pytest.skip("no package registry in reach: what the wheel needs cannot be fetched")
        assert done.returncode == 0, f"{words}: {done.stdout[-1000:]}{done.stderr[-2000:]}"
        return done.stdout

    run(tools / "bin/python", "-m", "pip", "install", "-q", installer)
    packed(tmp_path / "dist", commit)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    run(*INSTALLERS[installer], wheel)
    assert run("amanuensis", "--version").split()[-1] == wheel.name.split("-")[1]
    assert "--input" in run("amanuensis-listen", "--help")
    sound = next((ROOT / "tests/data").rglob("narrow_seen_003.flac"))
    assert "the train leaves at five thirty nine" in run("amanuensis", "transcribe", sound).lower()
    run(*(["pipx"] if installer == "pipx" else ["uv", "tool"]), "uninstall", "amanuensis")
    assert not (home / ".local/bin/amanuensis").exists()
