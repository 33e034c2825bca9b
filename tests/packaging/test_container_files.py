"""What runs the container: the compose files are of the published form, and name settings and versions that exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import yaml

from tests.helpers.manifests import ROOT, SCHEMAS, environment_of, setting_names, validator

FOLDER = ROOT / "packaging/oci"


def compose(name: str) -> dict[str, Any]:
    """A compose file."""
    found: dict[str, Any] = yaml.safe_load((FOLDER / name).read_text())
    return found


def container_environment() -> dict[str, str]:
    """The variables that the image sets."""
    (block,) = re.findall(r"^ENV ((?:.*\\\n)*.*)$", (FOLDER / "Containerfile").read_text(), re.MULTILINE)
    return dict(pair.split("=", 1) for pair in block.replace("\\\n", " ").split())


def test_compose_files_are_valid() -> None:
    """Both have the form that the Compose Specification publishes."""
    schema = validator(yaml.safe_load((SCHEMAS / "compose-spec.json").read_text()))
    for name in ("compose.yaml", "compose.npu.yaml"):
        assert [error.message for error in schema.iter_errors(compose(name))] == []


def test_compose_is_closed_to_other_machines_and_wants_a_token() -> None:
    """The port is this machine's alone, and without a token in its environment compose does not go on."""
    service = compose("compose.yaml")["services"]["amanuensis"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert service["environment"]["AMANUENSIS_SERVER_TOKEN"].startswith("${AMANUENSIS_SERVER_TOKEN:?")
    assert service["read_only"] is True


def test_compose_runs_the_version_of_the_project() -> None:
    """The image has the version of pyproject.toml, and is built from the file that is here."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    service = compose("compose.yaml")["services"]["amanuensis"]
    assert service["image"] == f"localhost/amanuensis:{version}"
    context = (FOLDER / service["build"]["context"]).resolve()
    assert (context / service["build"]["dockerfile"]).samefile(FOLDER / "Containerfile")


def test_settings_exist() -> None:
    """Every AMANUENSIS_ variable of the folder is one that the daemon reads."""
    named = {name for path in FOLDER.iterdir() for name in environment_of(path.read_text())}
    assert named
    assert named <= setting_names()


def test_what_the_image_sets_is_taken(tmp_path: Path) -> None:
    """With the image's variables and a token the daemon accepts its settings; without one it says what is missing."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("AMANUENSIS_")}
    env |= {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)} | container_environment()
    command = [sys.executable, "-m", "amanuensis.daemon.main", "serve", "--check"]

    def check(**more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, env=env | more, capture_output=True, text=True, check=False)

    accepted = check(AMANUENSIS_SERVER_TOKEN="of-the-test-0123456789")
    assert accepted.returncode == 0, accepted.stderr
    assert 'listen = ["0.0.0.0:8770", "unix:"]' in accepted.stdout
    refused = check()
    assert refused.returncode != 0
    assert "no token is set" in refused.stderr


def test_whole_checkout_is_copied() -> None:
    """Every part that the wheel is built of is copied into the image's build."""
    copied = set(re.findall(r"^COPY (\w+) \1$", (FOLDER / "Containerfile").read_text(), re.MULTILINE))
    folders = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-dir"]
    assert copied == set(folders.values())
