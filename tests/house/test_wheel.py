"""The wheel built from the tree, in an environment that holds nothing else."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("benchmarks", "client", "daemon", "kernels", "npu", "stream", "systemd", "training")
NOT_SHIPPED = {"amanuensis/training/start.model"}
OFFLINE = re.compile(r"NameResolutionError|NewConnectionError|ConnectTimeout|Network is unreachable", re.I)


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command away from the checkout and return its standard output."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in {"PYTHONPATH", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"}
    }
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=kept, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stderr[-2000:]}"
    return done.stdout


def pip(python: Path, *arguments: str | Path, cwd: Path) -> None:
    """Install; without a package registry in reach the test is skipped, because it could not say anything."""
    command = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *arguments]
    done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True, timeout=240, check=False)
    if done.returncode and OFFLINE.search(done.stderr):
        pytest.skip("no package registry in reach: cannot fill an empty environment")
    assert done.returncode == 0, done.stderr[-2000:]


@dataclass(frozen=True, slots=True)
class Installed:
    """An environment with the wheel in it."""

    wheel: Path
    bin: Path
    neutral: Path  # a folder with nothing in it


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what git holds or would add, without build leftovers."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        names = subprocess.run(command, check=True, capture_output=True).stdout.decode().split("\0")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout: the list of files is unknown")
    copy = tmp_path_factory.mktemp("tree")
    for name in names:
        if name and (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    return copy


@pytest.fixture(scope="module")
def wheel(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built with the tools of the development environment."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", out, tree, cwd=out)
    (built,) = out.glob("amanuensis-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel and what it declares to need, in an empty environment."""
    home = tmp_path_factory.mktemp("empty")
    venv.create(home / "venv", with_pip=True)
    (home / "neutral").mkdir()
    pip(home / "venv/bin/python", wheel, cwd=home)
    return Installed(wheel, home / "venv/bin", home / "neutral")


def test_wheel_has_every_part_and_its_data(tree: Path, wheel: Path) -> None:
    """Every file of a part is in the wheel, under its name; weights that training goes on from are not."""
    packed = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        f"amanuensis/{path.relative_to(tree)}"
        for part in PARTS
        for path in (tree / part).rglob("*")
        if path.is_file() and path.suffix != ".md" and "__pycache__" not in path.parts
    }
    assert wanted - packed == NOT_SHIPPED


def test_wheel_puts_nothing_generic_at_the_top(wheel: Path) -> None:
    """Only `amanuensis` and its metadata land in site-packages."""
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert all(top == "amanuensis" or top.startswith("amanuensis-") for top in tops)


@pytest.mark.parametrize("name", [*PARTS, "tests"])
def test_generic_names_stay_free(installed: Installed, name: str) -> None:
    """`import daemon` and the like find nothing of ours in an environment with the wheel."""
    code = f"import importlib.util as u; s = u.find_spec({name!r}); print(s and s.origin)"
    assert run(installed.bin / "python", "-c", code, cwd=installed.neutral).strip() == "None"


@pytest.mark.parametrize("name", PARTS)
def test_generic_names_stay_free_in_an_editable_install(name: str, tmp_path: Path) -> None:
    """The same in the environment of the tests, where the checkout itself is installed."""
    code = f"import importlib.util as u; s = u.find_spec({name!r}); print(s and s.origin)"
    assert run(sys.executable, "-c", code, cwd=tmp_path).strip() == "None"


def test_editable_install_runs_the_checkout(tmp_path: Path) -> None:
    """`make setup` installs the checkout itself: from any folder its own files are imported."""
    code = "import amanuensis.stream; print(amanuensis.stream.__file__)"
    assert Path(run(sys.executable, "-c", code, cwd=tmp_path).strip()) == ROOT / "stream/__init__.py"


def test_wheel_needs_neither_torch_nor_a_compiler(installed: Installed) -> None:
    """The declared dependencies bring no torch, no CUDA and no build tools."""
    listing = json.loads(run(installed.bin / "python", "-m", "pip", "list", "--format=json", cwd=installed.neutral))
    names = {row["name"].lower() for row in listing}
    assert "amanuensis" in names
    assert not {name for name in names if name == "torch" or name.startswith("nvidia")}


def test_wheel_answers_help(installed: Installed) -> None:
    """Both commands run from the wheel."""
    assert "transcribe" in run(installed.bin / "amanuensis", "--help", cwd=installed.neutral)
    assert "--input" in run(installed.bin / "amanuensis-listen", "--help", cwd=installed.neutral)


def test_wheel_runs_the_main_job(installed: Installed) -> None:
    """Nothing but the wheel: a recording becomes text, and the demo brings captions through the daemon."""
    if not list((ROOT / "npu/builtin").glob("*.model")):
        pytest.skip("the built-in model is not packaged in this tree")
    code = "from importlib.resources import files; print(files('amanuensis.daemon') / 'data/demo.flac')"
    clip = run(installed.bin / "python", "-c", code, cwd=installed.neutral).strip()
    said = json.loads(run(installed.bin / "amanuensis", "transcribe", "--json", clip, cwd=installed.neutral))
    assert "what time is it" in said["text"].lower()
    assert said["engine"]["encoder"] == "cpu"
    lines = run(installed.bin / "amanuensis", "demo", "--json", "--speed", "8", cwd=installed.neutral).splitlines()
    kinds = {json.loads(line).get("type") for line in lines}
    assert {"partial", "commit", "final", "bye", "summary"} <= kinds
