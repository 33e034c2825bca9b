"""What a package carries: licences that are known and allowed, whole notices, a well-formed bill of materials."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "packaging/requirements.lock"
MIT_TEXT = "Permission is hereby granted, free of charge.\n"


def run(program: str, python: Path) -> subprocess.CompletedProcess[str]:
    """Run one of the programs of packaging/ on an environment."""
    return subprocess.run(
        [sys.executable, str(ROOT / "packaging" / program), "--python", str(python)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"},
    )


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """The interpreter of an environment with nothing in it."""
    venv.create(tmp_path / "env")
    return tmp_path / "env/bin/python"


def put(python: Path, name: str, metadata: str, **files: str) -> None:
    """Install a distribution: its metadata, and files whose names have / for __ and . for _dot_."""
    (site,) = (python.parents[1] / "lib").glob("python*/site-packages")
    info = f"{name}-1.0.dist-info"
    contents = {name.replace("__", "/").replace("_dot_", "."): text for name, text in files.items()}
    contents = {(f"{info}/licenses/{path}" if "/" not in path else path): text for path, text in contents.items()}
    contents[f"{info}/METADATA"] = f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\n{metadata}\n"
    contents[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*contents, f"{info}/RECORD"])
    for path, text in contents.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(text)


def test_all_that_is_locked_may_be_carried() -> None:
    """Of what packages carry (packaging/requirements.lock), as it is in this environment, nothing is refused."""
    locked = set(re.findall(r"^([\w.-]+)==", LOCK.read_text(), re.MULTILINE))
    done = run("licences.py", Path(sys.executable))
    names = {re.sub(r"[-_.]+", "-", line.split(" ")[0]).lower() for line in done.stdout.splitlines() if line[0] != " "}
    assert locked <= names
    refused = [line for line in done.stderr.splitlines() if line.startswith("licences: ")]
    named = {re.sub(r"[-_.]+", "-", re.split(r"[ :]", line.removeprefix("licences: "))[0]).lower() for line in refused}
    assert not named & locked, refused


def test_media_is_not_carried() -> None:
    """PyAV is not locked: its FFmpeg comes with x264 and x265, which are under the GPL, and is refused for that."""
    assert not re.search(r"^av==", LOCK.read_text(), re.MULTILINE)
    assert re.search(
        r"^licences: av \(.*GPL-2.0-or-later is not", run("licences.py", Path(sys.executable)).stderr, re.M
    )


def test_what_is_known_passes(empty: Path) -> None:
    """Expressions of both fields of the metadata, and a choice that stands in the table as a whole, are taken."""
    put(empty, "new", "License-Expression: MIT AND BSD-3-Clause", LICENSE=MIT_TEXT)
    put(empty, "old", "License: ISC", COPYING=MIT_TEXT)
    put(empty, "both", "License-Expression: Apache-2.0 OR BSD-2-Clause", LICENSE_dot_BSD=MIT_TEXT)
    put(empty, "apache", "License-Expression: Apache-2.0")
    done = run("licences.py", empty)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "apache 1.0\tApache-2.0",
        "both 1.0\tApache-2.0 OR BSD-2-Clause",
        "new 1.0\tMIT AND BSD-3-Clause",
        "old 1.0\tISC",
    ]


@pytest.mark.parametrize(
    ("metadata", "files", "why"),
    [
        ("License-Expression: AGPL-3.0-only", {"LICENSE": MIT_TEXT}, "AGPL-3.0-only is not among the allowed"),
        ("License-Expression: MIT AND GPL-2.0-only", {"LICENSE": MIT_TEXT}, "GPL-2.0-only is not among the allowed"),
        ("License: see the file", {"LICENSE": MIT_TEXT}, "its licence is not known"),
        ("", {"LICENSE": MIT_TEXT}, "its licence is not known"),
        ("License-Expression: MIT", {}, "it brings no text of its licence, MIT"),
        (
            "License-Expression: MIT",
            {"LICENSE": MIT_TEXT, "odd_dot_libs__libodd-1_dot_so": ""},
            "(libodd-1.so): its licence is not known",
        ),
    ],
)
def test_what_may_not_be_carried_is_named(empty: Path, metadata: str, files: dict[str, str], why: str) -> None:
    """A licence that is not allowed, not known or without its text, a library nobody has looked at: one line each."""
    put(empty, "odd", metadata, **files)
    done = run("licences.py", empty)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("licences: odd")
    assert why in line


def test_notices_have_every_text_once(empty: Path) -> None:
    """Each distribution is named with licence and texts, and equal texts stand there once; ours is not listed."""
    put(empty, "first", "License-Expression: MIT\nProject-URL: Homepage, https://first.example", LICENSE=MIT_TEXT)
    put(empty, "second", "License-Expression: MIT", LICENSE=MIT_TEXT, NOTICE="Made by others.")
    put(empty, "amanuensis", "License-Expression: Apache-2.0")
    done = run("notices.py", empty)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(MIT_TEXT) == 1
    assert done.stdout.count("Made by others.") == 1
    entry = "second 1.0\n  licence: MIT\n  text 1: second-1.0.dist-info/licenses/LICENSE\n  text 2:"
    assert entry in done.stdout
    assert "page: https://first.example" in done.stdout
    assert "amanuensis 1.0" not in done.stdout


def test_bill_of_materials(empty: Path) -> None:
    """The bill is valid, names this project, and tells the licences that metadata does not tell."""
    put(empty, "protobuf", "License: 3-Clause BSD License", LICENSE=MIT_TEXT)
    put(empty, "soundfile", "License: BSD", LICENSE=MIT_TEXT, _soundfile_data__libsndfile_x_dot_so="")
    done = run("sbom.py", empty)
    assert done.returncode == 0, done.stderr
    bill: dict[str, Any] = json.loads(done.stdout)
    assert bill["metadata"]["timestamp"].startswith("2023-11-14")  # SOURCE_DATE_EPOCH, and not today
    assert bill["specVersion"] == "1.6"
    assert bill["metadata"]["component"]["name"] == "amanuensis"
    parts = {part["name"]: part for part in bill["components"]}
    assert parts["protobuf"]["licenses"] == [{"expression": "BSD-3-Clause"}]
    (library,) = parts["soundfile"]["components"]
    assert library["name"] == "libsndfile_x.so"
    assert "LGPL-2.1-or-later" in library["licenses"][0]["expression"]
