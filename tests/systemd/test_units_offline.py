"""What systemd itself says of our units, without running them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from amanuensis.daemon.service.units import Places, Scope, unit_files

MOST_EXPOSED = {"system": 2.5, "user": 7.0}  # levels of `systemd-analyze security`; the user's unit has no namespaces
ANSWER_S = 60  # only against hanging


@pytest.fixture(params=["system", "user"])
def scope(request: pytest.FixtureRequest) -> Scope:
    """Both variants."""
    found: Scope = request.param
    return found


@pytest.fixture
def units(scope: Scope, tmp_path: Path) -> list[Path]:
    """Service and socket as they are installed, with a program that exists."""
    files = unit_files(scope, Places(tmp_path), ["/bin/true"])
    for file in files:
        file.path.write_text(file.text)
    return [file.path for file in files]


def analyze(*words: str | Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze; skips by name where it is not installed."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed: nobody can verify units here")
    return subprocess.run(
        ["systemd-analyze", "--no-pager", *map(str, words)],
        env=os.environ | env,
        capture_output=True,
        text=True,
        timeout=ANSWER_S,
        check=False,
    )


def test_units_are_verified(scope: Scope, units: list[Path], tmp_path: Path) -> None:
    """`systemd-analyze verify` has nothing to say: no unknown setting, no wrong value, no missing program."""
    done = analyze(f"--{scope}", "verify", *units, env={"XDG_RUNTIME_DIR": str(tmp_path)})
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_exposure_is_what_the_documents_say(scope: Scope, units: list[Path], tmp_path: Path, repository: Path) -> None:
    """The score stays below its bound and is the one that docs/service.md states."""
    words = (f"--{scope}", "security", "--offline=yes", units[0])
    done = analyze(*words, env={"XDG_RUNTIME_DIR": str(tmp_path)})
    found = re.search(r"exposure level for amanuensis.service: ([\d.]+)", done.stdout)
    assert found, done.stderr
    assert float(found[1]) < MOST_EXPOSED[scope]
    document = (repository / "docs" / "service.md").read_text()
    assert f"{scope} unit | {found[1]} " in document


def test_units_of_both_kinds_ask_for_the_same_daemon(repository: Path) -> None:
    """Type, reload, watchdog, restart and stop do not differ between the machine's unit and a person's."""
    settings = ("Type", "ExecReload", "WatchdogSec", "Restart", "RestartSec", "KillMode", "RuntimeDirectoryPreserve")
    texts = [(repository / "systemd" / kind / "amanuensis.service").read_text() for kind in ("system", "user")]
    system, user = ({name: re.findall(rf"^{name}=(.*)$", text, re.M) for name in settings} for text in texts)
    assert system == user
    assert system["Type"] == ["notify"]
    assert system["KillMode"] == ["mixed"]
